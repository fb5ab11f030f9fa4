/**
 * Moddable over a UART of the agent's own (docs/protocol.md 7), by ECMA-419's Serial. The build makes the bundle a module
 * that exports `start(options)`.
 */
import { agent } from "../agent/handle.ts";
import { type BoardOptions, bootId, hex32 } from "./board.ts";
import { crc32 } from "./crc32.ts";

export { now, ringBytesLimit, save, saved, setClock } from "./board.ts";

export interface SerialPort {
  read(): ArrayBuffer | undefined;
  write(bytes: ArrayBuffer): void;
}

/** ECMA-419's constructor, or one of the app's own that takes the same. */
export type SerialClass = new (
  options: object & {
    readonly baud: number;
    readonly format: "buffer";
    readonly onReadable: (this: SerialPort, count: number) => void;
    readonly onWritable: (this: SerialPort, count: number) => void;
  },
) => SerialPort;

interface SerialOptions extends BoardOptions {
  /** What the constructor takes beside the rate: `port`, `receive`, `transmit`; on Linux `device`. */
  readonly serial?: object;
  readonly baud?: number;
  /** The constructor; by default `device.io.Serial`. */
  readonly io?: SerialClass;
}

declare const options: SerialOptions;

/** Longest line kept of what comes down. */
const LINE_BYTES_MAX = 512;
/** CRC-32 and LF. */
const LINE_END_BYTES = 9;
const BITS_PER_BYTE = 10;

interface HostDevice {
  readonly io?: { readonly Serial?: SerialClass };
  readonly Serial?: { readonly default?: object };
}

function missing(): never {
  throw new Error("boardlog: this board has no device.io.Serial: give the constructor as `io`");
}

const host = (globalThis as { readonly device?: HostDevice }).device;
const Serial: SerialClass = options.io ?? host?.io?.Serial ?? missing();
const baud = options.baud ?? 115200;
export const frameBytesMax = (options.frameBytesMax ?? 1024) - LINE_END_BYTES;
export const ackTimeoutMsMin = 1000 + Math.ceil((2 * frameBytesMax * BITS_PER_BYTE * 1000) / baud);
export const settings = options;
export const boot = options.boot ?? bootId();

/** The frame on its way out, what of it the UART has, and what the UART takes now. */
let output: ArrayBuffer | undefined;
let written = 0;
let free = 0;
let refused = false;
let input = "";

/** Once for each `onWritable`: a write beyond its count throws. A throw loses the frame; the ack timeout brings it again. */
function writePiece(): void {
  if (output && free) {
    const end = Math.min(written + free, output.byteLength);
    const piece = output.slice(written, end);
    written = end;
    if (end === output.byteLength) {
      output = undefined;
    }
    free = 0;
    try {
      serial.write(piece);
    } catch (_) {
      output = undefined;
    }
  }
}

export function send(frame: string): boolean {
  refused = !!output;
  if (refused) {
    return false;
  }
  const sum = hex32(crc32(new Uint8Array(ArrayBuffer.fromString(frame))));
  output = ArrayBuffer.fromString(`${frame}${sum}\n`);
  written = 0;
  writePiece();
  return true;
}

/** Frame, or frame and checksum, after any noise (docs/protocol.md 7.2). */
function onLine(line: string): void {
  const start = line.indexOf('{"');
  const end = line.lastIndexOf("}") + 1;
  const json = line.substring(start, end);
  const sum = line.substring(end).trim();
  const isWhole =
    start >= 0 &&
    end > start &&
    (!sum || Number.parseInt(sum, 16) === crc32(new Uint8Array(ArrayBuffer.fromString(json))));
  // What is no text is counted.
  agent.receive(isWhole ? json : "");
}

/** Noise that is no UTF-8 throws: what came with it comes again. */
function textOf(bytes: ArrayBuffer): string {
  try {
    return String.fromArrayBuffer(bytes);
  } catch (_) {
    return "?";
  }
}

const serial = new Serial({
  ...host?.Serial?.default,
  ...options.serial,
  baud,
  format: "buffer",
  onReadable() {
    const bytes = this.read();
    const lines = (input + (bytes ? textOf(bytes) : "")).split("\n");
    input = lines.pop() as string;
    lines.forEach(onLine);
    if (input.length > LINE_BYTES_MAX) {
      input = "";
      agent.receive("");
    }
  },
  onWritable(count) {
    free = count;
    writePiece();
    if (refused && !output) {
      refused = false;
      agent.ready();
    }
  },
});
