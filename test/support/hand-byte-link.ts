import type { ByteLink, ByteLinkEvents } from "../../gateway/link.ts";

/** A serial wire that is up from the start, says what a test has it say, and keeps what goes down. */
export class HandByteLink implements ByteLink {
  readonly name = "/dev/wire";
  /** What was written and not taken from here, a write each, as Latin-1. */
  readonly down: string[] = [];
  pauseCount = 0;
  readonly #onWrite: (text: string) => void;
  #events: ByteLinkEvents | undefined;

  /** @param onWrite told of each write too. */
  constructor(onWrite: (text: string) => void = () => {}) {
    this.#onWrite = onWrite;
  }

  start(events: ByteLinkEvents): void {
    this.#events = events;
    events.onUp("wire");
  }

  async write(bytes: Uint8Array): Promise<boolean> {
    const text = Buffer.from(bytes).toString("latin1");
    this.down.push(text);
    this.#onWrite(text);
    return true;
  }

  pause(): void {
    this.pauseCount += 1;
  }

  resume(): void {}

  async stop(): Promise<void> {}

  /** The board says it; text stands for its Latin-1 bytes. */
  say(bytes: string | Uint8Array): void {
    const memory = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes.slice();
    this.#events?.onBytes(memory);
    // As a real wire does by its next read.
    memory.fill(0x2a);
  }

  replug(): void {
    this.#events?.onDown();
    this.#events?.onUp("wire");
  }
}
