import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compact, openBenchStore, openCompacting } from "./bench-store.ts";
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
rmSync(values.dir, { recursive: true, force: true });
let store = await openBenchStore(values.dir, { maintenanceMs: 0 });
const pool = new EntryPool(readLines(values.corpus), Number(values.sources), BATCH_ENTRIES);
const appendCpu = process.cpuUsage();
for (let from = 0; from < entryCount; from += BATCH_ENTRIES)
  await store.append([{ project: "default", entries: pool.batch() }]);
await store.seal();
const appendedUs = cpuMicroseconds(appendCpu);
const sealed = diskBytes(values.dir);
await store.close();
store = await openCompacting(values.dir, pool);
const compactCpu = process.cpuUsage();
await compact(store);
const compactedUs = cpuMicroseconds(compactCpu);
const { details } = await store.status();
await store.close();
const compactBytes = diskBytes(values.dir);
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
    bytesCompact: round(compactBytes / entryCount),
  }),
);
