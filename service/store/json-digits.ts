import type { ByteWriter } from "./byte-writer.ts";

/*
 * Decimal digits as bytes, by loops: a call into the engine costs more than the few bytes of a number.
 */

const ZERO = 48;
/** The two digits of every number below 100. */
const PAIRS = Buffer.from(Array.from({ length: 100 }, (_, value) => String(value).padStart(2, "0")).join(""));
/** Digits that the engine takes for a small integer. */
const PART_DIGITS = 8;
const PART = 10 ** PART_DIGITS;

/** How many digits an integer from 0 to 2^53-1 has. */
export function digitCount(value: number): number {
  let count = 1;
  for (let limit = 10; limit <= value; limit *= 10) count++;
  return count;
}

/** The last `count` digits of an integer from 0 to 2^53-1, with zeros before it where it has fewer; from `at` on. */
export function putDigits(bytes: Buffer, at: number, value: number, count: number): void {
  if (count <= PART_DIGITS) {
    putPart(bytes, at, value | 0, count);
    return;
  }
  const high = Math.floor(value / PART);
  putPart(bytes, at, high | 0, count - PART_DIGITS);
  putPart(bytes, at + count - PART_DIGITS, (value - high * PART) | 0, PART_DIGITS);
}

function putPart(bytes: Buffer, at: number, value: number, count: number): void {
  let rest = value;
  let place = at + count - 2;
  for (; place >= at; place -= 2) {
    const above = (rest / 100) | 0;
    const pair = (rest - above * 100) * 2;
    bytes[place] = PAIRS[pair] ?? 0;
    bytes[place + 1] = PAIRS[pair + 1] ?? 0;
    rest = above;
  }
  if (place === at - 1) bytes[at] = ZERO + (rest % 10);
}

/** An integer from 0 to 2^53-1, behind what the writer holds. */
export function writeInteger(to: ByteWriter, value: number): void {
  const count = digitCount(value);
  const at = to.length;
  putDigits(to.open(count), at, value, count);
  to.advance(at + count);
}
