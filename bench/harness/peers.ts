import { type ChildProcess, execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { hasEnded } from "../../test/support/has-ended.ts";

/** Beside the packages of the project, which does not need the peers, so that they are installed when they are first measured. */
const FOLDER = fileURLToPath(new URL("../../node_modules/.cache/bench-peers", import.meta.url));
/** Where nothing prebuilt can be had, it is compiled. */
const INSTALL_MS_MAX = 900_000;

/**
 * Installs a package to compare with.
 * @returns where it can be imported from, or undefined where it cannot be had here.
 */
export async function installPeer(name: string, version: string): Promise<string | undefined> {
  const folder = join(FOLDER, `${name}-${version}`);
  const path = join(folder, "node_modules", name);
  const done = join(folder, "done");
  if (existsSync(done)) return path;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, "package.json"),
    JSON.stringify({ private: true, allowScripts: { [name]: true } }),
  );
  try {
    const args = ["install", "--no-audit", "--no-fund", `${name}@${version}`];
    await promisify(execFile)("npm", args, {
      cwd: folder,
      timeout: INSTALL_MS_MAX,
      env: { ...process.env, ...headers() },
    });
    await writeFile(done, "");
    return path;
  } catch {
    return undefined;
  }
}

/** Node's own headers where they are installed, so that they need not be fetched. */
function headers(): NodeJS.ProcessEnv {
  const root = dirname(dirname(process.execPath));
  return existsSync(join(root, "include/node/node.h")) ? { npm_config_nodedir: root } : {};
}

/** Ends a peer, which has nothing to save. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}
