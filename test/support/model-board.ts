import { type LogLine, logFrame } from "./frames.ts";

interface Held {
  readonly first: number;
  last: number;
  /** Absent: a drop notice. */
  readonly text?: string;
}

/**
 * A board reduced to its duties (docs/protocol.md 5.6, 6.4): a small ring, drop notices, go-back-N. Written from the protocol and
 * not from the agent, so that the two check each other through the gateway.
 */
export class ModelBoard {
  readonly boot: string;
  readonly #src: string;
  readonly #ringMax: number;
  #ring: Held[] = [];
  #sentCount = 0;
  /** Last seq given out. */
  seq = 0;
  acked = 0;
  readonly dropped = new Set<number>();
  readonly forgotten = new Set<number>();

  constructor(src: string, boot: string, ringMax: number) {
    this.#src = src;
    this.boot = boot;
    this.#ringMax = ringMax;
  }

  textOf(seq: number): string {
    return `${this.#src} ${this.boot} ${seq}`;
  }

  /** Logs a line; where the ring is full the line is dropped and the notice of it grows. */
  log(): void {
    this.seq += 1;
    if (this.#ring.length < this.#ringMax) {
      this.#ring.push({ first: this.seq, last: this.seq, text: this.textOf(this.seq) });
      return;
    }
    this.dropped.add(this.seq);
    const newest = this.#ring.at(-1);
    const isOpenNotice =
      newest !== undefined && newest.text === undefined && this.#sentCount < this.#ring.length;
    if (isOpenNotice) newest.last = this.seq;
    else this.#ring.push({ first: this.seq, last: this.seq });
  }

  /** Loses its oldest without a word, as a board whose memory was overwritten. */
  forget(): void {
    const oldest = this.#ring.shift();
    if (oldest === undefined) return;
    this.#sentCount = Math.max(0, this.#sentCount - 1);
    for (let seq = oldest.first; seq <= oldest.last; seq++) this.forgotten.add(seq);
  }

  /** The next frame of up to `count` entries not sent yet; a question where there is none. */
  nextFrame(count: number): string {
    const sent = this.#ring.slice(this.#sentCount, this.#sentCount + count);
    this.#sentCount += sent.length;
    const first = this.#ring[0]?.first ?? this.seq + 1;
    return logFrame({ boot: this.boot, src: this.#src, ack: true, first }, sent.map(commandOf));
  }

  goBack(): void {
    this.#sentCount = 0;
  }

  onAck(ack: number, resend: boolean): void {
    this.acked = Math.max(this.acked, ack);
    while ((this.#ring[0]?.last ?? Number.POSITIVE_INFINITY) <= this.acked) {
      this.#ring.shift();
      this.#sentCount = Math.max(0, this.#sentCount - 1);
    }
    if (resend) this.goBack();
  }
}

function commandOf({ first, last, text }: Held): LogLine {
  if (text !== undefined) return { id: last, msg: text };
  const msg = { first, last, count: last - first + 1, where: "agent", why: "ring full" };
  return { id: last, stream: "loss", msg };
}
