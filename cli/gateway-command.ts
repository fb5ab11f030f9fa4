import { createHash, timingSafeEqual } from "node:crypto";
import type { BrokerAuth } from "../gateway/broker-rules.ts";
import { CommitProgress } from "../gateway/commit-progress.ts";
import { BrokerListenError } from "../gateway/embedded-broker.ts";
import { Forwarder } from "../gateway/forwarder.ts";
import { Gateway } from "../gateway/gateway.ts";
import { HttpServiceClient } from "../gateway/service-client.ts";
import { Spool } from "../gateway/spool/spool.ts";
import { SpooledUplink } from "../gateway/spooled-uplink.ts";
import { CounterTable } from "../host/counters.ts";
import { createProcessLog } from "../host/process-log.ts";
import { feedWatchdog, systemdManager } from "../host/sd-notify.ts";
import { systemClock, systemTimers } from "../host/system-clock.ts";
import { SystemDisk } from "../host/system-disk.ts";
import { systemRandom } from "../host/system-random.ts";
import { takeData } from "./data-folder.ts";
import { type GatewaySettings, gatewaySettings } from "./gateway-settings.ts";
import { startStatusServer } from "./status-server.ts";
import { stopSignal } from "./stop-signal.ts";
import { UserError } from "./user-error.ts";

/** How long the batch under way may take when the gateway stops, ms. */
const FORWARD_STOP_MS = 500;
const STATUS_MS = 60_000;

/** `boardlog gateway`: boards in, a log service out, until a signal. */
export async function runGateway(options: {
  readonly settings: string;
  readonly check?: boolean;
}): Promise<void> {
  const settings = await gatewaySettings(options.settings);
  if (options.check) {
    process.stdout.write(`${options.settings}: good\n`);
    return;
  }
  const { signal, stopped } = stopSignal();
  const manager = systemdManager(process.env);
  const closers: (() => Promise<unknown> | undefined)[] = [];
  try {
    const unlock = takeData(settings.data);
    closers.push(async () => unlock());
    const { statusPort } = await start(settings, manager, closers);
    await manager.notify("READY=1");
    process.stdout.write(
      `boardlog gateway ${settings.id}: running, status at http://${settings.status.host}:${statusPort}/healthz\n`,
    );
    if (!signal.aborted) await stopped;
    await manager.notify("STOPPING=1");
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** Starts the parts from the disk outwards; each leaves its end in `closers`. */
async function start(
  settings: GatewaySettings,
  manager: ReturnType<typeof systemdManager>,
  closers: (() => Promise<unknown> | undefined)[],
): Promise<{ readonly statusPort: number }> {
  const counters = new CounterTable();
  const log = createProcessLog({ level: "info" });
  const world = { clock: systemClock, timers: systemTimers, random: systemRandom, counters, log };
  const { id, project } = settings;
  const spool = await Spool.open(
    { ...world, disk: new SystemDisk(settings.data) },
    { ...settings.spool, gatewaySrc: `gateway-${id}` },
  );
  closers.push(() => spool.close());
  const client = new HttpServiceClient({ ...settings.service, project, gatewayId: id });
  const forwarder = new Forwarder({ ...world, spool, client });
  forwarder.start();
  closers.push(() => forwarder.stop(FORWARD_STOP_MS));
  const isConnected = (): boolean => forwarder.isConnected;
  const uplink = new SpooledUplink({ ...world, spool, client, isConnected }, { project });
  const { mqtt } = settings;
  const gateway = new Gateway(
    { ...world, uplink, ...(mqtt !== undefined && { brokerAuth: keyAuth(project, mqtt.key) }) },
    {
      project,
      serial: settings.serial,
      brokers: settings.brokers,
      clientId: `boardlog-${id}`,
      ...(mqtt !== undefined && { mqtt: { host: mqtt.listen.host, port: mqtt.listen.port } }),
    },
  );
  const problems = (): readonly string[] =>
    forwarder.isConnected ? [] : [`the log service at ${new URL(settings.service.url).host} does not answer`];
  const status = await startStatusServer(settings.status, {
    counters,
    gauges: () => ({
      spool_waiting_entries: spool.waitingEntries,
      spool_bytes: spool.bytes,
      spool_segments: spool.segmentCount,
      gateway_queued_entries: gateway.queuedEntries,
      uplink_connected: forwarder.isConnected ? 1 : 0,
    }),
    problems,
  });
  closers.push(() => status.close());
  try {
    await gateway.start();
  } catch (error) {
    if (error instanceof BrokerListenError) throw new UserError(`mqtt.listen: ${error.message}`, 1);
    throw error;
  }
  closers.push(() => gateway.stop());
  const progress = new CommitProgress(counters, () => gateway.queuedEntries);
  const watchdog = feedWatchdog(manager, systemTimers, () => progress.hasMoved());
  const said = systemTimers.every(STATUS_MS, () => {
    const state = forwarder.isConnected ? "connected" : "the log service does not answer";
    void manager.notify(`STATUS=${state}, ${spool.waitingEntries} entries wait`);
  });
  closers.push(async () => {
    watchdog.cancel();
    said.cancel();
  });
  return { statusPort: status.port };
}

/** User name: the project; password: the key in the gateway's own file (docs/protocol.md 8.4). */
function keyAuth(project: string, key: string): BrokerAuth {
  const wanted = sha256(key);
  return {
    authenticate: async (userName, password) =>
      timingSafeEqual(sha256(password), wanted) && userName === project ? { project } : undefined,
  };
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
