// Builds everything a checkout runs into dist/: the command, the agent for boards, the console page.
import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { buildFirmware } from "./build-firmware.mjs";

const path = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url));

async function buildCommand() {
  await build({
    entryPoints: { boardlog: path("cli/main.ts"), "load-worker": path("sim/load/load-worker.ts") },
    outdir: path("dist"),
    // Each command loads only what it uses: `list` needs no database.
    splitting: true,
    // Packages too: a hundred small modules cost a process several times the memory that they do in one file.
    bundle: true,
    external: PACKAGES_OUTSIDE,
    banner: { js: REQUIRE },
    // Names stay, for traces of a stack, and lines are short: what ends a process is shown with the line it stands in.
    minifyWhitespace: true,
    lineLimit: 160,
    minifySyntax: true,
    legalComments: "none",
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "linked",
    logLevel: "warning",
  });
}

/** With a binary beside them, which they look for from where they lie. */
const PACKAGES_OUTSIDE = ["@serialport/bindings-cpp", "cbor-extract", "esbuild", "koffi", "lmdb"];
/** Packages of CommonJS call it for what Node has; a module has none. */
const REQUIRE = `import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);`;

async function buildConsole() {
  const { metafile } = await build({
    entryPoints: [path("console/main.tsx")],
    outdir: path("dist/console"),
    bundle: true,
    minify: true,
    metafile: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    logLevel: "warning",
  });
  await cp(path("console/index.html"), path("dist/console/index.html"));
  // Compressed once here; the service sends them as they are.
  for (const name of await readdir(path("dist/console"))) {
    const content = await readFile(path(`dist/console/${name}`));
    await writeFile(path(`dist/console/${name}.br`), brotliCompressSync(content));
    await writeFile(path(`dist/console/${name}.gz`), gzipSync(content, { level: 9 }));
  }
  return metafile;
}

await rm(path("dist"), { recursive: true, force: true });
await mkdir(path("dist"), { recursive: true });
await Promise.all([buildCommand(), buildConsole(), buildFirmware({ outDir: path("dist/firmware") })]);
await chmod(path("bin/boardlog.js"), 0o755);
