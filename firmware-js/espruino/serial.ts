/**
 * Espruino over a UART of the agent's own (docs/protocol.md 7). The build makes the bundle a function `start(options)`.
 */
import { agent } from "../agent/handle.ts";
import { after } from "../agent/natives.ts";
import { type BoardOptions, bootId, hex32 } from "./board.ts";

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

/** Longest line kept of what comes down. */
const LINE_BYTES_MAX = 512;
/** CRC-32 and LF. */
const LINE_END_BYTES = 9;
const BITS_PER_BYTE = 10;

const serial = options.serial;
const baud = options.baud ?? 115200;
const pieceBytes = options.pieceBytes ?? 120;
/** The last piece takes the line's end in. */
const textBytes = pieceBytes - LINE_END_BYTES;
const byteMs = (BITS_PER_BYTE * 1000) / baud;
const pieceMs = Math.ceil(pieceBytes * byteMs);
export const frameBytesMax = (options.frameBytesMax ?? 1024) - LINE_END_BYTES;
export const ackTimeoutMsMin = 1000 + 2 * frameBytesMax * byteMs;
export const settings = options;
export const boot = options.boot ?? bootId();

let output = "";
let ending = "";
let written = 0;
let refused = false;
let input = "";

/**
 * One piece, then a pause as long as the wire needs for it. A wire that throws costs the frame, not the ones after it, nor
 * the app an error.
 */
function writePiece(): void {
  // biome-ignore lint/suspicious/noAssignInExpressions: a statement more would be read at each piece
  let piece = output.slice(written, (written += textBytes));
  if (ending) {
    after(writePiece, pieceMs);
    if (piece.length < textBytes) {
      piece += ending;
      ending = "";
    }
    try {
      serial.write(piece);
    } catch (_) {}
  } else {
    output = "";
    if (refused) {
      refused = false;
      agent.ready();
    }
  }
}

/** Checksum and frame are never joined: on a small board there is no memory for a second copy of the frame. */
export function send(frame: string): boolean {
  refused = !!output;
  if (!refused) {
    ending = `${hex32(E.CRC32(frame))}\n`;
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
  agent.receive(parseInt(sum, 16) === E.CRC32(json) || !sum.trim() ? json : "");
}

serial.setup(baud, options.setup);
serial.on("data", (chunk) => {
  input += chunk;
  if (chunk.indexOf("\n") >= 0) {
    const lines = input.split("\n");
    input = lines.pop() as string;
    lines.forEach(onLine);
  } else if (input.length > LINE_BYTES_MAX) {
    input = "";
    agent.receive("");
  }
});
