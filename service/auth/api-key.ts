import { hash as digestOf, timingSafeEqual } from "node:crypto";
import type { Random } from "../../host/random.ts";

/**
 * Nobody guesses it, so one pass of SHA-256 keeps it safe at rest and checking stays fast. A whole key is longer than the 64 bytes
 * of an HMAC block, so HMAC itself begins by hashing it (RFC 2104 2): what any JWT library signs with the key verifies with the
 * stored hash (`token.ts`), and the key need not be kept.
 */
const SECRET_BYTES = 48;
const ID_BYTES = 5;
const ID_DIGITS = "0123456789abcdefghijklmnopqrstuv";
/** `blk_` makes a leaked key easy to find; the id says whose it is without saying the secret. */
const KEY = /^blk_([0-9a-v]{8})_[\w-]{64}$/;

export interface ApiKey {
  /** Safe to log. */
  readonly id: string;
  /** The whole key. Shown once, never stored. */
  readonly key: string;
}

/** @param id of the key whose secret is to be replaced; a new one where absent. */
export function makeApiKey(random: Random, id = idText(random.bytes(ID_BYTES))): ApiKey {
  return { id, key: `blk_${id}_${Buffer.from(random.bytes(SECRET_BYTES)).toString("base64url")}` };
}

/** The id inside a key, or undefined for what is no key of ours. */
export function apiKeyId(key: string): string | undefined {
  return KEY.exec(key)?.[1];
}

/** What is stored of a key. */
export function hashApiKey(key: string): Uint8Array {
  return digestOf("sha256", key, "buffer");
}

/** Takes the same time wherever the difference is. */
export function isHashOf(hash: Uint8Array, key: string): boolean {
  const other = hashApiKey(key);
  return hash.length === other.length && timingSafeEqual(hash, other);
}

function idText(bytes: Uint8Array): string {
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  let text = "";
  for (let count = 0; count < (ID_BYTES * 8) / 5; count++) {
    text = ID_DIGITS.charAt(Number(bits & 31n)) + text;
    bits >>= 5n;
  }
  return text;
}
