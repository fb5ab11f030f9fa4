import type { Disk } from "../../host/disk.ts";
import type { ProcessLog } from "../../host/log.ts";

/** A file that takes up room until the disk is full, and is given up then: for loss records and cursors. */
export class ReserveFile {
  readonly #world: { readonly disk: Disk; readonly log: ProcessLog };
  readonly #path: string;
  readonly #bytes: number;
  #isThere = false;

  constructor(world: { readonly disk: Disk; readonly log: ProcessLog }, folder: string, bytes: number) {
    this.#world = world;
    this.#path = `${folder}/reserve`;
    this.#bytes = bytes;
  }

  async spend(): Promise<void> {
    if (!this.#isThere) return;
    this.#isThere = false;
    await this.#world.disk.remove(this.#path);
  }

  /** Never rejects: while there is no room, there is no reserve. */
  async restore(): Promise<void> {
    if (this.#isThere) return;
    try {
      const there = await this.#world.disk.read(this.#path);
      if (there?.length !== this.#bytes) {
        await this.#world.disk.replace(this.#path, new Uint8Array(this.#bytes).fill(0x2e));
      }
      this.#isThere = true;
    } catch (error) {
      this.#world.log.warn({ error: String(error) }, "the spool has no reserve on the disk");
    }
  }
}
