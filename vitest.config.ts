import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/support/seed.ts"],
    globalSetup: ["test/support/install-programs.ts"],
    reporters: ["default", "./test/support/plain-reporter.ts"],
    // Each ends what hangs, and measures nothing: on a machine that is busy with much else all takes many times as long.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
  },
});
