/** What every port on Moddable has in common: the clock, the boot id, what outlives a reset, and the last words. */
import Preference from "preference";
import Time from "time";
import type { AgentSettings } from "../agent/env.ts";

export interface BoardOptions extends AgentSettings {
  /** Identity of this start; by default a counter kept as a preference and a random number. */
  readonly boot?: string;
}

const DOMAIN = "boardlog";
/** The smallest boards take 64 bytes for domain, key and value. */
const PIECE_BYTES = 48;
/** 2^32. */
const WORD = 4294967296;

/** Eight hex digits of a number from 0 to 2^32-1. */
export function hex32(value: number): string {
  return value.toString(16).padStart(8, "0");
}

/**
 * A counter that survives makes boots readable in order; randomness keeps two boards, or one that was erased, from ever
 * sharing a boot (docs/protocol.md 1.5). Not every board's `Math.random` is seeded by itself.
 */
export function bootId(): string {
  let count = 1;
  try {
    count += Number(Preference.get(DOMAIN, "boot") ?? 0);
    Preference.set(DOMAIN, "boot", count);
  } catch (_) {}
  return `${count}-${hex32(Math.floor(Math.random() * WORD + Date.now()) % WORD)}`;
}

/** XS does not say what is free. */
export const ringBytesLimit = Infinity;

/** A board without a battery starts in 1970: until its clock is set, this is its uptime (docs/protocol.md 12.4). */
export function now(): number {
  return Math.max(0, Math.floor(Date.now()));
}

export function setClock(utcMs: number): void {
  Time.set(Math.round(utcMs / 1000));
}

/** Kept in pieces; the one that is not there ends them. */
export function saved(index: number): string | undefined {
  let text = "";
  for (let piece = 0; ; piece++) {
    const part = Preference.get(DOMAIN, `${index}.${piece}`);
    if (typeof part !== "string") {
      return text || undefined;
    }
    text += part;
  }
}

export function save(index: number, text: string): void {
  let piece = 0;
  for (let at = 0; at < text.length; at += PIECE_BYTES) {
    Preference.set(DOMAIN, `${index}.${piece++}`, text.substring(at, at + PIECE_BYTES));
  }
  // What a longer text left behind goes too.
  while (typeof Preference.get(DOMAIN, `${index}.${piece}`) === "string") {
    Preference.delete(DOMAIN, `${index}.${piece++}`);
  }
}
