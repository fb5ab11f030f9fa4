import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Beside the packages of the project, which does not need the peers, so that they are installed when they are first measured. */
const FOLDER = fileURLToPath(new URL("../../node_modules/.cache/bench-peers", import.meta.url));
const INSTALL_MS_MAX = 300_000;

/**
 * Installs a package to compare with.
 * @returns where it can be imported from, or undefined where it cannot be had here.
 */
export async function installPeer(name: string, version: string): Promise<string | undefined> {
  const path = join(FOLDER, "node_modules", name);
  if (existsSync(join(path, "package.json"))) return path;
  await mkdir(FOLDER, { recursive: true });
  await writeFile(join(FOLDER, "package.json"), '{ "private": true }\n');
  try {
    const args = ["install", "--no-audit", "--no-fund", "--allow-scripts", name, `${name}@${version}`];
    await promisify(execFile)("npm", args, { cwd: FOLDER, timeout: INSTALL_MS_MAX });
    return path;
  } catch {
    return undefined;
  }
}
