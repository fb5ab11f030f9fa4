import { decodeLineChecksum } from "../protocol/serial-line.ts";

/** A board's ear on a serial wire: takes what comes down in whatever pieces, and gives each line's JSON whose checksum is right. */
export class DownlinkLines {
  readonly #onCommand: (json: string) => void;
  readonly #charsMax: number;
  #pending = "";

  /** @param charsMax longest line that the board keeps; more is dropped up to the next LF. */
  constructor(onCommand: (json: string) => void, charsMax: number) {
    this.#onCommand = onCommand;
    this.#charsMax = charsMax;
  }

  hear(bytes: Uint8Array): void {
    const lines = (this.#pending + Buffer.from(bytes).toString("latin1")).split("\n");
    this.#pending = lines.pop() ?? "";
    if (this.#pending.length > this.#charsMax) this.#pending = "";
    for (const line of lines) {
      const json = decodeLineChecksum(line);
      if (json !== undefined) this.#onCommand(json);
    }
  }

  /** The board starts anew: half a line it had is gone. */
  forget(): void {
    this.#pending = "";
  }
}
