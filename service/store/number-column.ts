import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";

/*
 * Integers of a compact chunk: `[form][base][width][planes]`. What is stored is the number, or its difference to the one before,
 * less the base, whichever takes fewer bytes; the highest bytes of all come first, then the next: neighbouring bytes are alike,
 * which is what the compressor lives on.
 */
const Form = { Plain: 0, Differences: 1 } as const;

/** Bytes of a number at most: 2^53 less a base of -2^53. */
const WIDTH_MAX = 7;

interface Spread {
  readonly base: number;
  readonly width: number;
}

export function writeNumbers(to: ByteWriter, numbers: readonly number[]): void {
  const plain = spreadOf(numbers, 0);
  const differences = spreadOf(numbers, 1);
  const isPlain = plain.width <= differences.width;
  const { base, width } = isPlain ? plain : differences;
  to.u8(isPlain ? Form.Plain : Form.Differences);
  to.signed(base);
  to.u8(width);
  const count = numbers.length;
  const start = to.length;
  const bytes = to.open(width * count);
  let before = 0;
  for (let index = 0; index < count; index++) {
    const number = numbers[index] ?? 0;
    let rest = (isPlain ? number : number - before) - base;
    before = number;
    let at = start + (width - 1) * count + index;
    for (let plane = width; plane > 0; plane--) {
      bytes[at] = rest % 256;
      rest = rest > 0x7fffffff ? Math.floor(rest / 256) : rest >>> 8;
      at -= count;
    }
  }
  to.advance(start + width * count);
}

/** Where the numbers of a column lie, and as what. */
interface Planes {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly count: number;
  readonly form: number;
  readonly base: number;
  readonly width: number;
}

/**
 * All of a column.
 * @param numbers as many zeros, which become them
 */
export function readNumbers(
  from: ByteReader,
  count: number,
  numbers: Float64Array = new Float64Array(count),
): Float64Array {
  return numbersOf(readPlanes(from, count), numbers);
}

/** A column of which few numbers are wanted: they are made when asked for, where that takes no look at the others. */
export class NumberColumn {
  readonly #planes: Planes;
  #numbers: Float64Array | undefined;

  constructor(from: ByteReader, count: number) {
    this.#planes = readPlanes(from, count);
  }

  at(index: number): number {
    const { bytes, start, count, form, base, width } = this.#planes;
    if (form === Form.Differences) {
      this.#numbers ??= numbersOf(this.#planes, new Float64Array(count));
      return this.#numbers[index] ?? 0;
    }
    let number = 0;
    for (let plane = start + index, left = width; left > 0; left--, plane += count)
      number = number * 256 + (bytes[plane] ?? 0);
    return number + base;
  }
}

function readPlanes(from: ByteReader, count: number): Planes {
  const form = from.u8();
  const base = from.signed();
  const width = from.u8();
  const start = from.position;
  from.skip(width * count);
  return { bytes: from.bytes, start, count, form, base, width };
}

function numbersOf({ bytes, start, count, form, base, width }: Planes, numbers: Float64Array): Float64Array {
  // Most are of one or two bytes: a loop over planes takes three times as long.
  if (width === 1) {
    for (let index = 0; index < count; index++) numbers[index] = (bytes[start + index] ?? 0) + base;
  } else if (width === 2) {
    const low = start + count;
    for (let index = 0; index < count; index++)
      numbers[index] = (((bytes[start + index] ?? 0) << 8) | (bytes[low + index] ?? 0)) + base;
  } else {
    let end = start;
    for (let plane = 0; plane < width; plane++, end += count) {
      for (let index = 0; index < count; index++)
        numbers[index] = (numbers[index] ?? 0) * 256 + (bytes[end + index] ?? 0);
    }
    for (let index = 0; index < count; index++) numbers[index] = (numbers[index] ?? 0) + base;
  }
  if (form !== Form.Differences) return numbers;
  let before = 0;
  for (let index = 0; index < count; index++) {
    before += numbers[index] ?? 0;
    numbers[index] = before;
  }
  return numbers;
}

/** Lowest of the numbers (order 0) or of their differences (order 1), and how many bytes the distance to the highest takes. */
function spreadOf(numbers: readonly number[], order: 0 | 1): Spread {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  let before = 0;
  for (const number of numbers) {
    const value = order === 0 ? number : number - before;
    before = number;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (numbers.length === 0) return { base: 0, width: 0 };
  const distance = high - low;
  // Past what a double holds exactly, differences are no choice; plain numbers always fit.
  if (!Number.isSafeInteger(distance) || !Number.isSafeInteger(low)) return { base: 0, width: WIDTH_MAX + 1 };
  let width = 0;
  for (let rest = distance; rest > 0; rest = Math.floor(rest / 256)) width++;
  return { base: low, width };
}
