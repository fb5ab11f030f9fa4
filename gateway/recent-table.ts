interface Seat<Value> {
  readonly value: Value;
  /** Used since the table was last searched for room. */
  isRecent: boolean;
}

/**
 * Values by name, bounded by whoever uses it: one that was not used for long goes first. Which was used last is not written down at each
 * use, for that costs more than the use; one that was used since the last search for room gets a second chance.
 */
export class RecentTable<Value> {
  readonly #seats = new Map<string, Seat<Value>>();

  get count(): number {
    return this.#seats.size;
  }

  /** This is a use. */
  get(name: string): Value | undefined {
    const seat = this.#seats.get(name);
    if (seat === undefined) return undefined;
    seat.isRecent = true;
    return seat.value;
  }

  set(name: string, value: Value): void {
    this.#seats.set(name, { value, isRecent: false });
  }

  *values(): Iterable<Value> {
    for (const { value } of this.#seats.values()) yield value;
  }

  /** Makes room for one. False: none may go. */
  evict(mayGo: (value: Value) => boolean = () => true): boolean {
    // Twice round at most: the first time may only take chances away.
    let left = 2 * this.#seats.size;
    for (const [name, seat] of this.#seats) {
      if (left-- === 0) return false;
      this.#seats.delete(name);
      if (!seat.isRecent && mayGo(seat.value)) return true;
      seat.isRecent = false;
      this.#seats.set(name, seat);
    }
    return false;
  }
}
