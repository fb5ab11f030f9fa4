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
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in brackets may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
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
