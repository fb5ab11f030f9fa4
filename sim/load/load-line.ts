/** What load devices log: a line that can be told to be the right one from its device and seq alone, and when it was logged. */

const STATES = [
  "run",
  "idle",
  "too warm, opening the vent",
  "wifi: rssi=-67 dBm",
  "naïve Ω 日本語",
  "retrying",
];

export function loadLine(device: number, seq: number, utcMs: number): string {
  const mixed = Math.imul(device ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(seq, 0xc2b2ae35);
  const some = (mixed ^ (mixed >>> 15)) >>> 0;
  const state = STATES[some % STATES.length];
  return `d${device} n=${seq} t=${utcMs} rpm=${4000 + (some % 999)} state=${state}`;
}

/** When a listed line was logged, UTC ms; undefined where it is not the line that device logged as that seq. */
export function loggedAt(device: number, seq: number, listed: unknown): number | undefined {
  if (typeof listed !== "string") return undefined;
  const utcMs = Number(/ t=(\d+) /.exec(listed)?.[1]);
  return loadLine(device, seq, utcMs) === listed ? utcMs : undefined;
}
