/**
 * Gives a real XS engine, the one of Moddable boards, for tests and for the language table: `XST` names one, or else the
 * sources inside the npm package @agoric/xsnap are compiled once (gcc and make, 15 s) and kept under node_modules/.cache.
 * `node scripts/install-xs.mjs` prints its path. Why not as a dependency: docs/decisions/0006-xs-in-tests.md.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { buildOnce } from "./build-once.mjs";

const run = promisify(execFile);
const VERSION = "0.15.0";
const INTEGRITY =
  "sha512-ZBm4DZxbtfacxMHVVdJjZi0Y8zOxN77vpu1WwI5RWfPkaRh0aHkz/dVdTGKXalDNzWfz183lljKxlxl3/h0n+A==";
const cache = fileURLToPath(new URL("../node_modules/.cache/boardlog-xs", import.meta.url));
const worker = join(cache, VERSION, "xsnap-worker");
const PACK_TIMEOUT_MS = 60_000;
const MAKE_TIMEOUT_MS = 300_000;

/** @returns the engine, or why there is none and what to do. */
export async function findXs() {
  const { XST } = process.env;
  if (XST) return { kind: "xst", path: XST };
  if (!existsSync(worker)) {
    if (process.platform !== "linux") return { missing: "set XST to the path of Moddable's xst" };
    try {
      await mkdir(join(cache, VERSION), { recursive: true });
      await buildOnce({
        cache,
        file: worker,
        timeoutMs: PACK_TIMEOUT_MS + 2 * MAKE_TIMEOUT_MS,
        build: install,
      });
    } catch (error) {
      const reason = String(error?.stderr || error?.message)
        .trim()
        .split("\n")
        .at(-1);
      return {
        missing: `set XST to the path of Moddable's xst, or apt-get install build-essential: ${reason}`,
      };
    }
  }
  return { kind: "xsnap", path: worker };
}

async function install(folder) {
  const { stdout } = await run("npm", ["pack", "--silent", `@agoric/xsnap@${VERSION}`], {
    cwd: folder,
    timeout: PACK_TIMEOUT_MS,
  });
  const file = join(folder, stdout.trim());
  const sum = `sha512-${createHash("sha512")
    .update(await readFile(file))
    .digest("base64")}`;
  if (sum !== INTEGRITY) throw new Error(`@agoric/xsnap ${VERSION} is not the package it was: ${sum}`);
  await run("tar", ["-xzf", file, "-C", folder]);
  const sources = join(folder, "package");
  await run(
    "make",
    [
      "-j2",
      `MODDABLE=${join(sources, "moddable")}`,
      "GOAL=release",
      `XSNAP_VERSION=${VERSION}`,
      'CC=cc "-D__has_builtin(x)=1"',
      "EXTRA_DEPS=",
      "-f",
      "xsnap-worker.mk",
    ],
    { cwd: join(sources, "xsnap-native/xsnap/makefiles/lin"), timeout: MAKE_TIMEOUT_MS },
  );
  return join(sources, "xsnap-native/xsnap/build/bin/lin/release/xsnap-worker");
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { path, missing } = await findXs();
  if (missing) {
    process.stderr.write(`No XS engine: ${missing}\n`);
    process.exitCode = 1;
  } else process.stdout.write(`${path}\n`);
}
