import { CounterTable } from "../host/counters.ts";
import { createProcessLog } from "../host/process-log.ts";
import { feedWatchdog, type ServiceManager, systemdManager } from "../host/sd-notify.ts";
import { systemClock, systemTimers } from "../host/system-clock.ts";
import { SystemDisk } from "../host/system-disk.ts";
import { systemRandom } from "../host/system-random.ts";
import { LogService, PortTaken } from "../service/service.ts";
import { ADDRESS_FILE } from "./api-options.ts";
import { CONSOLE_FOLDER } from "./console-folder.ts";
import { takeData } from "./data-folder.ts";
import { type ServiceSettings, serviceSettings } from "./service-settings.ts";
import { openServiceStore } from "./service-store.ts";
import { stopSignal } from "./stop-signal.ts";
import { UserError } from "./user-error.ts";

const world = { clock: systemClock, timers: systemTimers, random: systemRandom };

/** `boardlog service`: the log service alone, until a signal. */
export async function runService(options: {
  readonly settings: string;
  readonly check?: boolean;
}): Promise<void> {
  const settings = await serviceSettings(options.settings);
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
    const { url, failed } = await start(settings, manager, closers);
    await manager.notify("READY=1");
    process.stdout.write(`boardlog service: running at ${url}\n`);
    if (!signal.aborted) await Promise.race([stopped, failed]);
    await manager.notify("STOPPING=1");
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** Starts the parts from the store outwards; each leaves its end in `closers`. `failed` rejects when the store fails for good. */
async function start(
  settings: ServiceSettings,
  manager: ServiceManager,
  closers: (() => Promise<unknown> | undefined)[],
): Promise<{ readonly url: string; readonly failed: Promise<never> }> {
  const counters = new CounterTable();
  const log = createProcessLog(settings.log);
  const disk = new SystemDisk(settings.data);
  let hasFailed = false;
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const opened = await openServiceStore(settings, {
    disk,
    counters,
    log,
    onFailure: (error) => {
      hasFailed = true;
      fail(new UserError(error.message, 1));
    },
  });
  closers.push(() => opened.close());
  const { store, keys, levelPeers } = opened;
  for (const { project, file } of await keys.ensureProjects(settings.projects)) {
    process.stdout.write(`project ${project}: its first admin key is in ${settings.data}/${file}\n`);
  }
  const { http, tls, keyRate, nameQuota, readerBytesMax, origins } = settings;
  const service = new LogService(
    { ...world, store, keys, counters, log, ...(levelPeers !== undefined && { levelPeers }) },
    {
      host: http.host,
      port: http.port,
      consoleFolder: CONSOLE_FOLDER,
      nameQuota,
      origins,
      ...(tls !== undefined && { tls }),
      ...(keyRate !== undefined && { keyRatePerSecond: keyRate }),
      ...(readerBytesMax !== undefined && { readerBytesMax }),
    },
  );
  try {
    await service.start();
  } catch (error) {
    if (error instanceof PortTaken) throw new UserError(`http: ${error.message}; name another port`, 1);
    throw new UserError(`http: cannot listen on ${http.host}:${http.port}: ${(error as Error).message}`, 1);
  }
  closers.push(() => service.stop(hasFailed));
  opened.onDoubt(() => service.greetGatewaysAgain());
  await disk.replace(ADDRESS_FILE, Buffer.from(`${service.url}\n`));
  closers.push(() => disk.remove(ADDRESS_FILE));
  let settledCount = -1;
  const watchdog = feedWatchdog(manager, systemTimers, () => {
    const { waitingCount, settledCount: now } = service.progress;
    const hasMoved = waitingCount === 0 || now !== settledCount;
    settledCount = now;
    return hasMoved;
  });
  closers.push(async () => watchdog.cancel());
  return { url: service.url, failed };
}
