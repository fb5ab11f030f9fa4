import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** CPU of this process, all threads, since `from`, us. */
export function cpuMicroseconds(from?: NodeJS.CpuUsage): number {
  const usage = process.cpuUsage(from);
  return usage.user + usage.system;
}

/** Blocks that the files of a folder take, in bytes. */
export function diskBytes(dir: string): number {
  return readdirSync(dir).reduce((sum, file) => sum + statSync(join(dir, file)).blocks * 512, 0);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function percentile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}
