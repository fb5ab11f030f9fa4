import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../host/clock.ts";
import { CounterTable } from "../../host/counters.ts";
import type { Disk } from "../../host/disk.ts";
import { createProcessLog, silentLog } from "../../host/process-log.ts";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { systemRandom } from "../../host/system-random.ts";
import { KeyStore } from "../../service/auth/key-store.ts";
import { LogService, type LogServiceOptions } from "../../service/service.ts";
import type { LogStore } from "../../service/store/log-store.ts";
import { openStore } from "../../service/store/open-store.ts";

export interface RunningService<Store extends LogStore = LogStore> {
  readonly service: LogService;
  readonly url: string;
  readonly store: Store;
  readonly keys: KeyStore;
  readonly counters: CounterTable;
  /** Admin key of project `default`. */
  readonly key: string;
  /** All that went into the process's log. */
  readonly logText: () => string;
  /** POSTs a body to a path with the admin key; header values of undefined leave the header out. */
  post(
    path: string,
    body: string | Uint8Array,
    headers?: Record<string, string | undefined>,
  ): Promise<Response>;
  /** POSTs a frame and parses the answer's JSON. */
  ask(frame: object): Promise<{ readonly [name: string]: unknown }>;
  stop(): Promise<void>;
}

/** A log service on a free port of the loopback, over a real store in a folder of its own that goes when it stops. */
export async function runService(
  options: Partial<LogServiceOptions> = {},
  clock: Clock = systemClock,
): Promise<RunningService> {
  const dir = await mkdtemp(join(tmpdir(), "boardlog-service-"));
  const store = await openStore({
    dir,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    counters: new CounterTable(),
    log: silentLog,
  });
  const running = await runServiceOver(store, options, memoryDisk(), clock);
  return {
    ...running,
    stop: async () => {
      await running.stop();
      await store.close();
      await rm(dir, { recursive: true });
    },
  };
}

/** The same over any store, which stays the caller's to close. */
export async function runServiceOver<Store extends LogStore>(
  store: Store,
  options: Partial<LogServiceOptions> = {},
  keysDisk = memoryDisk(),
  clock: Clock = systemClock,
): Promise<RunningService<Store>> {
  const lines: string[] = [];
  const log = createProcessLog({
    level: "debug",
    destination: { write: (line: string) => lines.push(line) },
  });
  const keys = new KeyStore({ disk: keysDisk, random: systemRandom, clock: systemClock });
  const { newAdminKey: key = "" } = await keys.start();
  const counters = new CounterTable();
  const service = new LogService(
    { store, keys, clock, timers: systemTimers, counters, log },
    { host: "127.0.0.1", port: 0, ...options },
  );
  await service.start();
  const { url } = service;
  const post: RunningService["post"] = (path, body, headers = {}) => {
    const all = { "content-type": "application/json", "x-api-key": key, ...headers };
    const given = Object.entries(all).filter((header): header is [string, string] => header[1] !== undefined);
    return fetch(url + path, { method: "POST", body, headers: given });
  };
  return {
    service,
    url,
    store,
    keys,
    counters,
    key,
    logText: () => lines.join(""),
    post,
    ask: async (frame) =>
      (await (await post("/", JSON.stringify(frame))).json()) as { [name: string]: unknown },
    stop: () => service.stop(),
  };
}

/** Files in memory, for the keys of a test. */
export function memoryDisk(files = new Map<string, Uint8Array>()): Disk {
  return {
    read: async (path) => files.get(path),
    readPart: async (path, at, bytesMax) => {
      const file = files.get(path);
      return file && { bytes: file.slice(at, at + bytesMax), sizeBytes: file.length };
    },
    replace: async (path, content) => {
      files.set(path, content);
    },
    openAppend: async () => {
      throw new Error("not here");
    },
    list: async () => [...files.keys()].sort(),
    remove: async (path) => {
      files.delete(path);
    },
  };
}
