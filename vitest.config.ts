import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/support/seed.ts"],
    globalSetup: ["test/support/install-programs.ts"],
    reporters: ["default", "./test/support/plain-reporter.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
