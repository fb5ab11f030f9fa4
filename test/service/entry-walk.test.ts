import { expect, test } from "vitest";
import { systemTimers } from "../../host/system-clock.ts";
import { type WalkQuery, walkBack, walkOn } from "../../service/entry-walk.ts";
import { memorySpace, openMemoryStore } from "../store/store-drivers.ts";

const COUNT = 300;
const everything: WalkQuery = {
  project: "p",
  filter: { src: "board" },
  sinceMs: 0,
  untilMs: Number.POSITIVE_INFINITY,
  after: undefined,
  before: undefined,
  limit: COUNT,
};

/** A store of 300 entries on a machine so busy that every look at the clock is 100 ms later. */
async function busyMachine() {
  let nowMs = 0;
  const clock = { wallMs: () => 1_763_784_000_000, monotonicMs: () => (nowMs += 100) };
  const store = await openMemoryStore(memorySpace(1), 1);
  const entries = Array.from({ length: COUNT }, (_, index) => ({
    src: "board",
    stream: "console",
    level: "info" as const,
    msg: JSON.stringify(`line ${index}`),
    timestamp: 1_763_784_000_000 + index,
    received: 1_763_784_000_000 + index,
    clock: "device" as const,
  }));
  await store.append([{ project: "p", entries }]);
  return { store, clock, timers: systemTimers };
}

test("a page without a filter is whole, however long it takes to get a turn", async () => {
  const machine = await busyMachine();
  expect((await walkOn(machine, everything)).entries).toHaveLength(COUNT);
  expect((await walkBack(machine, everything)).entries).toHaveLength(COUNT);
  await machine.store.close();
});

test("a page with a filter ends after half a second, and says up to where it looked", async () => {
  const machine = await busyMachine();
  const filtered = { ...everything, filter: { src: "board", level: "info" as const } };
  const walk = await walkOn(machine, filtered);
  expect(walk.entries.length).toBeLessThan(10);
  expect(walk.isEnd).toBe(false);
  expect(walk.highest).toBe(walk.entries.at(-1)?.id);
  let found = walk.entries.length;
  for (let last = walk; !last.isEnd; ) {
    last = await walkOn(machine, { ...filtered, after: last.highest });
    found += last.entries.length;
  }
  expect(found).toBe(COUNT);
  await machine.store.close();
});
