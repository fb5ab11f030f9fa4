/** Of a search for room: among this many that may not go there is one that may, or the table is taken to be full of such. */
const REFUSALS_MAX = 64;

interface Seat<Value> {
  readonly name: string;
  value: Value;
  /** Used since the last search for room came by. */
  isRecent: boolean;
  next: Seat<Value> | undefined;
}

/**
 * Values by name, at most so many: one that was not used for long goes first. Which was used last is not written down at each use, for
 * that costs more than the use; one that was used since the last search for room gets a second chance. Seats are chained, as to find the
 * first of a map from which the first was deleted again and again costs more the larger it is. So a full table costs no more than
 * others: a search takes away chances that uses gave, and asks a bounded number besides.
 */
export class RecentTable<Value> {
  readonly #seatsMax: number;
  readonly #seats = new Map<string, Seat<Value>>();
  /** The chain, in the order of search. */
  #first: Seat<Value> | undefined;
  #last: Seat<Value> | undefined;

  constructor(seatsMax: number) {
    this.#seatsMax = seatsMax;
  }

  get count(): number {
    return this.#seats.size;
  }

  get isFull(): boolean {
    return this.#seats.size >= this.#seatsMax;
  }

  /** This is a use. */
  get(name: string): Value | undefined {
    const seat = this.#seats.get(name);
    if (seat === undefined) return undefined;
    seat.isRecent = true;
    return seat.value;
  }

  /** Of a known name this is a use; for a new one another goes where the table is full. */
  set(name: string, value: Value): void {
    const known = this.#seats.get(name);
    if (known !== undefined) {
      known.value = value;
      known.isRecent = true;
      return;
    }
    if (this.isFull) this.evict();
    const seat: Seat<Value> = { name, value, isRecent: false, next: undefined };
    this.#seats.set(name, seat);
    this.#append(seat);
  }

  /** In no order. */
  *values(): Iterable<Value> {
    for (const { value } of this.#seats.values()) yield value;
  }

  /** What would go last comes last, so that a table that is filled from these forgets in the same order. */
  *entries(): Iterable<readonly [string, Value]> {
    for (const isRecent of [false, true])
      for (let seat = this.#first; seat !== undefined; seat = seat.next)
        if (seat.isRecent === isRecent) yield [seat.name, seat.value];
  }

  /** Makes room for one. False: none of those that were asked may go; the next search asks others. */
  evict(mayGo: (value: Value) => boolean = () => true): boolean {
    let refusalsLeft = REFUSALS_MAX;
    for (let seat = this.#first; seat !== undefined && refusalsLeft > 0; seat = this.#first) {
      this.#first = seat.next;
      if (!seat.isRecent && mayGo(seat.value)) {
        if (this.#first === undefined) this.#last = undefined;
        this.#seats.delete(seat.name);
        return true;
      }
      if (!seat.isRecent) refusalsLeft -= 1;
      seat.isRecent = false;
      this.#append(seat);
    }
    return false;
  }

  #append(seat: Seat<Value>): void {
    seat.next = undefined;
    if (this.#first === undefined) this.#first = seat;
    else if (this.#last !== undefined) this.#last.next = seat;
    this.#last = seat;
  }
}
