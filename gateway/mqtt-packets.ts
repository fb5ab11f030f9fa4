import mqttPacket, {
  type IConnackPacket,
  type IConnectPacket,
  type IPublishPacket,
  type Packet,
  type Parser,
} from "mqtt-packet";

/** MQTT's packets as a library reads and writes them; the only file that knows which. */
export type ConnackPacket = IConnackPacket;
export type ConnectPacket = IConnectPacket;
export type PublishPacket = IPublishPacket;
export type { Packet };

/** A parser of a stream; its events are `packet` and `error`. */
export function packetParser(protocolVersion?: number): Parser {
  return mqttPacket.parser(protocolVersion === undefined ? undefined : { protocolVersion });
}

/** Reads one whole packet; undefined where it is none. */
export function parsePacket(bytes: Buffer): Packet | undefined {
  const parser = packetParser();
  let packet: Packet | undefined;
  parser.on("packet", (parsed: Packet) => {
    packet = parsed;
  });
  parser.on("error", () => {});
  try {
    parser.parse(bytes);
  } catch {
    return undefined;
  }
  return packet;
}

export const writePacket = mqttPacket.writeToStream;
