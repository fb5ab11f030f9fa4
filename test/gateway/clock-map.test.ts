import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ClockMap } from "../../gateway/clock-map.ts";

/** The gateway's clocks are one. */
const WALL = { wallMinusMonotonicMs: 0, isSet: true };

function utcMs(map: ClockMap, uptimeMs: number, wallMinusMonotonicMs: number): number | undefined {
  return map.map(uptimeMs, { wallMinusMonotonicMs, isSet: true })?.timestamp;
}

describe("the clock map of a boot", () => {
  test("knows nothing before the first frame", () => {
    expect(utcMs(new ClockMap(), 5, 0)).toBeUndefined();
  });

  test("takes the quickest frame as the nearest to the truth", () => {
    const map = new ClockMap();
    map.observe(1_000, 11_900);
    map.observe(2_000, 12_010);
    map.observe(3_000, 13_500);
    expect(utcMs(map, 3_000, 1_000_000)).toBe(1_013_010);
  });

  test("follows a slow crystal: the quickest of ten minutes counts, not that of last week", () => {
    const map = new ClockMap();
    const hours = 24 * 7;
    for (let minute = 0; minute <= hours * 60; minute++) {
      const trueMs = minute * 60_000;
      map.observe(Math.round(trueMs * (1 - 50e-6)), trueMs + 20);
    }
    const nowMs = hours * 3_600_000;
    const errorMs = (utcMs(map, Math.round(nowMs * (1 - 50e-6)), 0) ?? 0) - nowMs;
    expect(Math.abs(errorMs)).toBeLessThan(60);
  });

  test("a clock of 32 bits that begins again is gone on with, also for lines of before and frames that come late", () => {
    const map = new ClockMap();
    const wrapMs = 2 ** 32;
    map.observe(wrapMs - 1_000, 10_000);
    map.observe(500, 11_500);
    expect(utcMs(map, wrapMs - 100, 0)).toBe(10_900);
    expect(utcMs(map, 400, 0)).toBe(11_400);
    map.observe(wrapMs - 500, 11_510);
    expect(utcMs(map, 1_000, 0)).toBe(12_000);
    map.observe(2_000, 13_000);
    expect(utcMs(map, 2_000, 0)).toBe(13_000);
  });

  test("a clock that wrapped before its first frame dates the lines of before", () => {
    const map = new ClockMap();
    map.observe(50, 100_000);
    expect(utcMs(map, 2 ** 32 - 50, 0)).toBe(99_900);
    expect(utcMs(map, 50, 0)).toBe(100_000);
  });

  test("a clock of more bits goes on past 49.7 days, and silence of a month is no wrap", () => {
    const map = new ClockMap();
    const monthMs = 30 * 86_400_000;
    map.observe(2 ** 32 - 1_000, 10_000);
    map.observe(2 ** 32 + 1_000, 12_000);
    map.observe(2 ** 32 + monthMs, 11_000 + monthMs - 1_000 + 1_000);
    expect(utcMs(map, 2 ** 32 + monthMs, 0)).toBe(11_000 + monthMs);
  });

  test("a board that was silent for long keeps what was known", () => {
    const map = new ClockMap();
    map.observe(1_000, 5_000);
    expect(utcMs(map, 86_400_000, 0)).toBe(86_404_000);
  });

  test("a step of the wall clock moves later times with it but never backwards", () => {
    const map = new ClockMap();
    map.observe(0, 0);
    expect(utcMs(map, 1_000, 0)).toBe(1_000);
    expect(utcMs(map, 2_000, 1_700_000_000_000)).toBe(1_700_000_002_000);
    expect(utcMs(map, 3_000, 1_600_000_000_000)).toBe(1_700_000_002_000);
  });

  test("the first setting of the gateway's clock moves times either way", () => {
    const map = new ClockMap();
    map.observe(0, 0);
    const unset = { wallMinusMonotonicMs: 1_800_000_000_000, isSet: false };
    expect(map.map(1_000, unset)?.timestamp).toBe(1_800_000_001_000);
    expect(utcMs(map, 2_000, 1_700_000_000_000)).toBe(1_700_000_002_000);
  });

  test("no time falls below what waited for the clock to be set, where a later frame was quicker", () => {
    const map = new ClockMap();
    map.observe(1_000, 1_060);
    expect(map.map(900, { wallMinusMonotonicMs: 0, isSet: false })?.timestamp).toBe(960);
    map.observe(1_100, 1_150);
    expect(utcMs(map, 900, 1_700_000_000_000)).toBe(1_700_000_000_960);
  });

  test("has no bound of its error before a frame tells of an ack", () => {
    const map = new ClockMap();
    map.observe(1_000, 5_000, 1);
    map.acked(3, 5_010);
    map.observe(2_000, 6_000, 1);
    expect(map.map(2_000, WALL)).toEqual({ timestamp: 6_000 });
    map.observe(2_500, 6_500, 4);
    expect(map.map(2_500, WALL)?.clockError).toBeGreaterThan(1_000);
  });

  test("a frame sent at once when its ack came bounds the error by the round trip", () => {
    const map = new ClockMap();
    // The board started at 4000; each way takes 20 ms.
    map.observe(1_000, 5_020, 1);
    map.acked(3, 5_030);
    map.observe(1_050, 5_070, 4);
    const mapped = map.map(1_050, WALL);
    expect(mapped?.timestamp).toBe(5_070);
    expect(mapped?.clockError).toBeGreaterThanOrEqual(20);
    expect(mapped?.clockError).toBeLessThanOrEqual(45);
    // An hour ago it may have been off by what a clock may drift in an hour.
    expect(map.map(3_600_000 + 1_050, WALL)?.clockError).toBeGreaterThan(3_600);
  });

  test("takes no ack for the cause of a news that a gateway before this one may have told the board", () => {
    const map = new ClockMap();
    map.beganAt(3);
    map.observe(1_000, 5_000, 1);
    map.acked(3, 5_010);
    // Sent before that ack, by a board that had the earlier gateway's; long on its way.
    map.observe(1_050, 6_500, 4);
    expect(map.map(1_050, WALL)).toEqual({ timestamp: 5_050 });
    map.acked(5, 6_510);
    map.observe(2_600, 6_620, 6);
    const mapped = map.map(2_600, WALL);
    expect(mapped?.timestamp).toBe(6_600);
    expect(mapped?.clockError).toBeGreaterThan(80);
    expect(mapped?.clockError).toBeLessThan(120);
  });

  test("an ack that says nothing about this clock is not believed: the bound goes, the time stays", () => {
    const map = new ClockMap();
    map.observe(1_000, 5_000, 1);
    map.acked(3, 9_000);
    map.observe(1_100, 5_100, 4);
    expect(map.map(1_100, WALL)).toEqual({ timestamp: 5_100 });
  });

  test("the truth lies within the bound, whatever the latencies and the drift are", () => {
    const step = fc.record({
      stepMs: fc.integer({ min: 1, max: 120_000 }),
      upMs: fc.nat(2_000),
      downMs: fc.nat(2_000),
      isAckLost: fc.boolean(),
      lines: fc.integer({ min: 1, max: 5 }),
      ageMs: fc.nat(5_000),
    });
    const runs = fc.record({
      steps: fc.array(step, { minLength: 1, maxLength: 30 }),
      drift: fc.double({ min: -9e-4, max: 9e-4, noNaN: true }),
    });
    fc.assert(
      fc.property(runs, ({ steps, drift }) => {
        const map = new ClockMap();
        const startMs = 1_000_000;
        const uptimeAt = (trueMs: number): number => Math.floor((trueMs - startMs) * (1 + drift));
        let trueMs = startMs + 10_000;
        let seq = 0;
        let first = 1;
        let boundCount = 0;
        for (const { stepMs, upMs, downMs, isAckLost, lines, ageMs } of steps) {
          trueMs += stepMs;
          seq += lines;
          const heardMs = trueMs + upMs;
          map.observe(uptimeAt(trueMs), heardMs, first);
          const loggedMs = trueMs - Math.min(ageMs, stepMs);
          const mapped = map.map(uptimeAt(loggedMs), WALL);
          const error = Math.abs((mapped?.timestamp ?? 0) - loggedMs);
          if (mapped?.clockError !== undefined) {
            boundCount += 1;
            expect(error).toBeLessThanOrEqual(mapped.clockError);
          }
          map.acked(seq, heardMs + 1);
          trueMs = heardMs + 1 + downMs;
          if (!isAckLost) first = seq + 1;
        }
        if (steps.slice(0, -1).some(({ isAckLost }) => !isAckLost)) expect(boundCount).toBeGreaterThan(0);
      }),
    );
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
          const mappedMs = utcMs(map, uptimeMs, 0) ?? 0;
          expect(mappedMs).toBeGreaterThanOrEqual(Math.max(lastMs, 1_000_000 + uptimeMs));
          expect(mappedMs).toBeLessThanOrEqual(1_000_000 + uptimeMs + highestLatencyMs);
          lastMs = mappedMs;
        }
      }),
    );
  });
});
