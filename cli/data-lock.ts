import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "./user-error.ts";

export const LOCK_FILE = "lock";

/** Who holds a data folder. A pid alone is not enough: after a crash it may belong to another process. */
interface Holder {
  readonly pid: number;
  /** When the process started, in the kernel's ticks since `bootId`; empty where the system does not say. */
  readonly started: string;
  readonly bootId: string;
}

/**
 * Two processes on one data folder would give the same ids twice: the second is refused. The returned function unlocks.
 * @param flag names the folder on the command line
 */
export function lockData(folder: string, flag = "--data"): () => void {
  const path = join(folder, LOCK_FILE);
  const own = JSON.stringify(holderOf(process.pid));
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(path, own, { flag: "wx", mode: 0o600 });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const holder = readHolder(path);
      if (holder !== undefined && isAlive(holder)) {
        throw new UserError(
          `${folder} is in use by process ${holder.pid}: stop that one, or give another folder with ${flag}`,
        );
      }
      rmSync(path, { force: true });
    }
  }
  throw new UserError(`${path} cannot be taken: another process is starting on this folder`, 1);
}

function readHolder(path: string): Holder | undefined {
  try {
    const holder = JSON.parse(readFileSync(path, "utf8")) as Partial<Holder>;
    return typeof holder.pid === "number"
      ? { started: "", bootId: "", ...holder, pid: holder.pid }
      : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const now = holderOf(holder.pid);
  return now.started === holder.started && now.bootId === holder.bootId;
}

function holderOf(pid: number): Holder {
  // After the command name in parentheses, the 20th field is the start time (proc(5), field 22).
  const stat = readIfThere(`/proc/${pid}/stat`);
  const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  return { pid, started, bootId: readIfThere("/proc/sys/kernel/random/boot_id").trim() };
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
