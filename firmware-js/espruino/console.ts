/**
 * Espruino over its own console, which is also the developer's prompt (docs/protocol.md 7.7, 7.9, 12.11). The build makes
 * the bundle a function `start(options)`, with `shared`.
 */
import { agent } from "../agent/handle.ts";
import { type BoardOptions, bootId, crc32, sumOf } from "./board.ts";

export { now, ringBytesLimit, save, saved, setClock } from "./board.ts";

interface ConsoleOptions extends BoardOptions {
  /** Of the wire that the console is on; USB and Bluetooth have none. */
  readonly baud?: number;
}

declare const options: ConsoleOptions;
declare function print(text: string): void;
/** The place of the app's globals. */
declare const global: { boardlogDown: (json: string, sum: number) => void };

/** CRC-32, and what the prompt puts around: it is taken away before, and put back after. */
const AROUND_BYTES = 16;
/** A full transmit ring makes `print` wait, as it would for the lines as text: a frame of several holds little more. */
const BATCH_BYTES_MAX = 300;
const BITS_PER_BYTE = 10;

const byteMs = (BITS_PER_BYTE * 1000) / (options.baud ?? 115200);
export const frameBytesMax = (options.frameBytesMax ?? 1024) - AROUND_BYTES;
export const ackTimeoutMsMin = options.ackTimeoutMs ?? 1000 + 2 * frameBytesMax * byteMs;
export const settings = Object.assign({ shared: true, batchBytesMax: BATCH_BYTES_MAX }, options);
export const boot = options.boot ?? bootId();

let waiting = false;
let refused = false;
/** The device that the console was on when a gateway was heard there. */
let heardOn: string | null | undefined;

function onSent(): void {
  waiting = false;
  if (refused) {
    refused = false;
    agent.ready();
  }
}

/**
 * A frame is one call of `print`, so that no echo, error or print of the app gets into it; the next waits until the wire
 * has taken it. Its mark says that what comes down is to be a call. Where the console has moved away from the gateway, to a
 * developer, nothing is sent.
 */
export function send(frame: string): boolean {
  if (waiting) {
    refused = true;
    return false;
  }
  if (heardOn !== undefined && E.getConsole() !== heardOn) {
    agent.mute();
    throw 0;
  }
  const text = `["!${frame.substr(3)}`;
  waiting = true;
  setTimeout(onSent, Math.ceil((text.length + AROUND_BYTES) * byteMs));
  print(text + sumOf(text));
  return true;
}

/** What the gateway has evaluated at the prompt. The agent works once the prompt is back, so that it may print. */
global.boardlogDown = (json, sum) => {
  heardOn = E.getConsole();
  setTimeout(agent.receive, 0, sum === crc32(json) ? json : "");
};
