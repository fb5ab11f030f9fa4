import { CommitProgress } from "../gateway/commit-progress.ts";
import { BrokerListenError, type EmbeddedBrokerOptions } from "../gateway/embedded-broker.ts";
import { Gateway } from "../gateway/gateway.ts";
import { Spool } from "../gateway/spool/spool.ts";
import { UnsetSpans } from "../gateway/spool/unset-spans.ts";
import { UdpListenError } from "../gateway/udp-link.ts";
import { WallClock } from "../gateway/wall-clock.ts";
import { askSynchronised, machineBootId } from "../host/clock-sync.ts";
import { CounterTable } from "../host/counters.ts";
import { createProcessLog } from "../host/process-log.ts";
import { feedWatchdog, systemdManager } from "../host/sd-notify.ts";
import { keepHeapSmall } from "../host/small-heap.ts";
import { systemClock, systemTimers } from "../host/system-clock.ts";
import { SystemDisk } from "../host/system-disk.ts";
import { systemRandom } from "../host/system-random.ts";
import { takeData } from "./data-folder.ts";
import { DeviceAuth } from "./device-auth.ts";
import descriptions from "./gateway-metrics.json" with { type: "json" };
import { type Output, spooledOutputs, startOutputs } from "./gateway-outputs.ts";
import { type GatewaySettings, gatewaySettings } from "./gateway-settings.ts";
import { startServiceLink } from "./gateway-uplink.ts";
import { startStatusServer } from "./status-server.ts";
import { stopSignal } from "./stop-signal.ts";
import { UserError } from "./user-error.ts";

const STATUS_MS = 60_000;
/** By then the service has answered, or does not. */
const STATUS_FIRST_MS = 2_000;

/** `boardlog gateway`: boards in, a log service out, until a signal. */
export async function runGateway(options: {
  readonly settings: string;
  readonly check?: boolean;
}): Promise<void> {
  let settings = await gatewaySettings(options.settings);
  if (options.check) {
    process.stdout.write(`${options.settings}: good\n`);
    return;
  }
  keepHeapSmall();
  let hangUp: () => void = () => {};
  const { signal, stopped } = stopSignal(() => hangUp());
  const manager = systemdManager(process.env);
  const counters = new CounterTable();
  const unlock = takeData(settings.data);
  let parts: Parts | undefined;
  try {
    parts = await startParts(settings, manager, counters);
    for (;;) {
      const hungUp = new Promise<"reload">((resolve) => {
        hangUp = () => resolve("reload");
      });
      await manager.notify("READY=1");
      const { host } = settings.status;
      process.stdout.write(
        `boardlog gateway ${settings.id}: running, status at http://${host}:${parts.statusPort}/healthz\n`,
      );
      const reason = signal.aborted ? undefined : await Promise.race([stopped, hungUp]);
      if (reason !== "reload" || signal.aborted) break;
      const monotonicUs = process.hrtime.bigint() / 1000n;
      await manager.notify("RELOADING=1", `MONOTONIC_USEC=${monotonicUs}`);
      const next = await reread(options.settings, settings);
      if (next === undefined) continue;
      await parts.close();
      parts = undefined;
      try {
        parts = await startParts(next, manager, counters);
        settings = next;
      } catch (error) {
        // Good settings that do not go here, such as a port that is taken.
        sayNotReloaded(error);
        parts = await startParts(settings, manager, counters);
      }
    }
    await manager.notify("STOPPING=1");
  } finally {
    await parts?.close();
    unlock();
  }
}

interface Parts {
  readonly statusPort: number;
  close(): Promise<void>;
}

/** Settings that are wrong change nothing: the gateway goes on with those it has, and says why. */
async function reread(path: string, before: GatewaySettings): Promise<GatewaySettings | undefined> {
  try {
    const next = await gatewaySettings(path);
    if (next.data === before.data && next.id === before.id) return next;
    throw new UserError(`${path}: id and data cannot change while it runs: restart it`);
  } catch (error) {
    sayNotReloaded(error);
    return undefined;
  }
}

/** @throws what is not the user's to mend. */
function sayNotReloaded(error: unknown): void {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`boardlog: not reloaded, it goes on as before: ${error.message}\n`);
}

