import type { AppendFile, Disk, FilePart } from "../host/disk.ts";
import { type FaultyDisk, PowerCut } from "./faulty-disk.ts";
import { never, type ProcessLife } from "./process-life.ts";

export interface DiskWitness {
  /** A file is about to be removed. */
  readonly removing: (path: string) => void;
  /** What was written to the file is durable. */
  readonly synced: (path: string) => void;
  /** Something was written to the file and is not durable yet. */
  readonly appended: (path: string) => void;
  /** The power went in the middle of a step: the process is gone. */
  readonly cut: () => void;
}

/**
 * A faulty disk as one life of a process sees it: each step takes a while, and one who dies meanwhile changes nothing more and
 * gets no answer.
 */
export class ProcessDisk implements Disk {
  readonly #disk: FaultyDisk;
  readonly #life: ProcessLife;
  readonly #delay: () => Promise<void>;
  readonly #witness: DiskWitness;

  /** @param delay what one step takes. */
  constructor(disk: FaultyDisk, life: ProcessLife, delay: () => Promise<void>, witness: DiskWitness) {
    this.#disk = disk;
    this.#life = life;
    this.#delay = delay;
    this.#witness = witness;
  }

  read(path: string): Promise<Uint8Array | undefined> {
    return this.#step(() => this.#disk.read(path));
  }

  readPart(path: string, at: number, bytesMax: number): Promise<FilePart | undefined> {
    return this.#step(() => this.#disk.readPart(path, at, bytesMax));
  }

  async replace(path: string, content: Uint8Array): Promise<void> {
    await this.#step(() => this.#disk.replace(path, content));
    this.#witness.synced(path);
  }

  async openAppend(path: string): Promise<AppendFile> {
    const file = await this.#step(() => this.#disk.openAppend(path));
    return {
      get sizeBytes() {
        return file.sizeBytes;
      },
      append: (bytes) =>
        this.#step(async () => {
          await file.append(bytes);
          this.#witness.appended(path);
        }),
      sync: async () => {
        await this.#step(() => file.sync());
        this.#witness.synced(path);
      },
      close: () => file.close(),
    };
  }

  list(path: string): Promise<string[]> {
    return this.#step(() => this.#disk.list(path));
  }

  remove(path: string): Promise<void> {
    return this.#step(() => {
      this.#witness.removing(path);
      return this.#disk.remove(path);
    });
  }

  async #step<Value>(step: () => Promise<Value>): Promise<Value> {
    await this.#delay();
    if (!this.#life.isAlive) return never();
    try {
      return await this.#life.hear(step());
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      this.#witness.cut();
      return never();
    }
  }
}
