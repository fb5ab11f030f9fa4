/*
 * Makes large lists that are garbage once they are old, beside objects that stay.
 * node --expose-gc --trace-gc lists-that-wait [--evenly]
 */
import { setHeapGrowth } from "../../host/heap-growth.ts";

if (process.argv.includes("--evenly")) setHeapGrowth();

const STAYING = 200_000;
const LISTS = 2_500;
const LIST_NUMBERS = 40_000;
const WAITING_MAX = 80;
const { gc } = globalThis as unknown as { gc: () => void };
const staying = Array.from({ length: STAYING }, (_, seq) => ({ seq, at: { uptimeMs: seq } }));
const waiting: number[][] = [];

gc();
for (let seq = 0; seq < LISTS; seq++) waiting[seq % WAITING_MAX] = new Array<number>(LIST_NUMBERS).fill(seq);
if (staying.length !== STAYING) throw new Error("they are gone");
