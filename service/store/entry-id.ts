import { createHmac } from "node:crypto";

/** Digits in ascending order as text, so that ids compare as their positions do (docs/protocol.md 1.6). */
const DIGITS = "0123456789abcdefghijklmnopqrstuv";
/** 11 digits of 5 bits hold every position up to 2^53. */
const POSITION_DIGITS = 11;
/** As many of them as fit into a small integer of the engine. */
const LOW_DIGITS = 6;
const HIGH_DIGITS = POSITION_DIGITS - LOW_DIGITS;
const LOW_POSITIONS = 2 ** 30;
/** Positions by 1,024 that have their first digits in common. */
const TOP_SHARE = LOW_POSITIONS / 1024;
/** 30 bits: a made-up token passes once in 10^9 tries. */
const TAG_DIGITS = 6;
export const ID_CHARACTERS = POSITION_DIGITS + TAG_DIGITS;

const PAIRS: readonly string[] = Array.from(
  { length: 1024 },
  (_, value) => DIGITS.charAt(value >> 5) + DIGITS.charAt(value & 31),
);
/** The same digits as the bytes that they are in a text. */
const DIGIT_CODES = Buffer.from(DIGITS);
const DIGIT_VALUES = new Map([...DIGITS].map((digit, value) => [digit, value]));

/**
 * Makes the ids of one project: its entry's position in the store, then a tag that only this store can make for that
 * project and position. The tag is HalfSipHash-2-4 (Aumasson and Bernstein) under a key drawn from the store's secret.
 */
export class IdMaker {
  readonly #key0: number;
  readonly #key1: number;
  #prefix = "";
  #prefixHigh = -1;
  #top = "";
  #topHigh = -1;

  constructor(storeSecret: Uint8Array, project: string) {
    const key = createHmac("sha256", storeSecret).update(project, "utf8").digest();
    this.#key0 = key.readInt32LE(0);
    this.#key1 = key.readInt32LE(4);
  }

  make(position: number): string {
    const high = Math.floor(position / 1024);
    if (high !== this.#prefixHigh) {
      this.#prefixHigh = high;
      this.#prefix = this.#prefixOf(high);
    }
    const tag = this.#tag(position);
    return `${this.#prefix}${PAIRS[position % 1024]}${PAIRS[tag >>> 22]}${PAIRS[(tag >>> 12) & 1023]}${PAIRS[(tag >>> 2) & 1023]}`;
  }

  /** The first nine digits of an id: all but the last ten bits of its position. With many sources, each entry of one has others. */
  #prefixOf(high: number): string {
    const top = Math.floor(high / TOP_SHARE);
    if (top !== this.#topHigh) {
      this.#topHigh = top;
      this.#top = topDigits(top);
    }
    const low = high - top * TOP_SHARE;
    return `${this.#top}${PAIRS[low >>> 10]}${PAIRS[low & 1023]}`;
  }

  /** What `make` makes, as ID_CHARACTERS bytes at `at`. */
  put(position: number, bytes: Buffer, at: number): void {
    const high = Math.floor(position / LOW_POSITIONS);
    putDigits(bytes, at, high, HIGH_DIGITS);
    putDigits(bytes, at + HIGH_DIGITS, position - high * LOW_POSITIONS, LOW_DIGITS);
    putDigits(bytes, at + POSITION_DIGITS, this.#tag(position) >>> 2, TAG_DIGITS);
  }

  /** The position of an id that this maker made (or would make), else undefined. */
  parse(id: string): number | undefined {
    if (id.length !== ID_CHARACTERS) return undefined;
    let position = 0;
    for (let index = 0; index < POSITION_DIGITS; index++) {
      const value = DIGIT_VALUES.get(id.charAt(index));
      if (value === undefined) return undefined;
      position = position * 32 + value;
    }
    return Number.isSafeInteger(position) && this.make(position) === id ? position : undefined;
  }

  #tag(position: number): number {
    const low = position | 0;
    const high = Math.floor(position / 0x100000000) | 0;
    let v0 = this.#key0;
    let v1 = this.#key1;
    let v2 = 0x6c796765 ^ this.#key0;
    let v3 = 0x74656462 ^ this.#key1;
    // Two words of input, the length word, then finalisation: two rounds a step, written out, since a loop of two takes half as long again.
    for (let step = 0; step < 5; step++) {
      const word = step === 0 ? low : step === 1 ? high : step === 2 ? 8 << 24 : 0;
      if (step === 3) v2 ^= 0xff;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);

      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return v1 ^ v3;
  }
}

/** The position in an id that some store made; whether this one did, only its maker can say. */
export function positionOfId(id: string): number {
  return Number.parseInt(id.slice(0, POSITION_DIGITS), DIGITS.length);
}

function putDigits(bytes: Buffer, at: number, value: number, count: number): void {
  let rest = value;
  for (let place = at + count - 1; place >= at; place--) {
    bytes[place] = DIGIT_CODES[rest & 31] ?? 0;
    rest >>>= 5;
  }
}

/** The first five digits of an id. */
function topDigits(top: number): string {
  const bytes = Buffer.alloc(HIGH_DIGITS);
  putDigits(bytes, 0, top, HIGH_DIGITS);
  return bytes.toString("latin1");
}
