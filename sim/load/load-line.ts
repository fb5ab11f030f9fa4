/** What load devices log: each line can be told to be the right one from its device and seq alone, and when it was logged. */

export const MESSAGE_MODELS = ["text", "json", "utf8", "huge", "mixed"] as const;
export type MessageModel = (typeof MESSAGE_MODELS)[number];

type OneModel = Exclude<MessageModel, "mixed">;

/** One line of a device's app. */
export interface LineOfDevice {
  readonly device: number;
  readonly seq: number;
  /** The board's UTC when it was logged, ms. */
  readonly utcMs: number;
}

const STATES = [
  "run",
  "idle",
  "too warm, opening the vent",
  "wifi: rssi=-67 dBm",
  "naïve Ω 日本語",
  "retrying",
];
/** What encoders stumble over: every length of UTF-8, a lone surrogate's neighbours, marks, directions, quotes, controls. */
const HARD_TEXTS = [
  "日本語のログ",
  "🌡️ 21 °C 👩‍🔧",
  "עברית and العربية",
  'quotes " and \\ and \u2028',
  "\u001b[31mred\u001b[0m\ttab",
  "e\u0301 \u{10ffff} \u0000 nul",
];
const HUGE_CHARACTERS = 700;
const MODELS: readonly OneModel[] = ["text", "json", "utf8", "huge"];

/**
 * What a device logs as this seq: text for `console.log`, or an object for a direct call.
 * `t=` or `t` is when it was logged, so that what is listed says what its timestamp must be.
 */
export function loadMessage(model: MessageModel, { device, seq, utcMs }: LineOfDevice): string | object {
  const some = mixed(device, seq);
  const head = `d${device} n=${seq} t=${utcMs} `;
  const one = model === "mixed" ? (MODELS[some % MODELS.length] ?? "text") : model;
  switch (one) {
    case "text":
      return `${head}rpm=${4000 + (some % 999)} state=${STATES[some % STATES.length]}`;
    case "json":
      return { d: device, n: seq, t: utcMs, rpm: some % 999, state: { now: STATES[some % STATES.length] } };
    case "utf8":
      return `${head}${HARD_TEXTS[some % HARD_TEXTS.length]}`;
    case "huge":
      return `${head}${`${some.toString(36)} `.repeat(HUGE_CHARACTERS).slice(0, HUGE_CHARACTERS)}`;
  }
}

/** When a listed line was logged, UTC ms; undefined where it is not the line that device logged as that seq. */
export function loggedAt(
  model: MessageModel,
  line: Omit<LineOfDevice, "utcMs">,
  listed: unknown,
): number | undefined {
  const utcMs =
    typeof listed === "string"
      ? Number(/ t=(\d+) /.exec(listed)?.[1])
      : Number((listed as { readonly t?: unknown } | null)?.t);
  if (!Number.isFinite(utcMs)) return undefined;
  return JSON.stringify(loadMessage(model, { ...line, utcMs })) === JSON.stringify(listed)
    ? utcMs
    : undefined;
}

function mixed(device: number, seq: number): number {
  const bits = Math.imul(device ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(seq, 0xc2b2ae35);
  return (bits ^ (bits >>> 15)) >>> 0;
}
