/** About 400 entries in CBOR, a ms or two of work. */
export const TURN_BYTES = 64 * 1024;

interface Waiting {
  readonly bytes: number;
  readonly begin: () => void;
}

/**
 * Lets frames of all sockets begin so many bytes a turn of the event loop, in the order they ask. One read of a socket may bring many
 * frames. Begun all in one turn, they would wait for each other: that a commit is durable is heard between turns alone, so that all
 * would be in one commit and answered at its end, and their entries would outlive collections of the memory they are in. While a frame
 * waits it is bytes and costs nothing.
 */
export class FrameTurns {
  readonly #yieldTurn: () => Promise<void>;
  /** Bounded by the frames that sockets have under way, one each. */
  readonly #waiting: Waiting[] = [];
  #bytesBegun = 0;
  #isTurning = false;

  constructor(yieldTurn: () => Promise<void>) {
    this.#yieldTurn = yieldTurn;
  }

  /** Resolves when a frame of so many bytes may begin; a large one has a turn of its own. */
  async take(bytes: number): Promise<void> {
    if (!this.#isTurning) void this.#turn();
    if (this.#waiting.length === 0 && this.#bytesBegun < TURN_BYTES) this.#bytesBegun += bytes;
    else await new Promise<void>((begin) => this.#waiting.push({ bytes, begin }));
  }

  async #turn(): Promise<void> {
    this.#isTurning = true;
    do {
      await this.#yieldTurn();
      this.#bytesBegun = 0;
      while (this.#bytesBegun < TURN_BYTES) {
        const next = this.#waiting.shift();
        if (next === undefined) break;
        this.#bytesBegun += next.bytes;
        next.begin();
      }
    } while (this.#bytesBegun > 0);
    this.#isTurning = false;
  }
}
