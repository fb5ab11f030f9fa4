import { describe, expect, test } from "vitest";
import { RetryLoop } from "../../gateway/retry-loop.ts";
import { virtualWorld } from "../support/gateway-world.ts";

/** @param turn what each turn does, by its number from 1. */
function setUp(turn: (number: number, loop: RetryLoop) => Promise<void>, leastMs = 0) {
  const { time, random } = virtualWorld();
  const news: string[] = [];
  const turnsMs: number[] = [];
  const loop: RetryLoop = new RetryLoop(
    { timers: time, random },
    {
      turn: () => {
        turnsMs.push(time.monotonicMs());
        return turn(turnsMs.length, loop);
      },
      onFailed: (_error, reason, isNews) => {
        if (isNews) news.push(reason);
        return leastMs;
      },
    },
  );
  loop.start();
  return { time, loop, news, turnsMs };
}

const failing = async (): Promise<void> => {
  throw new Error("away");
};

describe("what is tried until it goes", () => {
  test("waits longer after each failure, up to a quarter of a minute, and soon again once something went through", async () => {
    const { time, loop, turnsMs } = setUp(failing);
    await time.advanceAsync(120_000);
    const waitsMs = turnsMs.slice(1).map((turnMs, index) => turnMs - (turnsMs[index] ?? 0));
    for (const [index, waitMs] of waitsMs.entries()) {
      const stepMs = Math.min(500 * 2 ** index, 15_000);
      expect(waitMs).toBeGreaterThanOrEqual(stepMs / 2);
      expect(waitMs).toBeLessThanOrEqual(stepMs);
    }
    expect(waitsMs.length).toBeGreaterThan(8);
    loop.resetBackoff();
    const before = turnsMs.length;
    await time.advanceAsync(16_500);
    expect(turnsMs.length).toBeGreaterThan(before + 2);
  });

  test("waits as long as it was asked to", async () => {
    const { time, turnsMs } = setUp(failing, 40_000);
    await time.advanceAsync(39_999);
    expect(turnsMs.length).toBe(1);
    await time.advanceAsync(1);
    expect(turnsMs.length).toBe(2);
  });

  test("says the same reason once, and again after all was well", async () => {
    const reasons = ["away", "away", "full", "away", "", "away"];
    const { time, loop, news } = setUp(async (number, self) => {
      const reason = reasons[number - 1];
      if (reason === "") self.endProblem();
      else if (reason === undefined) await self.until(() => false);
      else throw new Error(reason);
    });
    await time.advanceAsync(60_000);
    expect(news).toEqual(["away", "full", "away", "away"]);
    expect(loop.problem).toBe("away");
    expect([loop.endProblem(), loop.endProblem(), loop.problem]).toEqual([true, false, undefined]);
  });

  test("goes on when it is woken and there is something", async () => {
    let isThere = false;
    const { time, loop, turnsMs } = setUp((_, self) => self.until(() => isThere));
    await time.advanceAsync(1_000);
    expect(turnsMs.length).toBe(1);
    loop.wake();
    await time.advanceAsync(0);
    expect(turnsMs.length).toBe(2);
    isThere = true;
    loop.wake();
    isThere = false;
    await time.advanceAsync(0);
    expect(turnsMs.length).toBe(3);
  });
});

describe("a stop", () => {
  test.each([
    ["while it waits for something", (_: number, loop: RetryLoop) => loop.until(() => false)],
    ["while it waits after a failure", failing],
    ["while it rests", (_: number, loop: RetryLoop) => loop.pause(60_000)],
  ])("%s ends it at once, and leaves no timer running", async (_name, turn) => {
    const { time, loop, turnsMs } = setUp(turn);
    await time.advanceAsync(100);
    let isClosed = false;
    await loop.stop(3_000, () => {
      isClosed = true;
    });
    expect(isClosed).toBe(true);
    expect(time.pendingCount).toBe(0);
    const { length } = turnsMs;
    await time.advanceAsync(60_000);
    expect(turnsMs.length).toBe(length);
  });

  test("waits for neither a turn nor a close that hangs longer than its deadline", async () => {
    const { time, loop } = setUp(() => new Promise(() => {}));
    let isStopped = false;
    void loop
      .stop(3_000, () => new Promise(() => {}))
      .then(() => {
        isStopped = true;
      });
    await time.advanceAsync(2_999);
    expect(isStopped).toBe(false);
    await time.advanceAsync(1);
    expect(isStopped).toBe(true);
    expect(time.pendingCount).toBe(0);
  });
});
