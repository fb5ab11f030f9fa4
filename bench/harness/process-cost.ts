import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** Of the kernel's clock ticks; 100 on every Linux that Node runs on. */
const TICK_US = 10_000;
/** A process is at rest once it takes less than this of a core between two looks. */
const REST_SHARE = 0.03;
const REST_LOOK_MS = 400;
const REST_LOOKS_MAX = 50;

/** CPU of a process, all its threads, since it started, us; in steps of 10 ms. */
export function cpuUs(pid: number): number {
  const [user, system] = statFields(pid).slice(11, 13);
  return (Number(user) + Number(system)) * TICK_US;
}

/** The same of a process, its children and what they and it have waited for, us. */
export function treeCpuUs(pid: number): number {
  return [...childrenOf(pid), pid].reduce((sum, each) => sum + withWaitedForUs(each), 0);
}

/** 0 of one that has just ended: its parent has it then. */
function withWaitedForUs(pid: number): number {
  try {
    return statFields(pid)
      .slice(11, 15)
      .reduce((sum, ticks) => sum + Number(ticks) * TICK_US, 0);
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return 0;
    throw error;
  }
}

function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in brackets may hold spaces.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}

/** Waits until a process has done what it does behind the last answer (sealing, writing), so that it is counted. */
export async function untilAtRest(pid: number): Promise<void> {
  let before = cpuUs(pid);
  for (let look = 0; look < REST_LOOKS_MAX; look++) {
    await pause(REST_LOOK_MS);
    const now = cpuUs(pid);
    if (now - before < REST_SHARE * REST_LOOK_MS * 1000) return;
    before = now;
  }
}

/** Memory that is not shared with a file, kB to bytes. */
export function memoryBytes(pid: number): { readonly resident: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kilobytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
  return { resident: kilobytes("VmRSS") * 1024, peak: kilobytes("VmHWM") * 1024 };
}

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
