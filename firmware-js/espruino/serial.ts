/**
 * Espruino over a UART of the agent's own (docs/protocol.md 7). The build makes this the start of a function
 * `start(options)` and runs the core's text on the `env` it leaves behind.
 */
import type { AgentEnv } from "../agent/env.ts";
import { type BoardOptions, boardEnv, hex32 } from "./board.ts";

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
declare let env: AgentEnv;

const LINE_BYTES_MAX = 512;
/** CRC-32 and LF. */
const LINE_END_BYTES = 9;
const BITS_PER_BYTE = 10;
/** A start of docs/protocol.md 7.3; what is before it is noise. */
const FRAME_START = '{"v":';

const serial = options.serial;
const baud = options.baud ?? 115200;
const pieceBytes = options.pieceBytes ?? 64;
const frameBytesMax = (options.frameBytesMax ?? 1024) - LINE_END_BYTES;
const byteMs = (BITS_PER_BYTE * 1000) / baud;

let output = "";
let written = 0;
let refused = false;
let input = "";
let skipping = false;

/** One piece, then a pause as long as the wire needs for it. */
function writePiece(): void {
  if (written < output.length) {
    serial.write(output.substr(written, pieceBytes));
    written += pieceBytes;
    setTimeout(writePiece, Math.ceil(pieceBytes * byteMs));
  } else {
    output = "";
    if (refused) {
      refused = false;
      env.agent?.ready();
    }
  }
}

function send(frame: string): boolean {
  refused = output !== "";
  if (refused) {
    return false;
  }
  output = `${frame + hex32(E.CRC32(frame))}\n`;
  written = 0;
  writePiece();
  return true;
}

function discard(): void {
  if (env.agent) {
    env.agent.stats.badDownlinks++;
  }
}

/** Frame, or frame and checksum (docs/protocol.md 7.2). */
function onLine(line: string): void {
  const start = line.indexOf(FRAME_START);
  const end = line.lastIndexOf("}") + 1;
  if (start < 0 || start >= end) {
    discard();
    return;
  }
  const json = line.substring(start, end);
  const sum = line.substr(end).trim();
  if (sum === "" || sum.toLowerCase() === hex32(E.CRC32(json))) {
    env.agent?.receive(json);
  } else {
    discard();
  }
}

/** Lines out of chunks; what is longer than any ack is dropped up to the next line end. */
function onData(chunk: string): void {
  input += chunk;
  let end = input.indexOf("\n");
  while (end >= 0) {
    const line = input.substr(0, end);
    input = input.substr(end + 1);
    if (skipping) {
      skipping = false;
    } else if (line.trim() !== "") {
      onLine(line);
    }
    end = input.indexOf("\n");
  }
  if (input.length > LINE_BYTES_MAX) {
    input = "";
    if (!skipping) {
      discard();
    }
    skipping = true;
  }
}

serial.setup(baud, options.setup ?? {});
serial.on("data", onData);
env = boardEnv(
  Object.assign({ ackTimeoutMs: Math.ceil(1000 + 2 * frameBytesMax * byteMs) }, options, { frameBytesMax }),
  send,
);
