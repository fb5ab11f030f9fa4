import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CounterTable } from "../../host/counters.ts";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { systemRandom } from "../../host/system-random.ts";
import type { ChunkedStore } from "../../service/store/chunked-store.ts";
import { openStore } from "../../service/store/open-store.ts";
import type { ChunkedStoreOptions } from "../../service/store/store-core.ts";
import { EntryPool, readLines } from "./corpus.ts";
import { cpuMicroseconds, diskBytes } from "./measure.ts";

/*
 * Bytes an entry before and after compaction of a segment that is full, and what compaction costs. The whole folder is counted.
 * node compact [--corpus FILE] [--entries N] [--sources N] [--dir DIR]
 */
const { values } = parseArgs({
  options: {
    corpus: { type: "string" },
    entries: { type: "string", default: "1000000" },
    sources: { type: "string", default: "1000" },
    dir: { type: "string", default: join(tmpdir(), "boardlog-bench-compact") },
  },
});
const BATCH_ENTRIES = 1000;

const entryCount = Number(values.entries);
const log = { debug() {}, info() {}, warn: console.warn, error: console.error };
rmSync(values.dir, { recursive: true, force: true });
let store = await open({ maintenanceMs: 0 });
const pool = new EntryPool(readLines(values.corpus), Number(values.sources), BATCH_ENTRIES);
const appendCpu = process.cpuUsage();
for (let from = 0; from < entryCount; from += BATCH_ENTRIES)
  await store.append([{ project: "default", entries: pool.batch() }]);
await store.seal();
const appendedUs = cpuMicroseconds(appendCpu);
const sealed = diskBytes(values.dir);
await store.close();
// Its segment is old now: a few more entries begin another.
store = await open({ maintenanceMs: 0, segmentMsMax: 0 });
await store.append([{ project: "default", entries: pool.batch().slice(0, 1) }]);
await store.seal();
// The system's timers do not hold the process, and compaction rests on them.
const hold = setInterval(() => {}, 1000);
const compactCpu = process.cpuUsage();
await store.maintain();
const compactedUs = cpuMicroseconds(compactCpu);
clearInterval(hold);
const { details } = await store.status();
await store.close();
const compact = diskBytes(values.dir);
rmSync(values.dir, { recursive: true, force: true });
const round = (value: number): number => Math.round(value * 100) / 100;
console.log(
  JSON.stringify({
    entries: entryCount,
    segments: details.segments,
    compactSegments: details.compactSegments,
    cpuMicrosecondsAppended: round(appendedUs / entryCount),
    cpuMicrosecondsCompacted: round(compactedUs / entryCount),
    bytesSealed: round(sealed / entryCount),
    bytesCompact: round(compact / entryCount),
  }),
);

function open(options: Partial<ChunkedStoreOptions>): Promise<ChunkedStore> {
  return openStore(
    {
      dir: values.dir,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      counters: new CounterTable(),
      log,
    },
    options,
  );
}
