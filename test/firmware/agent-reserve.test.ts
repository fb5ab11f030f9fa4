import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AgentSettings } from "../../firmware-js/agent/env.ts";
import { bundleAgent, SIMULATOR_FEATURES } from "../../scripts/build-firmware.mjs";
import { compileAgent } from "../../sim/board.ts";
import { Bench } from "./agent-bench.ts";
import { ModelReceiver } from "./model-receiver.ts";

const programs = {
  without: compileAgent(await bundleAgent()),
  reserve: compileAgent(await bundleAgent([...SIMULATOR_FEATURES, "reserve"])),
};

/** A board on a link that takes nothing until it is opened, and what arrives then. */
function board(kind: keyof typeof programs, settings: AgentSettings = {}) {
  let isOpen = false;
  const receiver = new ModelReceiver("7-c0ffee");
  const bench: Bench = new Bench({
    program: programs[kind],
    settings: { ringBytesMax: 2048, ...settings },
    send: (frame) => {
      if (!isOpen) return false;
      bench.time.after(5, () => bench.agent.receive(receiver.receive(frame) ?? ""));
      return true;
    },
  });
  const open = (): ModelReceiver => {
    isOpen = true;
    bench.agent.ready();
    bench.time.advance(60_000);
    return receiver;
  };
  return { bench, open };
}

const chatter = (bench: Bench, count: number): void => {
  for (let index = 0; index < count; index++) bench.console.info(`chatter ${index} `.padEnd(60, "."));
};

describe("the reserve", () => {
  test("an error outlives a flood of chatter behind it, which the default drops", () => {
    const outcome = (kind: keyof typeof programs): (string | undefined)[] => {
      const { bench, open } = board(kind);
      bench.console.error("the pump stopped");
      chatter(bench, 300);
      bench.console.warn("too warm");
      chatter(bench, 300);
      return open().entries.flatMap((one) => (one.level === "info" ? [] : [`${one.level} ${one.msg}`]));
    };
    expect(outcome("without")).toEqual([]);
    expect(outcome("reserve")).toEqual(["error the pump stopped", "warn too warm"]);
  });

  test("each drop is counted by reason and level, and every seq is an entry or in a drop notice", () => {
    const { bench, open } = board("reserve");
    for (let round = 0; round < 20; round++) {
      chatter(bench, 10);
      bench.console.debug("detail");
      bench.console.log("plain");
      bench.console.warn(`warning ${round}`);
    }
    const { dropped } = bench.agent.look();
    const [oldest, newest] = dropped as [number[], number[]];
    const receiver = open();
    const levels = [undefined, "debug", "info", "warn", "error"];
    const logged = [20, 20, 200, 20, 0];
    levels.forEach((level, index) => {
      const listed = receiver.entries.filter((one) => one.level === level).length;
      expect(listed + (oldest[index] ?? 0) + (newest[index] ?? 0)).toBe(logged[index]);
    });
    const lost = receiver.losses.reduce((sum, one) => sum + one.last - one.first + 1, 0);
    expect(lost).toBe([...oldest, ...newest].reduce((sum, one) => sum + one, 0));
    expect(receiver.entries.length + lost).toBe(260);
    expect(receiver.losses.every((one) => one.where === "agent")).toBe(true);
  });

  test("a flood of errors fills the ring and no more; then the newest go, counted as errors", () => {
    const { bench, open } = board("reserve");
    for (let index = 0; index < 500; index++) bench.console.error(`error ${index} `.padEnd(60, "."));
    const { ringBytes, dropped } = bench.agent.look();
    expect(ringBytes).toBeLessThanOrEqual(2048);
    expect(dropped[0]).toEqual([0, 0, 0, 0, 0]);
    expect(dropped[1]?.slice(0, 4)).toEqual([0, 0, 0, 0]);
    const { entries, losses } = open();
    expect(entries[0]?.msg).toMatch(/^error 0 /);
    expect(entries.length).toBe(500 - (dropped[1]?.[4] ?? 0));
    expect(losses.at(-1)?.last).toBe(500);
  });

  test("with the newest dropped by setting, chatter keeps out of the last quarter, and errors get in", () => {
    const { bench, open } = board("reserve", { drop: "newest" });
    chatter(bench, 100);
    bench.console.error("late but here");
    expect(open().entries.at(-1)?.msg).toBe("late but here");
  });

  test("a line as long as may be still fits what chatter may fill", () => {
    for (const ringBytesMax of [512, 700, 1024, 2048, 8192]) {
      const { bench, open } = board("reserve", { ringBytesMax });
      bench.console.info("x".repeat(5000));
      expect(open().entries[0]?.msg).toMatch(/^x+ \[cut: \d+ more\]$/);
      expect(bench.agent.stats).toMatchObject({ droppedOldest: 0, droppedNewest: 0 });
    }
  });

  test("whatever is logged, all of it is accounted for, in order and within the ring's bound", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.constantFrom("log", "debug", "info", "warn", "error"),
            fc.integer({ min: 0, max: 400 }),
          ),
          { minLength: 1, maxLength: 120 },
        ),
        fc.integer({ min: 512, max: 3000 }),
        fc.constantFrom("oldest" as const, "newest" as const),
        (lines, ringBytesMax, drop) => {
          const { bench, open } = board("reserve", { ringBytesMax, drop });
          for (const [method, length] of lines) {
            bench.console[method as "log"](`${method} ${"x".repeat(length)}`);
            bench.time.advance(7);
            expect(bench.agent.look().ringBytes).toBeLessThanOrEqual(ringBytesMax);
          }
          const { entries, losses } = open();
          const seen = new Set<number>(entries.map((one) => one.seq));
          for (const { first, last } of losses) for (let seq = first; seq <= last; seq++) seen.add(seq);
          expect(seen.size).toBe(lines.length);
          expect(bench.agent.look()).toMatchObject({ acked: lines.length, ringBytes: 0 });
        },
      ),
      { numRuns: 60, endOnFailure: true },
    );
  });
});
