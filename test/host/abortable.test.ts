import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { abortable } from "../../host/abortable.ts";

test("a signal that outlives its tasks keeps no listener of theirs, however they end", async () => {
  const { signal } = new AbortController();
  expect(await abortable(signal, async () => 3)).toBe(3);
  const fails = abortable(signal, async () => {
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    throw new Error("failed");
  });
  await expect(fails).rejects.toThrow("failed");
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("a task is aborted with the signal, for the same reason, also where that was before it began", async () => {
  const outer = new AbortController();
  const untilAborted = (own: AbortSignal): Promise<unknown> =>
    own.aborted
      ? own.reason
      : new Promise((resolve) => own.addEventListener("abort", () => resolve(own.reason)));
  const during = abortable(outer.signal, untilAborted);
  outer.abort("stopped");
  expect(await during).toBe("stopped");
  expect(await abortable(outer.signal, untilAborted)).toBe("stopped");
});
