import type { Clock } from "../../host/clock.ts";
import type { ProcessLog } from "../../host/log.ts";
import type { KvSpace } from "./ordered-kv.ts";

/** The disk is asked this often at most, ms: far less is written meanwhile than what is kept free. */
const ASKED_MS = 20;

/** So much more than the reserve, as a share of it, must be free before anything is taken again: a seal frees some and takes some. */
const RESUME_SHARE = 1 / 8;

/** Whether the disk has room for more than what the store keeps free for itself. */
export class DiskRoom {
  readonly #space: KvSpace;
  readonly #clock: Clock;
  readonly #log: ProcessLog;
  readonly #reserveBytes: number;
  #askedMs = Number.NEGATIVE_INFINITY;
  #isShort = false;

  constructor(
    deps: { readonly space: KvSpace; readonly clock: Clock; readonly log: ProcessLog },
    reserveBytes: number,
  ) {
    this.#space = deps.space;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#reserveBytes = reserveBytes;
  }

  /** True while nothing more is to be taken. */
  get isShort(): boolean {
    const now = this.#clock.monotonicMs();
    if (now - this.#askedMs < ASKED_MS) return this.#isShort;
    this.#askedMs = now;
    const freeBytes = this.#space.freeBytes();
    const isShort = freeBytes < this.#reserveBytes * (this.#isShort ? 1 + RESUME_SHARE : 1);
    if (isShort !== this.#isShort) {
      const fields = { freeBytes, reserveBytes: this.#reserveBytes };
      if (isShort) this.#log.error(fields, "the disk is full: nothing more is taken until there is room");
      else this.#log.info(fields, "the disk has room again");
    }
    this.#isShort = isShort;
    return isShort;
  }

  /** True where so many bytes can be written and the reserve is still there. */
  takes(bytes: number): boolean {
    return this.#space.freeBytes() >= bytes + this.#reserveBytes;
  }
}
