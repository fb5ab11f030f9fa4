import { plainBroker } from "../gateway/broker-setting.ts";
import { BrokerListenError, type EmbeddedBrokerOptions } from "../gateway/embedded-broker.ts";
import { Gateway } from "../gateway/gateway.ts";
import { parseSerialSetting, type SerialSetting } from "../gateway/serial-setting.ts";
import { WallClock } from "../gateway/wall-clock.ts";
import { askSynchronised } from "../host/clock-sync.ts";
import { CounterTable } from "../host/counters.ts";
import type { ProcessLog } from "../host/log.ts";
import { createProcessLog } from "../host/process-log.ts";
import type { Pty } from "../host/pty.ts";
import { systemClock, systemTimers } from "../host/system-clock.ts";
import { SystemDisk } from "../host/system-disk.ts";
import { systemRandom } from "../host/system-random.ts";
import { PROJECT_DEFAULT } from "../protocol/names.ts";
import { KeyStore } from "../service/auth/key-store.ts";
import { LogService, PortTaken } from "../service/service.ts";
import type { LogStore, StoreUnavailable } from "../service/store/log-store.ts";
import { openStore } from "../service/store/open-store.ts";
import { DemoApp } from "../sim/demo-app.ts";
import { ADDRESS_FILE } from "./api-options.ts";
import { CONSOLE_FOLDER } from "./console-folder.ts";
import { takeData } from "./data-folder.ts";
import type { Demo } from "./demo.ts";
import { EmbeddedUplink } from "./embedded-uplink.ts";
import { entryLine } from "./entry-line.ts";
import { stableGatewayId } from "./gateway-id.ts";
import { KeyAuth } from "./key-auth.ts";
import { type HostPort, type UpFlags, type UpSettings, upSettings } from "./settings.ts";
import { stopSignal } from "./stop-signal.ts";
import { styleOf } from "./style.ts";
import { terminalLog } from "./terminal-log.ts";
import { type Running, upBanner } from "./up-banner.ts";
import { UserError } from "./user-error.ts";

/** Ports tried above a default one that is taken. */
const PORTS_BEYOND_DEFAULT = 20;

const world = { clock: systemClock, timers: systemTimers, random: systemRandom };

