import type { Timers } from "../host/clock.ts";

/**
 * Before each round: the wires are faster than any UART (ptys, USB consoles), full meanwhile, hold up their boards and lose nothing. Not none:
 * a read of a terminal that was just emptied waits for the kernel's worker, with the whole process.
 */
export const ROUND_REST_MS = 1;
/** Ports that are read one right after the other, before what any of them brought is looked at. */
const GROUP_PORTS = 16;
/** What Linux keeps of a terminal that nobody reads; beyond it the driver is told to stop, or loses what comes. */
export const KERNEL_BYTES = 4_096;

/** Of all groups, one after the other. */
const memory = new Uint8Array(GROUP_PORTS * KERNEL_BYTES);
const slots = Array.from({ length: GROUP_PORTS }, (_, index) =>
  memory.subarray(index * KERNEL_BYTES, (index + 1) * KERNEL_BYTES),
);

/** A port that is read in rounds. */
export interface RoundReader {
  /** Reads what is there now. Undefined where nothing is to be read any more. */
  readInto(slot: Uint8Array): number | undefined;
  /** What it read, perhaps nothing. @param bytes only until it returns. */
  took(bytes: Uint8Array): void;
}

/**
 * Reads ports that are full all the time, all of them together. Each read of one has the kernel's worker bring what waits behind it, and
 * whoever fills the wire go on: where these sleep in between, waking them costs several times as much as the read. Right after one another
 * the reads find them awake.
 */
export class ReadRounds {
  readonly #timers: Timers;
  #readers: RoundReader[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** For the next round alone. */
  join(reader: RoundReader): void {
    if (this.#readers.length === 0) this.#timers.after(ROUND_REST_MS, () => this.#begin());
    this.#readers.push(reader);
  }

  #begin(): void {
    const readers = this.#readers;
    this.#readers = [];
    for (let start = 0; start < readers.length; start += GROUP_PORTS) {
      const group = readers.slice(start, start + GROUP_PORTS);
      const sizes = group.map((reader, index) => reader.readInto(slots[index] as Uint8Array));
      for (const [index, reader] of group.entries()) {
        const sizeBytes = sizes[index];
        if (sizeBytes !== undefined) reader.took((slots[index] as Uint8Array).subarray(0, sizeBytes));
      }
    }
  }
}
