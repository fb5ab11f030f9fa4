import type { Reporter, TestCase, TestModule } from "vitest/node";

const UNENDED = ["pending", "queued"];

/** Ends the run with what was skipped, by name, and one plain line of counts. */
export default class PlainReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0 };
    const skippedSuites = new Map<string, number>();
    const lines: string[] = [];
    for (const module of modules) {
      // Its process died: Vitest itself says that one did, and neither which nor in what.
      if (UNENDED.includes(module.state())) {
        const unended = [...module.children.allTests()].filter((test) => test.result().state === "pending");
        lines.push(
          `never ended: ${module.relativeModuleId} (${unended.map((test) => test.fullName).join("; ")})`,
        );
      }
      if (module.state() === "failed" && module.errors().length > 0) counts.failed += 1;
      for (const test of module.children.allTests()) {
        const state = test.result().state;
        if (state === "passed" || state === "failed") counts[state] += 1;
        if (state === "skipped") {
          counts.skipped += 1;
          const suite = suiteName(test);
          skippedSuites.set(suite, (skippedSuites.get(suite) ?? 0) + 1);
        }
      }
    }
    lines.push(...[...skippedSuites].map(([suite, count]) => `skipped: ${suite} (${count} tests)`));
    lines.push(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    process.stdout.write(`${lines.join("\n")}\n`);
  }
}

function suiteName(test: TestCase): string {
  return test.parent.type === "suite" ? test.parent.fullName : test.fullName;
}
