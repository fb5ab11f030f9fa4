import type { SpoolOptions } from "../../gateway/spool/spool.ts";
import { CounterTable } from "../../host/counters.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import type { FaultyDisk } from "../../sim/faulty-disk.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { MemoryLog, SeededRandom } from "./gateway-world.ts";

/** Segments of a few entries, so that a few dozen cross every border. */
export const TINY_SPOOL: Partial<SpoolOptions> & { gatewaySrc: string } = {
  gatewaySrc: "gateway",
  bytesMax: 9_000,
  reserveBytes: 1_000,
  segmentBytes: 500,
  replayHorizonMs: 1_000,
  commitIntervalMs: 0,
  tailBytesMax: 400,
  cursorPeriodMs: 100,
};

/** What a spool needs, in virtual time. */
export function spoolWorld<AnyDisk extends FaultyDisk>(disk: AnyDisk, seed = 1) {
  const time = new VirtualTime();
  return {
    disk,
    clock: time,
    timers: time,
    time,
    random: new SeededRandom(seed),
    counters: new CounterTable(),
    log: new MemoryLog(),
  };
}

/** A line of the board `a` with a seq. */
export function boardLine(seq: number): NewEntry {
  return {
    src: "a",
    stream: "console",
    msg: JSON.stringify(`line ${seq}`),
    timestamp: 5,
    received: 6,
    clock: "server",
    boot: "b",
    seq,
  };
}
