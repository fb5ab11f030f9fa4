import type { Counters } from "../host/counters.ts";
import { encodeUtf8 } from "../protocol/utf8.ts";
import type { ByteLink } from "./link.ts";
import type { WireManners } from "./wire-manners.ts";

/** Lines that wait while the board does not read; beyond it the oldest goes, for what it answered is asked again. */
const LINES_MAX = 64;

/** What goes down a serial wire: one line at a time, as fast as the wire takes them. */
export class SerialDownlink {
  readonly #link: ByteLink;
  readonly #counters: Counters;
  readonly #manners: WireManners;
  /** Lines in order; those with a key stand for the newest of that key. */
  readonly #waiting = new Map<string, string>();
  #order = 0;
  #writing = false;

  constructor(link: ByteLink, counters: Counters, manners: WireManners) {
    this.#link = link;
    this.#counters = counters;
    this.#manners = manners;
  }

  /** @param key a waiting line of the same key is replaced; undefined for a line that stands alone. */
  send(key: string | undefined, line: string): void {
    const name = key ?? `line ${this.#order++}`;
    this.#waiting.delete(name);
    this.#waiting.set(name, line);
    if (this.#waiting.size > LINES_MAX) {
      const oldest = this.#waiting.keys().next();
      if (!oldest.done) this.#waiting.delete(oldest.value);
      this.#counters.add("serial_downlink_dropped_lines_total");
    }
    if (!this.#writing) void this.#write();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    for (;;) {
      await this.#manners.untilFree();
      // After the wait: by then a newer ack may stand in the place of this one.
      const next = this.#waiting.entries().next();
      if (next.done) break;
      const [name, line] = next.value;
      this.#waiting.delete(name);
      this.#manners.sent(line);
      const isTaken = await this.#link.write(encodeUtf8(line));
      if (!isTaken) this.#counters.add("serial_downlink_dropped_lines_total");
    }
    this.#writing = false;
  }
}
