/** What every port on Espruino has in common: the clock, the boot id, and Storage. */
import type { AgentSettings } from "../agent/env.ts";

/** What every port on Espruino takes. */
export interface BoardOptions extends AgentSettings {
  /** Identity of this start; by default a counter kept in Storage and a random number. */
  readonly boot?: string;
}

const BOOT_FILE = "boardlog.boot";
const TAIL_FILE = "boardlog.tail";
/** 2^32. */
const WORD = 4294967296;

/** Eight hex digits of a number from 0 to 2^32-1. */
export function hex32(value: number): string {
  return (value + WORD).toString(16).substr(1);
}

/**
 * A counter that survives makes boots readable in order; randomness keeps two boards, or one whose Storage was wiped,
 * from ever sharing a boot (docs/protocol.md 1.5).
 */
export function bootId(): string {
  let count = 0;
  try {
    const storage = require("Storage");
    count = 1 + ((storage.read(BOOT_FILE) as never) | 0);
    storage.write(BOOT_FILE, `${count}`);
  } catch (_) {}
  return `${count}-${hex32(E.hwRand())}`;
}

/** A board without a battery starts in 1970: until its clock is set, this is its uptime (docs/protocol.md 12.4). */
export function now(): number {
  return Math.floor(Date.now());
}

export function setClock(utcMs: number): void {
  setTime(utcMs / 1000);
}

export function saved(): string | undefined {
  return require("Storage").read(TAIL_FILE);
}

export function save(text: string): void {
  const storage = require("Storage");
  if (text) {
    storage.write(TAIL_FILE, text);
  } else {
    storage.erase(TAIL_FILE);
  }
}
