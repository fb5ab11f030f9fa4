import { type Frame, frameOf } from "./agent-bench.ts";

export interface ReceivedEntry {
  readonly seq: number;
  readonly msg: unknown;
  readonly level: string | undefined;
  readonly timestamp: number | undefined;
  readonly uptime: number | undefined;
}

export interface ReceivedLoss {
  readonly first: number;
  readonly last: number;
  readonly where: string;
}

/** The receiving side of docs/protocol.md 5 and 6, written from the text alone; everything it takes is durable at once. */
export class ModelReceiver {
  readonly entries: ReceivedEntry[] = [];
  readonly losses: ReceivedLoss[] = [];
  readonly boot: string;
  duplicates = 0;
  #mark = 0;

  constructor(boot: string) {
    this.boot = boot;
  }

  get mark(): number {
    return this.#mark;
  }

  /** @returns the ack, where one is wanted. A frame that is not valid by the protocol's own decoder is a failed test. */
  receive(text: string): string | undefined {
    const frame = frameOf(text);
    if (frame.boot !== this.boot) return undefined;
    let resend = false;
    for (const command of frame.cmds) {
      if (!this.#take(frame, command)) {
        resend = true;
        break;
      }
    }
    if (!frame.ack) return undefined;
    return JSON.stringify({ v: 1, boot: this.boot, ack: this.#mark, ...(resend ? { resend } : {}) });
  }

  /** False: something before it is missing and still to come (clause 6.6). */
  #take(frame: Frame, command: Frame["cmds"][number]): boolean {
    const last = command.id;
    const isNotice = command.args.stream === "loss";
    const first = isNotice ? (command.args.msg as { first: number }).first : last;
    if (last <= this.#mark) {
      this.duplicates++;
      return true;
    }
    if (first > this.#mark + 1 && frame.first > this.#mark + 1) {
      this.#lose(Math.min(frame.first, first) - 1, "link");
    }
    if (first > this.#mark + 1) {
      if (frame.ack) return false;
      this.#lose(first - 1, "link");
    }
    if (isNotice) {
      this.#lose(last, "agent");
    } else {
      const { msg, level, timestamp, uptime } = command.args;
      this.entries.push({ seq: last, msg, level, timestamp, uptime });
      this.#mark = last;
    }
    return true;
  }

  #lose(last: number, where: string): void {
    this.losses.push({ first: this.#mark + 1, last, where });
    this.#mark = last;
  }
}
