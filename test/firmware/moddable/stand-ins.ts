/**
 * The bits of Moddable's SDK that the ports touch, in virtual time, on any JavaScript engine: Node and a bare XS run the
 * same scenario. XS itself has neither `trace` nor the SDK's conversions.
 */
interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly action: () => void;
}

declare const print: (text: string) => void;

const state = { nowMs: 0, order: 0 };
let due: Due[] = [];

export const Timer = {
  set(action: () => void, delayMs = 0): Due {
    const timer = { atMs: state.nowMs + Math.max(1, delayMs), order: state.order++, action };
    due.push(timer);
    return timer;
  },
  clear(timer: unknown): void {
    due = due.filter((one) => one !== timer);
  },
};

export function advance(ms: number): void {
  const endMs = state.nowMs + ms;
  for (;;) {
    due.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    const next = due[0];
    if (next === undefined || next.atMs > endMs) break;
    due.shift();
    state.nowMs = next.atMs;
    next.action();
  }
  state.nowMs = endMs;
}

export function clearTimers(): void {
  due = [];
}

let clockOffsetMs = 0;
Date.now = () => state.nowMs + clockOffsetMs;
const Time = {
  set: (seconds: number): void => {
    clockOffsetMs = seconds * 1000 - state.nowMs;
  },
};

export const preferences = new Map<string, unknown>();
const Preference = {
  get: (domain: string, key: string) => preferences.get(`${domain}/${key}`),
  set: (domain: string, key: string, value: unknown) => {
    // As on the smallest boards.
    if (domain.length + key.length + String(value).length + 4 > 64) throw new Error("can't save prefs");
    preferences.set(`${domain}/${key}`, value);
  },
  delete: (domain: string, key: string) => preferences.delete(`${domain}/${key}`),
};

export const traced: string[] = [];

function bytesOf(text: string): ArrayBuffer {
  const escaped = encodeURIComponent(text).replace(/%(..)/g, (_, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Uint8Array.from({ length: escaped.length }, (_, index) => escaped.charCodeAt(index)).buffer;
}

function textOf(bytes: ArrayBuffer): string {
  let escaped = "";
  for (const byte of new Uint8Array(bytes)) escaped += `%${byte.toString(16).padStart(2, "0")}`;
  return decodeURIComponent(escaped);
}

/** What the SDK's modules of these names export. */
export const sdk = { timer: Timer, time: Time, preference: Preference };

Object.assign(globalThis, {
  trace: (text: string) => void traced.push(text),
  // Node has one; an app on a board has none.
  console: undefined,
});
Object.assign(ArrayBuffer, { fromString: bytesOf });
Object.assign(String, { fromArrayBuffer: textOf });

export { bytesOf, textOf };

/** What the test reads. */
export function report(value: unknown): void {
  print(`RESULT ${encodeURIComponent(JSON.stringify(value))}`);
}
