/**
 * As much of MQTT 3.1.1 (OASIS, numbers in brackets are its sections) as a board needs, written for many thousand connections in
 * one process: no objects beside the socket's own, and no copy of what comes whole.
 */

const KEEPALIVE_S = 120;

/** CONNECT with a clean session [3.1]. */
export function connectPacket(options: {
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
}): Buffer {
  const { clientId, username, password } = options;
  const flags = 0x02 | (username === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40);
  return packet(
    0x10,
    Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, flags, KEEPALIVE_S >> 8, KEEPALIVE_S & 0xff]),
    text(clientId),
    ...(username === undefined ? [] : [text(username)]),
    ...(password === undefined ? [] : [text(password)]),
  );
}

/** SUBSCRIBE to one topic with QoS 0 [3.8]. */
export function subscribePacket(topic: string): Buffer {
  return packet(0x82, Buffer.from([0, 1]), text(topic), Buffer.from([0]));
}

/** PUBLISH with QoS 1, not retained [3.3]. @param topic as `topicBytes` made it. */
export function publishPacket(topic: Buffer, packetId: number, payload: string): Buffer {
  const sizeBytes = topic.length + 2 + payload.length;
  const head = lengthBytes(sizeBytes);
  const bytes = Buffer.allocUnsafe(1 + head.length + sizeBytes);
  bytes[0] = 0x32;
  bytes.set(head, 1);
  bytes.set(topic, 1 + head.length);
  bytes.writeUInt16BE(packetId, 1 + head.length + topic.length);
  bytes.write(payload, 3 + head.length + topic.length, "latin1");
  return bytes;
}

export function topicBytes(topic: string): Buffer {
  return text(topic);
}

export const PING_MS = (KEEPALIVE_S * 1000) / 2;
export const PING_PACKET = Buffer.from([0xc0, 0]);

export interface PacketEvents {
  /** CONNACK [3.2]: 0 is yes. */
  readonly onConnack: (code: number) => void;
  readonly onSuback: () => void;
  readonly onPuback: () => void;
  readonly onPublish: (payload: string) => void;
}

/**
 * Reads what whole packets there are.
 * @returns what is left over, the start of the next packet; undefined when nothing is.
 */
export function readPackets(bytes: Buffer, events: PacketEvents): Buffer | undefined {
  let at = 0;
  while (at < bytes.length) {
    let sizeBytes = 0;
    let shift = 0;
    let body = at + 1;
    for (;;) {
      const byte = bytes[body++];
      if (byte === undefined) return bytes.subarray(at);
      sizeBytes |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) break;
    }
    const end = body + sizeBytes;
    if (end > bytes.length) return bytes.subarray(at);
    const head = bytes[at] ?? 0;
    const kind = head >> 4;
    if (kind === 2) events.onConnack(bytes[body + 1] ?? 255);
    else if (kind === 9) events.onSuback();
    else if (kind === 4) events.onPuback();
    else if (kind === 3) {
      const hasId = (head & 0x06) !== 0;
      const payload = body + 2 + bytes.readUInt16BE(body) + (hasId ? 2 : 0);
      events.onPublish(bytes.toString("latin1", payload, end));
    }
    at = end;
  }
  return undefined;
}

function packet(head: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([head, ...lengthBytes(body.length)]), body]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

/** Remaining length [2.2.3]. */
function lengthBytes(sizeBytes: number): number[] {
  const bytes: number[] = [];
  let rest = sizeBytes;
  do {
    const more = rest > 0x7f ? 0x80 : 0;
    bytes.push((rest & 0x7f) | more);
    rest >>= 7;
  } while (rest > 0);
  return bytes;
}
