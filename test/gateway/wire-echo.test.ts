import { expect, test } from "vitest";
import { WireEcho } from "../../gateway/wire-echo.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";

/** Waits for a quiet wire while `heardEveryMs` passes between what the board says, for `speaksMs`; when it was quiet, ms. */
async function quietAt(heardEveryMs: number, speaksMs: number): Promise<number | undefined> {
  const time = new VirtualTime();
  const echo = new WireEcho(time, time);
  const speech = time.every(heardEveryMs, () => echo.heard());
  time.after(speaksMs - 1, () => speech.cancel());
  echo.heard();
  let quietMs: number | undefined;
  const waiting = echo.untilFree().then(() => {
    quietMs = time.monotonicMs();
  });
  await time.advanceAsync(2_000);
  await waiting;
  return quietMs;
}

test("nothing is said while the board speaks, and at once when it has been silent for 20 ms", async () => {
  expect(await quietAt(5, 100)).toBe(115);
  expect(await quietAt(19, 190)).toBe(191);
});

test("a silence of 20 ms in the middle is taken", async () => {
  expect(await quietAt(25, 250)).toBe(20);
});

test("a board that never stops is spoken over after half a second", async () => {
  expect(await quietAt(5, 1_999)).toBe(500);
});

test("a line that came back is no text, once for each time it was sent", () => {
  const time = new VirtualTime();
  const echo = new WireEcho(time, time);
  echo.sent('{"ack":1}\n');
  echo.sent('{"ack":2}\n');
  expect(echo.isEcho('{"ack":3}')).toBe(false);
  expect(echo.isEcho('{"ack":2}\r')).toBe(true);
  // What was sent before it came back damaged, or not at all.
  expect(echo.isEcho('{"ack":1}')).toBe(false);
  expect(echo.isEcho('{"ack":2}')).toBe(false);
});
