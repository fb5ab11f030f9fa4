import { msgOfText } from "./compact-frame.ts";
import { bad } from "./decoded.ts";
import type { Command, Frame, LinePart } from "./frame.ts";

/** Longest line that is put together, in characters as they came; the parts beyond are cut and said at its end. */
export const JOINED_CHARS_MAX = 65_536;
/** So often a board goes back and brings no part that is missing; then the line is given up. */
const TORN_MAX = 20;

export interface PartJoinerOptions {
  /** 0 where each frame stands alone: parts that are not in one frame are never joined. */
  readonly tornMax?: number;
  /** A line was longer than what is put together. */
  readonly onCut?: () => void;
}

/** Puts the lines of one boot together that come in numbered parts (docs/protocol.md 12.13). Holds one line at a time. */
export class PartJoiner {
  readonly #tornMax: number;
  readonly #onCut: () => void;
  /** Of the line at hand; `#number` is its last part that came, 0 where there is none. */
  #seq = 0;
  #number = 0;
  #text = "";
  #cutChars = 0;
  /** How often its last part came since one was put to it. */
  #tornCount = 0;

  constructor(options: PartJoinerOptions = {}) {
    this.#tornMax = options.tornMax ?? TORN_MAX;
    this.#onCut = options.onCut ?? (() => {});
  }

  /** The frame with whole lines alone: a last part that lacks those before it is `isTorn`, or refused where it is given up. */
  join(frame: Frame): Frame {
    if (frame.lines !== undefined) return frame;
    if (!frame.commands.some((command) => command.part !== undefined)) return frame;
    const commands: Command[] = [];
    for (const command of frame.commands) {
      const { part, ...whole } = command;
      if (part === undefined) commands.push(command);
      else {
        const isWhole = this.#take(command.id ?? 0, part);
        if (part.isLast) commands.push(isWhole ? this.#joined(whole, part) : this.#torn(whole, frame));
      }
    }
    return { ...frame, commands };
  }

  /** What is there of a line stays while its parts come again; a seq has one line only. */
  #take(seq: number, part: LinePart): boolean {
    if (seq !== this.#seq) {
      this.#seq = seq;
      this.#number = 0;
      this.#text = "";
      this.#cutChars = 0;
      this.#tornCount = 0;
    }
    const isNext = part.number === this.#number + 1;
    if (isNext) {
      const isRoom = this.#cutChars === 0 && this.#text.length + part.text.length <= JOINED_CHARS_MAX;
      if (isRoom) this.#text += part.text;
      else this.#cutChars += part.length;
      this.#number += 1;
      this.#tornCount = 0;
    }
    return isNext;
  }

  #joined(command: Command, { isJson }: LinePart): Command {
    const isCut = this.#cutChars > 0;
    if (isCut) this.#onCut();
    const inner = isJson && isCut ? JSON.stringify(this.#text).slice(1, -1) : this.#text;
    const msg =
      isJson && !isCut ? msgOfText(inner) : `"${inner}${isCut ? ` [cut: ${this.#cutChars} more]` : ""}"`;
    this.#seq = 0;
    this.#text = "";
    return { ...command, log: { ...command.log, msg } };
  }

  #torn(command: Command, frame: Frame): Command {
    this.#tornCount += 1;
    if (frame.ack !== false && this.#tornCount <= this.#tornMax) return { ...command, isTorn: true };
    const { log: _, ...empty } = command;
    return { ...empty, problem: bad("a part of this line did not arrive").problem };
  }
}
