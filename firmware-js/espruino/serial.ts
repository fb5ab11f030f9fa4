/**
 * Espruino over a UART of the agent's own (docs/protocol.md 7). The build makes the bundle a function `start(options)`.
 */
import { agent } from "../agent/handle.ts";
import { after } from "../agent/natives.ts";
import { type BoardOptions, bootId, crc32, sumOf } from "./board.ts";

export { now, ringBytesLimit, save, saved, setClock } from "./board.ts";

interface SerialOptions extends BoardOptions {
  /** The UART. It must not be the console's: a console port gives no data. */
  readonly serial: EspruinoSerial;
  readonly baud?: number;
  /** What `serial.setup` takes beside the rate: pins, or `path` on Linux. */
  readonly setup?: object;
  /** What is written at a time. The smallest boards' transmit buffer holds 128, and a full one blocks the app. */
  readonly pieceBytes?: number;
}

declare const options: SerialOptions;

/** So much is kept of what comes down, which is no line yet: the end, for noise may stand in front of an answer. */
const LINE_BYTES_MAX = 512;
/** CRC-32 and LF. */
const LINE_END_BYTES = 9;
/** The ten bits of a byte take so many ms at one baud. */
const BYTE_MS = 10_000;
const LINE_END = "\n";
/** Of firmware that does not tell how large the ring is. */
const NO_RING = 0 as unknown as { readonly total: number };

const baud = options.baud ?? 115200;
const byteMs = BYTE_MS / baud;
const serial = options.serial;
/** An end and the first piece of the next frame follow each other at once. */
const textBytes =
  (options.pieceBytes ?? ((process.memory().tx ?? NO_RING).total > 128 ? 192 : 126)) - LINE_END_BYTES;
/** A frame's end goes with each of them in time, else what is left in the ring would grow from frame to frame. */
const pieceMs = (textBytes + LINE_END_BYTES) * byteMs;
export const frameBytesMax = (options.frameBytesMax ?? 1024) - LINE_END_BYTES;
export const ackTimeoutMsMin = 1000 + 2 * frameBytesMax * byteMs;
export const settings = options;
export const boot = options.boot ?? bootId();

let output = "";
let ending = "";
let written = 0;
let refused = false;
let input = "";

/** The wire has taken the text: its end follows, and at once the next frame's first piece, which leaves room for it. */
function writeEnd(): void {
  output = "";
  try {
    serial.write(ending);
  } catch (_) {}
  if (refused) {
    refused = false;
    agent.ready();
  }
}

/**
 * One piece, then a pause as long as the wire needs for it. A wire that throws costs the frame, not the ones after it, nor
 * the app an error.
 * @param piece nobody gives it: it takes less time than a variable.
 */
function writePiece(piece?: string): void {
  // biome-ignore lint/suspicious/noAssignInExpressions: a statement more would be read at each piece
  if ((piece = output.slice(written, (written += textBytes)))) {
    after(writePiece, pieceMs);
    try {
      serial.write(piece);
    } catch (_) {}
  } else {
    writeEnd();
  }
}

/** Checksum and frame are never joined: on a small board there is no memory for a second copy of the frame. */
export function send(frame: string): boolean {
  refused = !!output;
  if (!refused) {
    ending = sumOf(frame) + LINE_END;
    output = frame;
    written = 0;
    writePiece();
  }
  return !refused;
}

/** Frame, or frame and checksum, after any noise (docs/protocol.md 7.2). */
function onLine(line: string): void {
  const end = line.lastIndexOf("}") + 1;
  const json = line.slice(line.indexOf('{"'), end);
  const sum = line.slice(end);
  // What is no text is counted.
  agent.receive(parseInt(sum, 16) === crc32(json) || !sum.trim() ? json : "");
}

serial.setup(baud, options.setup);
serial.on("data", (chunk) => {
  input += chunk;
  if (chunk.includes("\n")) {
    const lines = input.split("\n");
    input = lines.pop() as string;
    lines.forEach(onLine);
  } else {
    input = input.slice(-LINE_BYTES_MAX);
  }
});
