import { closeSync, fdatasyncSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { crc32 } from "node:zlib";
import { Spool } from "../../gateway/spool/spool.ts";
import { CounterTable } from "../../host/counters.ts";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { SystemDisk } from "../../host/system-disk.ts";
import { systemRandom } from "../../host/system-random.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { cpuMicroseconds } from "../store/measure.ts";

/*
 * The spool: CPU and bytes written an entry beside the floor (JSON, CRC-32, append, one fdatasync a batch), and what it costs to
 * open and to drain what is there. node scripts/bench.mjs bench/spool/spool.ts [--entries N] [--sources N] [--batch N]
 */
const { values } = parseArgs({
  options: {
    entries: { type: "string", default: "400000" },
    sources: { type: "string", default: "100" },
    batch: { type: "string", default: "500" },
    dir: { type: "string", default: join(tmpdir(), `boardlog-bench-spool-${process.pid}`) },
  },
});
const entryCount = Number(values.entries);
const batchEntries = Number(values.batch);
const sourceCount = Number(values.sources);
const log = { debug() {}, info() {}, warn: console.warn, error: console.error };
const rssMb = (): number => Math.round(process.memoryUsage().rss / 1e6);

function entryOf(index: number): NewEntry {
  return {
    src: `board-${index % sourceCount}`,
    stream: "console",
    msg: JSON.stringify(`temperature ${index % 977} of sensor ${index % 31} is within its bounds`),
    timestamp: 1_790_000_000_000 + index,
    received: 1_790_000_000_000 + index,
    clock: "device",
    level: "info",
    boot: "k3jx9",
    seq: Math.floor(index / sourceCount) + 1,
  };
}

/** CPU us an entry. */
async function costOf(write: (batch: NewEntry[]) => Promise<void>): Promise<number> {
  let cpuUs = 0;
  for (let at = 0; at < entryCount; at += batchEntries) {
    const batch = Array.from({ length: Math.min(batchEntries, entryCount - at) }, (_, index) =>
      entryOf(at + index),
    );
    const from = process.cpuUsage();
    await write(batch);
    cpuUs += cpuMicroseconds(from);
  }
  return cpuUs / entryCount;
}

mkdirSync(values.dir, { recursive: true });
const floor = openSync(join(values.dir, "floor"), "a");
let floorBytes = 0;
const floorUs = await costOf(async (batch) => {
  const lines = batch.map((entry) => {
    const text = JSON.stringify(entry);
    return `${crc32(text).toString(16)} ${text}\n`;
  });
  floorBytes += writeSync(floor, lines.join(""));
  fdatasyncSync(floor);
});
closeSync(floor);
rmSync(join(values.dir, "floor"));

const options = { gatewaySrc: "gateway", bytesMax: 4 * 2 ** 30, commitIntervalMs: 0 };
const world = {
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  counters: new CounterTable(),
  log,
  disk: new SystemDisk(values.dir),
};
const spool = await Spool.open(world, options);
const spoolUs = await costOf((batch) => spool.commit(batch));
const { bytes } = spool;
await spool.close();

const openFrom = process.cpuUsage();
const openStart = performance.now();
const again = await Spool.open(world, options);
const openMs = performance.now() - openStart;
const openCpuMs = cpuMicroseconds(openFrom) / 1000;
const rssOpenMb = rssMb();
const drainFrom = process.cpuUsage();
let drained = 0;
let rssMaxMb = rssOpenMb;
while (again.waitingEntries > 0) {
  const records = await again.read(again.position, { entriesMax: 2_000, bytesMax: 512 * 1024 });
  drained += records.length;
  await again.confirm(records.at(-1)?.position ?? again.durable);
  rssMaxMb = Math.max(rssMaxMb, rssMb());
}
const drainUs = cpuMicroseconds(drainFrom) / entryCount;
await again.close();
rmSync(values.dir, { recursive: true });

console.log(
  JSON.stringify({
    entries: entryCount,
    spoolCpuUsAnEntry: round(spoolUs),
    floorCpuUsAnEntry: round(floorUs),
    ratio: round(spoolUs / floorUs),
    spoolBytesAnEntry: round(bytes / entryCount),
    floorBytesAnEntry: round(floorBytes / entryCount),
    backlogMb: Math.round(bytes / 1e6),
    openMs: Math.round(openMs),
    openCpuMs: Math.round(openCpuMs),
    rssOpenMb,
    drained,
    drainCpuUsAnEntry: round(drainUs),
    rssMaxMb,
  }),
);

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
