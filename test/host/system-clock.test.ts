import { describe, expect, test } from "vitest";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { systemRandom } from "../../host/system-random.ts";

describe("the system's clock", () => {
  test("wall time is now, in integer ms; monotonic time never falls", () => {
    expect(Number.isInteger(systemClock.wallMs())).toBe(true);
    expect(Math.abs(systemClock.wallMs() - Date.now())).toBeLessThan(1000);
    const readings = Array.from({ length: 1000 }, () => systemClock.monotonicMs());
    expect(readings).toEqual(readings.toSorted((a, b) => a - b));
  });

  test("a timer fires once, a period again and again, and neither after it is cancelled", async () => {
    const fired: string[] = [];
    const cancelled = systemTimers.after(1, () => fired.push("cancelled"));
    cancelled.cancel();
    systemTimers.after(1, () => fired.push("once"));
    await new Promise<void>((resolve) => {
      const period = systemTimers.every(5, () => {
        fired.push("period");
        if (fired.filter((name) => name === "period").length < 3) return;
        period.cancel();
        period.cancel();
        resolve();
      });
    });
    expect(fired.toSorted()).toEqual(["once", "period", "period", "period"]);
  });
});

test("the system's randomness does not repeat itself", () => {
  expect(systemRandom.bytes(16)).toHaveLength(16);
  expect(systemRandom.bytes(16)).not.toEqual(systemRandom.bytes(16));
  const fractions = Array.from({ length: 100 }, () => systemRandom.fraction());
  expect(fractions.every((fraction) => fraction >= 0 && fraction < 1)).toBe(true);
});
