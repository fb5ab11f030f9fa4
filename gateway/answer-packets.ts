/** A packet that only answers another (MQTT 3.1.1, 3.4), as its four bytes: nearly all that is written are those, and a buffer for each costs more than to write it. */
export type Answer = number;

const ANSWER_BYTES = 4;

export function answerPacket(type: number, packetId: number): Answer {
  return (type << 28) | (2 << 16) | packetId;
}

/** All of it as one write. */
export function joined(output: readonly (Buffer | Answer)[]): Buffer {
  const [first] = output;
  if (output.length === 1 && typeof first === "object") return first;
  let sizeBytes = 0;
  for (const item of output) sizeBytes += typeof item === "number" ? ANSWER_BYTES : item.length;
  const bytes = Buffer.allocUnsafe(sizeBytes);
  let at = 0;
  for (const item of output) {
    if (typeof item === "number") at = bytes.writeInt32BE(item, at);
    else at += item.copy(bytes, at);
  }
  return bytes;
}

export function withPacketId(head: number, packetId: number, rest: readonly number[]): Buffer {
  return Buffer.concat([
    Buffer.from([head, ...lengthBytes(2 + rest.length), packetId >> 8, packetId & 0xff]),
    Buffer.from(rest),
  ]);
}

/** The length of a packet's body as it stands in its head (MQTT 3.1.1, 2.2.3). */
export function lengthBytes(sizeBytes: number): number[] {
  const bytes: number[] = [];
  let rest = sizeBytes;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return bytes;
}
