import { expect, test } from "vitest";
import { TurnKeeper } from "../../service/store/turn-keeper.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";

/** Work that takes longer than a turn, among others that take so long of each turn they get. */
function keeperAmong(othersMs: number) {
  const time = new VirtualTime();
  const given = { turnCount: 0 };
  const turns = new TurnKeeper(time, async () => {
    given.turnCount += 1;
    await time.advance(othersMs);
  });
  return { time, turns, given };
}

test("work that has not taken long goes on", async () => {
  const { turns, given, time } = keeperAmong(5);
  await time.advance(1);
  await turns.keep(() => true);
  expect(given.turnCount).toBe(0);
});

test("work that must go on gives others one turn, work that has time some in a row, and never for good", async () => {
  const { turns, given, time } = keeperAmong(5);
  await time.advance(10);
  await turns.keep();
  expect(given.turnCount).toBe(1);
  await time.advance(10);
  await turns.keep(() => true);
  expect(given.turnCount).toBe(1 + 5);
  await time.advance(10);
  await turns.keep(() => given.turnCount < 8);
  expect(given.turnCount).toBe(8);
});

test("where others have nothing to do, work that has time goes on at once", async () => {
  const { turns, given, time } = keeperAmong(0);
  await time.advance(10);
  await turns.keep(() => true);
  expect(given.turnCount).toBe(1);
});
