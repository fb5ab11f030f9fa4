import { open } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

const LOOK_MS = 20;
/** The writer stands still when nothing comes for so long. */
const STALL_MS_MAX = 30_000;

/** Lines of a file that grows. */
export class LineCount {
  readonly #writer: string;
  readonly #file: string;
  #at = 0;
  #count = 0;
  #wanted = 0;

  constructor(writer: string, file: string) {
    this.#writer = writer;
    this.#file = file;
  }

  /** Resolves when so many more lines than before are there. @throws when the file stands still. */
  async more(count: number): Promise<void> {
    this.#wanted += count;
    let movedMs = performance.now();
    while (this.#count < this.#wanted) {
      if (await this.#read()) movedMs = performance.now();
      else if (performance.now() - movedMs > STALL_MS_MAX) {
        throw new Error(`${this.#writer} wrote ${this.#count} of ${this.#wanted} lines`);
      }
      await pause(LOOK_MS);
    }
  }

  /** Says whether there was more. */
  async #read(): Promise<boolean> {
    const before = this.#at;
    const file = await open(this.#file).catch(() => undefined);
    if (file === undefined) return false;
    try {
      const bytes = Buffer.alloc(1024 * 1024);
      for (;;) {
        const { bytesRead } = await file.read(bytes, 0, bytes.length, this.#at);
        if (bytesRead === 0) return this.#at > before;
        for (const byte of bytes.subarray(0, bytesRead)) if (byte === 10) this.#count += 1;
        this.#at += bytesRead;
      }
    } finally {
      await file.close();
    }
  }
}
