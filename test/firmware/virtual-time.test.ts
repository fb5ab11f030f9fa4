import { expect, test } from "vitest";
import { VirtualTime } from "../../sim/virtual-time.ts";

test("timers run in order of their time, and of their setting where that is equal", () => {
  const time = new VirtualTime();
  const seen: string[] = [];
  for (const [name, ms] of [
    ["c", 30],
    ["a", 10],
    ["b", 10],
    ["d", 40],
  ] as const) {
    time.after(ms, () => seen.push(`${name}@${time.monotonicMs()}`));
  }
  time.advance(30);
  expect(seen).toEqual(["a@10", "b@10", "c@30"]);
  expect([time.pendingCount, time.nextDueMs]).toEqual([1, 40]);
});

test("a timer set by a timer runs within the same advance, at its own time", () => {
  const time = new VirtualTime();
  const seen: number[] = [];
  const again = () => {
    seen.push(time.monotonicMs());
    if (seen.length < 4) time.after(5, again);
  };
  time.after(5, again);
  time.advance(17);
  expect(seen).toEqual([5, 10, 15]);
  expect(time.monotonicMs()).toBe(17);
});

test("every fires after each whole period until it is cancelled, from inside too", () => {
  const time = new VirtualTime();
  let count = 0;
  const timer = time.every(10, () => {
    count++;
    if (count === 3) timer.cancel();
  });
  time.advance(100);
  expect(count).toBe(3);
  expect(time.pendingCount).toBe(0);
  expect(() => time.every(0, () => {})).toThrow(RangeError);
});

test("cancelling is harmless twice and after firing", () => {
  const time = new VirtualTime();
  const timer = time.after(1, () => {});
  time.advance(2);
  timer.cancel();
  timer.cancel();
  expect(time.pendingCount).toBe(0);
  time.after(1, () => {});
  expect(time.pendingCount).toBe(1);
});

test("a step of the wall clock moves neither the monotonic clock nor a timer", () => {
  const time = new VirtualTime(0);
  let fired = false;
  time.after(10, () => {
    fired = true;
  });
  time.setWallMs(1_700_000_000_000);
  expect([time.wallMs(), time.monotonicMs(), fired]).toEqual([1_700_000_000_000, 0, false]);
  time.advance(10);
  expect([time.wallMs(), time.monotonicMs(), fired]).toEqual([1_700_000_000_010, 10, true]);
});

test("advanceAsync lets promises settle between timers", async () => {
  const time = new VirtualTime();
  const seen: string[] = [];
  time.after(
    1,
    () => void Promise.resolve().then(() => time.after(1, () => seen.push(`then@${time.monotonicMs()}`))),
  );
  await time.advanceAsync(5);
  expect(seen).toEqual(["then@2"]);
});

test("many timers, set and cancelled in any order, fire as a sorted list would", () => {
  const time = new VirtualTime();
  const expected: number[] = [];
  const seen: number[] = [];
  let state = 12345;
  for (let i = 0; i < 2000; i++) {
    state = (state * 1103515245 + 12345) % 2147483648;
    const ms = state % 1000;
    const timer = time.after(ms, () => seen.push(ms));
    if (i % 3 === 0) timer.cancel();
    else expected.push(ms);
  }
  time.advance(1000);
  expect(seen).toEqual(expected.sort((a, b) => a - b));
});
