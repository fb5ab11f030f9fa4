import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
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

/** So that nothing which is measured then waits for the disk: the kernel may have dropped of a large folder what was written long ago. */
export function readFiles(dir: string): void {
  const memory = Buffer.allocUnsafe(1 << 20);
  for (const name of readdirSync(dir)) {
    const file = openSync(join(dir, name), "r");
    while (readSync(file, memory) > 0);
    closeSync(file);
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function percentile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}