/** `boardlog up`: everything in one process, until a signal. */
export async function runUp(flags: UpFlags): Promise<void> {
  const { signal, stopped } = stopSignal();
  const settings = await upSettings(flags);
  const serial = settings.serial.map(serialSetting);
  const unlock = takeData(settings.data, "--data");
  const closers: (() => Promise<unknown> | undefined)[] = [async () => unlock()];
  try {
    const { failed } = await start(settings, serial, closers);
    if (!signal.aborted) await Promise.race([stopped, failed]);
    process.stdout.write(`\nstopped; the log is kept in ${settings.data}\n`);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/**
 * Starts the parts, from the store outwards; each leaves its end in `closers`.
 * `failed` rejects when the store fails for good.
 */
async function start(
  settings: UpSettings,
  serial: readonly SerialSetting[],
  closers: (() => Promise<unknown> | undefined)[],
): Promise<{ readonly failed: Promise<never> }> {
  const style = styleOf(process.stdout);
  const log: ProcessLog = process.stderr.isTTY
    ? terminalLog((line) => process.stderr.write(line), style)
    : createProcessLog({ level: "warn" });
  const counters = new CounterTable();
  const disk = new SystemDisk(settings.data);

  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  let hasFailed = false;
  const onFailure = (error: StoreUnavailable): void => {
    hasFailed = true;
    fail(new UserError(error.message, 1));
  };

  const deps = { ...world, dir: `${settings.data}/store`, counters, log, onFailure };
  const store = await openStore(deps, settings.keep);
  closers.push(() => store.close());
  const keys = new KeyStore({ disk, ...world });
  const { newAdminKey } = await keys.start();

  let isReady = false;
  const service = await startService(settings.http, (port) => {
    const { host } = settings.http;
    const { tls, keyRate, nameQuota } = settings;
    const options = {
      host,
      port,
      isReady: () => isReady,
      consoleFolder: CONSOLE_FOLDER,
      nameQuota,
      ...(tls !== undefined && { tls }),
      ...(keyRate !== undefined && { keyRatePerSecond: keyRate }),
    };
    return new LogService({ ...world, store, keys, counters, log }, options);
  });
  closers.push(() => service.stop(hasFailed));
  await disk.replace(ADDRESS_FILE, Buffer.from(`${service.url}\n`));
  closers.push(() => disk.remove(ADDRESS_FILE));

  // With it comes a whole MQTT client, which nothing else of this process needs.
  const wire = settings.demo ? (await import("./demo.ts")).openDemoWire() : undefined;
  if (wire !== undefined) closers.push(() => wire.close());
  const gatewayId = await stableGatewayId(disk, systemRandom);
  const wallClock = new WallClock({ ...world, counters, log }, askSynchronised);
  await wallClock.start();
  closers.push(async () => wallClock.stop());
  const gateway = new Gateway(
    {
      ...world,
      wallClock,
      disk,
      uplink: new EmbeddedUplink(service, store),
      counters,
      log,
      brokerAuth: new KeyAuth([keys]),
    },
    {
      project: PROJECT_DEFAULT,
      sourceRate: settings.sourceRate,
      serial:
        wire === undefined
          ? serial
          : [...serial, { pattern: { type: "path", text: wire.path }, baud: 115_200, source: DemoApp.Pump }],
      ...(settings.broker === undefined
        ? { mqtt: embeddedBroker(settings.mqtt) }
        : { brokers: [plainBroker(settings.broker)], clientId: gatewayId }),
    },
  );
  await startGateway(gateway);
  closers.push(() => gateway.stop());
  service.levels.add({ gatewayId, setLevel: async (...lease) => gateway.setLevel(...lease) });
  isReady = true;

  const running: Running = { settings, serial, httpUrl: service.url, mqtt: gateway.mqttAddress, newAdminKey };
  process.stdout.write(upBanner(running, style));
  if (!settings.quiet) closers.push(printLive(store));
  if (wire !== undefined) {
    const demo = await startBoards(settings, gateway, keys, wire);
    closers.push(() => demo.stop());
  }
  return { failed };
}

function serialSetting(text: string): SerialSetting {
  const setting = parseSerialSetting(text);
  if (!setting.ok) throw new UserError(`--${setting.problem.text}`);
  return setting.value;
}

/** A default port that is taken gives way to the next free one; a port that was asked for does not. */
async function startService(address: HostPort, make: (port: number) => LogService): Promise<LogService> {
  const beyond = address.isDefault ? PORTS_BEYOND_DEFAULT : 0;
  for (let port = address.port; ; port++) {
    const service = make(port);
    try {
      await service.start();
      return service;
    } catch (error) {
      if (error instanceof PortTaken && port < address.port + beyond) continue;
      if (error instanceof PortTaken) throw new UserError(`--http: ${error.message}; name another port`, 1);
      throw new UserError(`--http: cannot listen on ${address.host}:${port}: ${(error as Error).message}`, 1);
    }
  }
}

async function startGateway(gateway: Gateway): Promise<void> {
  try {
    await gateway.start();
  } catch (error) {
    if (!(error instanceof BrokerListenError)) throw error;
    throw new UserError(
      `--mqtt: ${error.message}; name another port, or use the broker that is there with --broker`,
      1,
    );
  }
}

function embeddedBroker({ host, port, isDefault }: HostPort): EmbeddedBrokerOptions {
  return { host, port, ...(isDefault && { portsBeyond: PORTS_BEYOND_DEFAULT }) };
}

/** Entries as they become durable, on this terminal. A terminal that does not keep up skips some, and says how many. */
function printLive(store: LogStore): () => Promise<void> {
  const style = styleOf(process.stdout);
  let skippedCount = 0;
  const unsubscribe = store.subscribe(PROJECT_DEFAULT, ({ stored }) => {
    if (process.stdout.writableNeedDrain) {
      skippedCount += stored.length;
      return;
    }
    const skipped =
      skippedCount === 0 ? "" : `(${skippedCount} entries not shown: this terminal is too slow)\n`;
    skippedCount = 0;
    process.stdout.write(skipped + stored.map((entry) => `${entryLine(entry, style)}\n`).join(""));
  });
  return async () => unsubscribe();
}

async function startBoards(settings: UpSettings, gateway: Gateway, keys: KeyStore, wire: Pty): Promise<Demo> {
  const { startDemo } = await import("./demo.ts");
  const address = gateway.mqttAddress;
  if (address === undefined) return startDemo({ url: settings.brokerUrl ?? "" }, wire, systemRandom);
  // A key of its own, gone with the demo: a board never holds the admin key.
  const { id, key } = await keys.add({ project: PROJECT_DEFAULT, rights: ["write", "on-behalf"] });
  const host = address.host === "0.0.0.0" || address.host === "::" ? "127.0.0.1" : address.host;
  const demo = await startDemo(
    { url: `mqtt://${host}:${address.port}`, username: PROJECT_DEFAULT, password: key },
    wire,
    systemRandom,
  );
  return {
    stop: async () => {
      await demo.stop();
      await keys.revoke(id);
    },
  };
}
