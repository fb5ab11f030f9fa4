import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { FrameTurns, TURN_BYTES } from "../../service/http/frame-turns.ts";

/** Turns that pass when the test says so. */
class HandTurns {
  readonly #ends: (() => void)[] = [];
  readonly turns = new FrameTurns(() => new Promise((resolve) => this.#ends.push(resolve)));

  /** Lets a turn pass. @returns false where nobody waited for it. */
  async pass(): Promise<boolean> {
    const end = this.#ends.shift();
    end?.();
    await turn();
    return end !== undefined;
  }
}

function frames(turns: FrameTurns, sizes: Readonly<Record<string, number>>): string[] {
  const begun: string[] = [];
  for (const [name, bytes] of Object.entries(sizes)) void turns.take(bytes).then(() => begun.push(name));
  return begun;
}

test("large frames begin one a turn, in the order they came", async () => {
  const hand = new HandTurns();
  const begun = frames(hand.turns, { a: TURN_BYTES, b: 10 * TURN_BYTES, c: TURN_BYTES });
  await turn();
  expect(begun).toEqual(["a"]);
  await hand.pass();
  expect(begun).toEqual(["a", "b"]);
  await hand.pass();
  expect(begun).toEqual(["a", "b", "c"]);
});

test("small frames begin together up to a turn's bytes, and none goes before one that waits", async () => {
  const hand = new HandTurns();
  const part = TURN_BYTES / 4;
  const begun = frames(hand.turns, { a: part, b: part, c: 3 * part, d: 1, e: 4 * part, f: 1 });
  await turn();
  expect(begun).toEqual(["a", "b", "c"]);
  await hand.pass();
  expect(begun).toEqual(["a", "b", "c", "d", "e"]);
  await hand.pass();
  expect(begun.at(-1)).toBe("f");
});

test("no turn is asked for once nothing has begun in one, and the next frame begins at once", async () => {
  const hand = new HandTurns();
  frames(hand.turns, { a: TURN_BYTES });
  expect(await hand.pass()).toBe(true);
  expect(await hand.pass()).toBe(false);
  const begun = frames(hand.turns, { b: TURN_BYTES });
  await turn();
  expect(begun).toEqual(["b"]);
});
