import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ClockMap } from "../../gateway/clock-map.ts";

describe("the clock map of a boot", () => {
  test("knows nothing before the first frame", () => {
    expect(new ClockMap().utcMs(5, 0)).toBeUndefined();
  });

  test("takes the quickest frame as the nearest to the truth", () => {
    const map = new ClockMap();
    map.observe(1_000, 11_900);
    map.observe(2_000, 12_010);
    map.observe(3_000, 13_500);
    expect(map.utcMs(3_000, 1_000_000)).toBe(1_013_010);
  });

  test("follows a slow crystal: the quickest of ten minutes counts, not that of last week", () => {
    const map = new ClockMap();
    const hours = 24 * 7;
    for (let minute = 0; minute <= hours * 60; minute++) {
      const trueMs = minute * 60_000;
      map.observe(Math.round(trueMs * (1 - 50e-6)), trueMs + 20);
    }
    const nowMs = hours * 3_600_000;
    const errorMs = (map.utcMs(Math.round(nowMs * (1 - 50e-6)), 0) ?? 0) - nowMs;
    expect(Math.abs(errorMs)).toBeLessThan(60);
  });

  test("a board that was silent for long keeps what was known", () => {
    const map = new ClockMap();
    map.observe(1_000, 5_000);
    expect(map.utcMs(86_400_000, 0)).toBe(86_404_000);
  });

  test("a step of the wall clock moves later times with it but never backwards", () => {
    const map = new ClockMap();
    map.observe(0, 0);
    expect(map.utcMs(1_000, 0)).toBe(1_000);
    expect(map.utcMs(2_000, 1_700_000_000_000)).toBe(1_700_000_002_000);
    expect(map.utcMs(3_000, 1_600_000_000_000)).toBe(1_700_000_002_000);
  });

  test("never falls, never leads the truth by more than the least latency, whatever the latencies are", () => {
    const frames = fc.array(fc.record({ stepMs: fc.nat(200_000), latencyMs: fc.nat(30_000) }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(frames, (steps) => {
        const map = new ClockMap();
        let uptimeMs = 0;
        let lastMs = 0;
        let highestLatencyMs = 0;
        for (const { stepMs, latencyMs } of steps) {
          uptimeMs += stepMs;
          highestLatencyMs = Math.max(highestLatencyMs, latencyMs);
          map.observe(uptimeMs, 1_000_000 + uptimeMs + latencyMs);
          const utcMs = map.utcMs(uptimeMs, 0) ?? 0;
          expect(utcMs).toBeGreaterThanOrEqual(Math.max(lastMs, 1_000_000 + uptimeMs));
          expect(utcMs).toBeLessThanOrEqual(1_000_000 + uptimeMs + highestLatencyMs);
          lastMs = utcMs;
        }
      }),
    );
  });
});
