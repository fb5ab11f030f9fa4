/*
 * Queues objects and bytes as a gateway does and takes them out again soon, while collections of young objects come and go, and no full
 * one. Says how much memory is held in the end: {"queue": bytes, "cutter": bytes}.
 * node --expose-gc queued-objects
 */
import { getHeapSpaceStatistics } from "node:v8";
import { Fifo } from "../../gateway/fifo.ts";
import { PacketCutter } from "../../gateway/packet-cutter.ts";

const ITEMS = 4_000;
const ITEM_NUMBERS = 1_000;
const CHUNKS = 1_000;
const CHUNK_BYTES = 8_192;
const WAITING_MAX = 8;
/** Of what waits nothing is there for two of them. */
const COLLECT_EACH = 10;
const PINGREQ = 0xc0;
const { gc } = globalThis as unknown as { gc: (options: { readonly type: "minor" | "major" }) => void };

function oldBytes(): number {
  const old = getHeapSpaceStatistics().find(({ space_name }) => space_name === "old_space");
  return old?.space_used_size ?? 0;
}

function queue(): number {
  const fifo = new Fifo<readonly number[]>();
  gc({ type: "major" });
  const before = oldBytes();
  for (let seq = 0; seq < ITEMS; seq++) {
    if (fifo.count === WAITING_MAX) fifo.shift();
    fifo.push(new Array<number>(ITEM_NUMBERS).fill(seq));
    if (seq % COLLECT_EACH === 0) gc({ type: "minor" });
  }
  return oldBytes() - before;
}

function cutter(): number {
  const cutter = new PacketCutter(CHUNK_BYTES);
  gc({ type: "major" });
  const before = process.memoryUsage().arrayBuffers;
  for (let round = 0; round < CHUNKS; round++) {
    cutter.keep(Buffer.alloc(CHUNK_BYTES, Buffer.from([PINGREQ, 0])));
    cutter.push(Buffer.alloc(0), () => true);
    for (let count = 0; count < 2; count++) gc({ type: "minor" });
  }
  return process.memoryUsage().arrayBuffers - before;
}

console.log(JSON.stringify({ queue: queue(), cutter: cutter() }));
