/** Room of the first; always a power of two. */
const ROOM_MIN = 4;
/** An empty queue gives back what it needed for more than these. */
const ROOM_KEPT_MAX = 64;

/**
 * First in, first out, both in constant time. A ring, written over again and again: an array that is replaced by another is garbage which
 * still names its items, and once it is among the old objects the collector of young ones takes them for alive and makes them old too.
 */
export class Fifo<Item> {
  #ring: (Item | undefined)[] = [];
  #head = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The next, which stays. */
  peek(): Item | undefined {
    return this.#count === 0 ? undefined : this.#ring[this.#head];
  }

  push(item: Item): void {
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#count) & (this.#ring.length - 1)] = item;
    this.#count += 1;
  }

  shift(): Item | undefined {
    if (this.#count === 0) return undefined;
    const item = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#count -= 1;
    if (this.#count === 0 && this.#ring.length > ROOM_KEPT_MAX) this.#ring = [];
    return item;
  }

  #grow(): void {
    const before = this.#ring;
    const room = Math.max(ROOM_MIN, before.length * 2);
    const ring = new Array<Item | undefined>(room).fill(undefined);
    for (let index = 0; index < this.#count; index++)
      ring[index] = before[(this.#head + index) & (before.length - 1)];
    before.fill(undefined);
    this.#ring = ring;
    this.#head = 0;
  }
}
