import { existsSync } from "node:fs";
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Most wait for processes of their own, up to two minutes a file: begun last, one of them would keep all other cores idle. */
const LONGEST = [
  "test/store/jetstream/conformance.test.ts",
  "test/e2e/cluster-proof.test.ts",
  "test/e2e/gateway-process.test.ts",
  "test/sim/seeds.test.ts",
  "test/sim/load.test.ts",
  "test/console/page.test.ts",
  "test/sim/load-logins.test.ts",
  "test/e2e/clubby-uplink.test.ts",
  "test/e2e/chain.test.ts",
  "test/cli/reading.test.ts",
  "test/e2e/store-copy.test.ts",
  "test/store/kill.test.ts",
  "test/cli/completions.test.ts",
  "test/e2e/demo-level.test.ts",
  "test/e2e/cluster-services.test.ts",
];

/** The order of vitest, but for the files that take longest: they begin first, on a clean checkout too. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { root } = this.ctx.config;
    const gone = LONGEST.find((file) => !existsSync(`${root}/${file}`));
    if (gone !== undefined)
      throw new Error(`test/support/longest-first.ts names ${gone}, which is not there`);
    const rankOf = ({ moduleId }: TestSpecification): number => {
      const rank = LONGEST.indexOf(relative(root, moduleId));
      return rank === -1 ? LONGEST.length : rank;
    };
    return (await super.sort(files)).sort((left, right) => rankOf(left) - rankOf(right));
  }
}
