import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Inside the tree, so that packages resolve; under node_modules, so that no tool looks at it. */
const CACHE = join(ROOT, "node_modules/.cache/run-ts");

/**
 * Bundles a TypeScript file (path from the root of the repository) to a file that plain node runs, packages left outside.
 * Returns the path; the same content gives the same path.
 */
export async function bundleTs(file: string): Promise<string> {
  const result = await build({
    entryPoints: [join(ROOT, file)],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    platform: "node",
    target: "node20",
    format: "esm",
    packages: "external",
    sourcemap: "inline",
  });
  const text = result.outputFiles[0]?.text ?? "";
  const path = join(CACHE, `${createHash("sha256").update(text).digest("hex").slice(0, 16)}.mjs`);
  await mkdir(CACHE, { recursive: true });
  // Two tests may bundle the same file at once: nobody must run a half-written one.
  const draft = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  await writeFile(draft, text);
  await rename(draft, path);
  return path;
}

/** Bundles and starts a TypeScript file under plain node. The caller ends the process. */
export async function spawnTs(
  file: string,
  args: readonly string[] = [],
  options: SpawnOptions = {},
): Promise<ChildProcess> {
  const path = await bundleTs(file);
  return spawn(process.execPath, ["--enable-source-maps", path, ...args], { cwd: ROOT, ...options });
}
