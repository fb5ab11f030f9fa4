/** First byte of a whole text message (RFC 6455 5.2): FIN and opcode 1. */
const WHOLE_TEXT = 0x81;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** A text message as a server's WebSocket frame: unmasked, in one piece. */
export function textFrame(text: string): Uint8Array {
  const payload = Buffer.from(text, "utf8");
  const { length } = payload;
  if (length < LENGTH_16) return Buffer.concat([Buffer.from([WHOLE_TEXT, length]), payload]);
  if (length <= 0xffff) {
    return Buffer.concat([Buffer.from([WHOLE_TEXT, LENGTH_16, length >> 8, length & 0xff]), payload]);
  }
  const head = Buffer.alloc(10);
  head[0] = WHOLE_TEXT;
  head[1] = LENGTH_64;
  head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}
