import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { Fifo } from "../../gateway/fifo.ts";
import { bundleTs } from "../support/run-ts.ts";

/** Of some 30 MB and 8 MB that went through. */
const HELD_BYTES_MAX = 1_000_000;
let held: { readonly queue: number; readonly cutter: number };

beforeAll(async () => {
  const program = await bundleTs("test/support/queued-objects.ts");
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", program]);
  held = JSON.parse(stdout);
});

test("what comes out is what went in, in its order, whatever the numbers of both", () => {
  const fifo = new Fifo<number>();
  let into = 0;
  let out = 0;
  for (let round = 0; round < 400; round++) {
    for (let count = round % 37; count > 0; count--) fifo.push(into++);
    for (let count = (round * 7) % 41; count > 0 && out < into; count--) {
      expect(fifo.peek()).toBe(out);
      expect(fifo.shift()).toBe(out++);
    }
    expect(fifo.count).toBe(into - out);
  }
  while (out < into) expect(fifo.shift()).toBe(out++);
  expect([fifo.count, fifo.peek(), fifo.shift()]).toEqual([0, undefined, undefined]);
});

test("an item that was taken out of a queue is garbage for the next collection of young objects", () => {
  expect(held.queue).toBeLessThan(HELD_BYTES_MAX);
});

test("and so are bytes that a connection kept for its turn", () => {
  expect(held.cutter).toBeLessThan(HELD_BYTES_MAX);
});
