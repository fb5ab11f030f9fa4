/** First byte of a whole text message (RFC 6455 5.2): FIN and opcode 1. */
const WHOLE_TEXT = 0x81;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** Text messages as a server's WebSocket frames: unmasked, each in one piece, one behind the other in memory of their own. */
export function textFrames(texts: readonly string[]): Uint8Array {
  const lengths = texts.map((text) => Buffer.byteLength(text, "utf8"));
  const frames = Buffer.allocUnsafeSlow(lengths.reduce((sum, length) => sum + headBytes(length) + length, 0));
  let at = 0;
  for (const [index, text] of texts.entries()) {
    const length = lengths[index] ?? 0;
    at = writeHead(frames, at, length);
    at += frames.write(text, at, length, "utf8");
  }
  return frames;
}

function headBytes(length: number): number {
  if (length < LENGTH_16) return 2;
  return length <= 0xffff ? 4 : 10;
}

/** @returns where the text begins. */
function writeHead(frames: Buffer, at: number, length: number): number {
  frames[at] = WHOLE_TEXT;
  if (length < LENGTH_16) frames[at + 1] = length;
  else if (length <= 0xffff) {
    frames[at + 1] = LENGTH_16;
    frames.writeUInt16BE(length, at + 2);
  } else {
    frames[at + 1] = LENGTH_64;
    frames.writeBigUInt64BE(BigInt(length), at + 2);
  }
  return at + headBytes(length);
}
