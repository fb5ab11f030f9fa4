/** What every port on Espruino has in common: the clock, the boot id, and Storage. */
import type { AgentSettings } from "../agent/env.ts";

/** What every port on Espruino takes. */
export interface BoardOptions extends AgentSettings {
  /** Identity of this start; by default a counter kept in Storage and a random number. */
  readonly boot?: string;
}

const FILE_PREFIX = "boardlog.";
const BOOT = "boot";
/** 2^32. */
const WORD = 4294967296;

/** A file of the agent's: the boot's number, or what an earlier boot left at a place. */
export function saved(name: number | string): string | undefined {
  return require("Storage").read(FILE_PREFIX + name);
}

export function save(name: number | string, text: string): void {
  require("Storage")[WITH_WORDS && !text ? "erase" : "write"](FILE_PREFIX + name, text);
}

/**
 * A counter that survives makes boots readable in order; randomness keeps two boards, or one whose Storage was wiped,
 * from ever sharing a boot (docs/protocol.md 1.5).
 */
export function bootId(): string {
  let count = 0;
  try {
    count = 1 + ((saved(BOOT) as never) | 0);
    save(BOOT, `${count}`);
  } catch (_) {}
  return `${count}-${(E.hwRand() >>> 0).toString(16)}`;
}

/** Half of a variable, which takes 12 bytes or more: the other half is for frames on their way, and for the app. */
const VARIABLE_RING_BYTES = 6;
/** Of what is free at the start. */
export const ringBytesLimit = process.memory().free * VARIABLE_RING_BYTES;

/** Looked for among the agent's own names: an object of the engine's, and then its function, take eight times as long. */
export const crc32 = E.CRC32;
const floor = Math.floor;
const clock = Date.now;

/** The checksum of a text: eight hex digits. */
export function sumOf(text: string): string {
  return (crc32(text) + WORD).toString(16).substr(1);
}

/** A board without a battery starts in 1970: until its clock is set, this is its uptime (docs/protocol.md 12.4). */
export function now(): number {
  return floor(clock());
}

export function setClock(utcMs: number): void {
  setTime(utcMs / 1000);
}