async function startParts(
  settings: GatewaySettings,
  manager: ReturnType<typeof systemdManager>,
  counters: CounterTable,
): Promise<Parts> {
  const closers: (() => Promise<unknown> | undefined)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const { statusPort } = await start(settings, manager, counters, closers);
    return { statusPort, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Starts the parts from the disk outwards; each leaves its end in `closers`. */
async function start(
  settings: GatewaySettings,
  manager: ReturnType<typeof systemdManager>,
  counters: CounterTable,
  closers: (() => Promise<unknown> | undefined)[],
): Promise<{ readonly statusPort: number }> {
  const log = createProcessLog(settings.log);
  const world = { clock: systemClock, timers: systemTimers, random: systemRandom, counters, log };
  const { id, project } = settings;
  const disk = new SystemDisk(settings.data);
  const wallClock = new WallClock(world, askSynchronised);
  await wallClock.start();
  closers.push(async () => wallClock.stop());
  const waitMs = settings.clockWaitMs;
  const dating = await UnsetSpans.open({ ...world, disk, wallClock }, { bootId: machineBootId(), waitMs });
  closers.push(async () => dating.stop());
  const gatewaySrc = `gateway-${id}`;
  const spool = await Spool.open(
    { ...world, disk, dating },
    { ...settings.spool, gatewaySrc, outputs: spooledOutputs(settings.outputs) },
  );
  closers.push(() => spool.close());
  await dating.begin(() => spool.durable);
  spool.start();
  const service = await startServiceLink({ ...world, disk, spool }, settings);
  const outputs = startOutputs(world, spool, settings.outputs, gatewaySrc);
  closers.push(() => Promise.all([service.stop(), outputs.otlp?.stop(), outputs.syslog?.stop()]));
  const { uplink } = service;
  const { mqtt } = settings;
  let brokerAuth: DeviceAuth | undefined;
  if (mqtt !== undefined) {
    brokerAuth = new DeviceAuth(
      { ...world, disk },
      { project, ...(mqtt.key !== undefined && { key: mqtt.key }) },
    );
    await brokerAuth.start();
    closers.push(async () => brokerAuth?.stop());
  }
  const gateway = new Gateway(
    { ...world, disk, uplink, wallClock, ...(brokerAuth !== undefined && { brokerAuth }) },
    {
      project,
      sourceRate: settings.sourceRate,
      devicesMax: settings.devicesMax,
      serial: settings.serial,
      brokers: settings.brokers,
      udp: settings.udp,
      clientId: `boardlog-${id}`,
      ...(mqtt !== undefined && { mqtt: embeddedBroker(mqtt) }),
    },
  );
  const problems = (): readonly string[] => [
    ...(service.isConnected() ? [] : [service.problem()]),
    ...(uplink.problem === undefined ? [] : [uplink.problem]),
    ...Object.values(outputs).flatMap(({ problem }: Output) => problem() ?? []),
    ...gateway.problems,
    ...(wallClock.isSet ? [] : ["the clock of this machine is not set; lines are dated once it is"]),
  ];
  const status = await startStatusServer(settings.status, {
    counters,
    descriptions,
    gauges: () => ({
      spool_waiting_entries: spool.waitingEntries,
      spool_bytes: spool.bytes,
      spool_segments: spool.segmentCount,
      gateway_queued_entries: gateway.queuedEntries,
      uplink_connected: service.isConnected() ? 1 : 0,
      ...(outputs.otlp !== undefined && {
        otlp_waiting_entries: outputs.otlp.waitingEntries(),
        otlp_connected: outputs.otlp.problem() === undefined ? 1 : 0,
      }),
      ...(outputs.syslog !== undefined && {
        syslog_waiting_entries: outputs.syslog.waitingEntries(),
        syslog_connected: outputs.syslog.problem() === undefined ? 1 : 0,
      }),
      mqtt_boards_online: gateway.presence.online,
      mqtt_boards_offline: gateway.presence.offline,
    }),
    problems,
  });
  closers.push(() => status.close());
  service.attach(gateway);
  try {
    await gateway.start();
  } catch (error) {
    if (error instanceof BrokerListenError) throw new UserError(`mqtt.listen: ${error.message}`, 1);
    if (error instanceof UdpListenError) throw new UserError(`udp: ${error.message}`, 1);
    throw error;
  }
  closers.push(() => gateway.stop());
  const progress = new CommitProgress(counters, () => gateway.queuedEntries);
  const watchdog = feedWatchdog(manager, systemTimers, () => progress.hasMoved());
  const sayStatus = (): void => {
    const state = service.isConnected() ? "connected" : "the log service does not answer";
    void manager.notify(`STATUS=${state}, ${spool.waitingEntries} entries wait`);
  };
  const firstSaid = systemTimers.after(STATUS_FIRST_MS, sayStatus);
  const said = systemTimers.every(STATUS_MS, sayStatus);
  closers.push(async () => {
    watchdog.cancel();
    firstSaid.cancel();
    said.cancel();
  });
  return { statusPort: status.port };
}

function embeddedBroker({
  listen: { host, port },
  connectionsMax,
  routes,
}: NonNullable<GatewaySettings["mqtt"]>): EmbeddedBrokerOptions {
  return { host, port, routes, ...(connectionsMax !== undefined && { connectionsMax }) };
}
