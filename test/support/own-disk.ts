import { spawnSync } from "node:child_process";
import { closeSync, openSync, statfsSync, unlinkSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whether disks of their own can be mounted here. */
export const canMount = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).status === 0;
/** For suite titles: empty, or why the suite is skipped. */
export const mountNote = canMount ? "" : " (skipped: a disk of its own can be mounted by root alone)";

/** A small disk in memory, which somebody else may fill. */
export class OwnDisk {
  readonly folder: string;
  readonly #hog: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.#hog = join(folder, "hog");
  }

  /** Where nothing can be mounted it is a plain folder. */
  static async mount(bytes: number): Promise<OwnDisk> {
    const folder = await mkdtemp(join(tmpdir(), "boardlog-disk-"));
    if (canMount) spawnSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "boardlog-test", folder]);
    return new OwnDisk(folder);
  }

  async unmount(): Promise<void> {
    if (canMount) spawnSync("umount", ["-l", this.folder]);
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Somebody else fills the disk until no more than this is free; to the page, as the disk has them. */
  fill(freeBytes: number): void {
    const file = openSync(this.#hog, "a");
    const block = Buffer.alloc(1 << 16);
    try {
      for (let over = this.#freeBytes() - freeBytes; over > 0; over = this.#freeBytes() - freeBytes)
        writeSync(file, block, 0, Math.min(block.length, over));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      closeSync(file);
    }
  }

  /** And makes room again. */
  free(): void {
    unlinkSync(this.#hog);
  }

  #freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return bavail * bsize;
  }
}
