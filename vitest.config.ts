import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/support/longest-first.ts";

/** What measures how quick something is: each has the machine to itself, after all the others. */
const MEASURING = ["test/bench/*.test.ts", "test/console/pace.test.ts"];

const common = {
  setupFiles: ["test/support/seed.ts"],
  // Each ends what hangs, and measures nothing: on a machine that is busy with much else all takes many times as long.
  testTimeout: 300_000,
  hookTimeout: 300_000,
  expect: { poll: { timeout: 120_000, interval: 20 } },
};

export default defineConfig({
  test: {
    globalSetup: ["test/support/install-programs.ts"],
    reporters: ["default", "./test/support/plain-reporter.ts"],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...common,
          name: "behaviour",
          include: ["test/**/*.test.ts"],
          exclude: MEASURING,
          // Most wait for other processes and the disk: with one for each core a third of both is idle.
          maxWorkers: "150%",
          // No test changes a module, and to load all of them anew for each file is a fifth of the whole.
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: "measured",
          include: MEASURING,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
