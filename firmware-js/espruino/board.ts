import type { AgentEnv, AgentSettings } from "../agent/env.ts";

/** What every port on Espruino takes. */
export interface BoardOptions extends AgentSettings {
  /** Name of this board in the log; may be left out where the gateway knows it from the port or the topic. */
  readonly src?: string;
  /** Identity of this start; by default a counter kept in Storage and a random number. */
  readonly boot?: string;
  /** False: the gateway's time is not taken over. Otherwise it is, while the board's own clock is not set. */
  readonly setClock?: boolean;
}

const BOOT_FILE = "boardlog.boot";
/** 2020-01-01 in seconds. A board without a battery starts in 1970; what is later was set by somebody. */
const CLOCK_SET_AFTER = 1577836800;
/** 2^32. */
const WORD = 4294967296;

/** Eight hex digits of a number that may be signed. */
export function hex32(value: number): string {
  return ((value >>> 0) + WORD).toString(16).substr(1);
}

/**
 * A counter that survives, where there is a Storage, makes boots readable in order; randomness keeps two boards, or one
 * whose Storage was wiped, from ever sharing a boot (docs/protocol.md 1.5).
 */
function bootId(): string {
  let count = 0;
  try {
    const storage = require("Storage");
    count = 1 + (Number(storage.read(BOOT_FILE)) || 0);
    storage.write(BOOT_FILE, `${count}`);
  } catch (_) {}
  return `${count}-${hex32(E.hwRand ? E.hwRand() : Math.random() * WORD)}`;
}

let startedAt = getTime();
let uptimeMs = 0;
const setTimeOriginal = setTime;

/** Moves the start along with the clock, so that a set clock is no step of the uptime. */
function setTimeKeepingUptime(seconds: number): void {
  const before = getTime();
  setTimeOriginal(seconds);
  startedAt += getTime() - before;
}

/** Never falls, even when something stepped the clock without `setTime`. */
function uptime(): number {
  uptimeMs = Math.max(uptimeMs, Math.round((getTime() - startedAt) * 1000));
  return uptimeMs;
}

function utc(): number {
  const seconds = getTime();
  return seconds > CLOCK_SET_AFTER ? Math.floor(seconds * 1000) : 0;
}

function setClock(utcMs: number): void {
  setTimeKeepingUptime(utcMs / 1000);
}

export function boardEnv(options: BoardOptions, send: (frame: string) => boolean): AgentEnv {
  global.setTime = setTimeKeepingUptime;
  return {
    console,
    boot: options.boot ?? bootId(),
    src: options.src,
    settings: options,
    stringify: JSON.stringify,
    uptime,
    utc,
    setTimeout,
    clearTimeout,
    send,
    setClock: options.setClock === false ? undefined : setClock,
  };
}
