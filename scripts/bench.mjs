// Runs the benchmarks (bench/run.ts), or one of their programs: node scripts/bench.mjs bench/store/append.ts --entries 1000000
import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const [first, ...rest] = process.argv.slice(2);
const hasFile = first?.endsWith(".ts") ?? false;
const file = hasFile ? first : "bench/run.ts";
const { outputFiles } = await build({
  entryPoints: [join(root, file)],
  absWorkingDir: root,
  bundle: true,
  write: false,
  platform: "node",
  target: "node20",
  format: "esm",
  packages: "external",
  sourcemap: "inline",
});
// As deep in the tree as the sources are, so that what they name by a relative address is found.
const folder = join(root, "dist/bench");
await mkdir(folder, { recursive: true });
const bundle = join(folder, `${basename(file, ".ts")}-${process.pid}.mjs`);
await writeFile(bundle, outputFiles[0].contents);
process.argv = [process.argv[0], bundle, ...(hasFile ? rest : process.argv.slice(2))];
await import(pathToFileURL(bundle).href);
