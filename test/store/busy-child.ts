import { CounterTable } from "../../host/counters.ts";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { systemRandom } from "../../host/system-random.ts";
import type { MsgJson, NewEntry } from "../../protocol/entry.ts";
import { ChunkedStore } from "../../service/store/chunked-store.ts";
import { brotliCompressor } from "../../service/store/compressor.ts";
import { LmdbSpace } from "../../service/store/lmdb-kv.ts";
import { killingSpace, pointOf } from "./killing-space.ts";
import { quietLog } from "./store-drivers.ts";

/*
 * Appends, seals, compacts, expires and deletes without end, until it kills itself at a step. Prints `acked <src> <seq> <id>`,
 * `deleting` before and `deleted <count>` after each deletion of source `gone`. Arguments: folder, boot, step.
 */
const [dir = "", boot = "", point = ""] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const space = killingSpace(await LmdbSpace.open(dir), pointOf(point), () =>
  process.kill(process.pid, "SIGKILL"),
);
const store = await ChunkedStore.open(
  {
    space,
    clock: systemClock,
    timers: systemTimers,
    counters: new CounterTable(),
    log: quietLog,
    compressor: brotliCompressor,
    compactCompressor: brotliCompressor,
    newSecret: (size) => systemRandom.bytes(size),
    yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
    rest: () => new Promise((resolve) => setImmediate(resolve)),
    onFailure: (error) => say(`failed ${error.message}`),
  },
  {
    sealBytes: 20_000,
    chunkEntriesMax: 40,
    segmentBytesMax: 8000,
    keepBytes: 500_000,
    groupEntriesMax: 40,
    maintenanceMs: 20,
  },
);
say("open");

async function appendForEver(src: string): Promise<void> {
  for (let seq = 1; ; ) {
    const entries = Array.from(
      { length: 1 + (seq % 7) },
      (_, index): NewEntry => ({
        src,
        stream: "console",
        msg: JSON.stringify(`entry ${seq + index} of ${src} ${"x".repeat((seq + index) % 90)}`) as MsgJson,
        timestamp: seq + index,
        received: Date.now(),
        clock: "device",
        boot,
        seq: seq + index,
      }),
    );
    const [result] = await store.append([{ project: "p", entries }]);
    // Printed only once durable.
    for (const one of result?.stored ?? []) say(`acked ${src} ${one.seq} ${one.id}`);
    seq += entries.length;
  }
}

async function deleteForEver(): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 60));
    say("deleting");
    say(`deleted ${await store.delete("p", "gone")}`);
  }
}

// The system's timers do not hold the process.
setInterval(() => {}, 1000);
await Promise.all([...["s0", "s1", "s2", "gone"].map(appendForEver), deleteForEver()]);
