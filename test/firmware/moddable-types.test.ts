import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";

const sdk = process.env.MODDABLE;
const title = sdk
  ? "the ports for Moddable against the SDK's own declarations"
  : "the ports for Moddable against the SDK's own declarations (skipped: git clone https://github.com/Moddable-OpenSource/moddable and set MODDABLE to it)";
const root = fileURLToPath(new URL("../..", import.meta.url));
const tsc = join(root, "node_modules/typescript/bin/tsc");

/** @returns what the compiler says. */
async function compile(more: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-types-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const ours = (name: string) => join(root, "firmware-js", name);
  const theirs = (name: string) => join(sdk ?? "", name);
  const config = {
    extends: ours("tsconfig.json"),
    compilerOptions: {
      noEmit: true,
      // The declarations are the SDK's affair.
      skipLibCheck: true,
      paths: { board: [ours("agent/env-board.ts")], "*": [theirs("typings/*")] },
    },
    include: [],
    // Not moddable.d.ts, which stands for these where there is no SDK.
    files: [
      theirs("xs/includes/xs.d.ts"),
      ...["embedded_io/_common", "embedded_io/serial", "embedded_network/mqtt/client"].map((name) =>
        theirs(`typings/${name}.d.ts`),
      ),
      ours("features.d.ts"),
      ...["main", "serial", "mqtt", "globals"].map((name) => ours(`moddable/${name}.ts`)),
      ...more,
    ],
  };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, "-p", folder]).catch(
    (error: { stdout: string }) => error,
  );
  return stdout;
}

describe.skipIf(!sdk)(title, () => {
  test("the ports compile, and what they give and take is what the SDK declares", async () => {
    expect(await compile([join(root, "test/firmware/moddable/sdk-types.ts")])).toBe("");
  }, 60_000);

  test("a port that used the SDK otherwise would be found out", async () => {
    const folder = await mkdtemp(join(tmpdir(), "boardlog-types-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const wrong = join(folder, "wrong.ts");
    await writeFile(
      wrong,
      'import Preference from "preference";\nimport Timer from "timer";\nPreference.set("a", 1, "b");\nTimer.clear(5);\n',
    );
    const said = await compile([wrong]);
    expect(said).toMatch(/wrong\.ts\(3,/);
    expect(said).toMatch(/wrong\.ts\(4,/);
  }, 60_000);
});
