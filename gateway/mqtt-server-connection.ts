import type { Socket } from "node:net";
import { type Answer, answerPacket, joined, withPacketId } from "./answer-packets.ts";
import { Fifo } from "./fifo.ts";
import { TopicOutcome } from "./link.ts";
import { type ConnectPacket, type Packet, parsePacket } from "./mqtt-packets.ts";
import { PacketCutter, PacketFault } from "./packet-cutter.ts";

/** Types of packets, the upper half of their first byte (MQTT 3.1.1, 2.2.1). */
const PacketType = {
  Connect: 1,
  Publish: 3,
  Puback: 4,
  Pubrec: 5,
  Pubrel: 6,
  Pubcomp: 7,
  Subscribe: 8,
  Unsubscribe: 10,
  Pingreq: 12,
  Disconnect: 14,
} as const;

/** CONNACK return codes (MQTT 3.1.1, 3.2.2.3). */
export const ReturnCode = {
  Accepted: 0,
  UnacceptableVersion: 1,
  IdentifierRejected: 2,
  ServerUnavailable: 3,
  BadUserNameOrPassword: 4,
  NotAuthorized: 5,
} as const;
export type ReturnCode = (typeof ReturnCode)[keyof typeof ReturnCode];

/** Why a connection was closed. */
export const MqttFault = {
  ...PacketFault,
  Version5: "MQTT 5",
  NoConnect: "no CONNECT",
  Malformed: "malformed packet",
  BadTopic: "bad topic",
  Unexpected: "unexpected packet",
  Unreleased: "too many unreleased publishes",
  Refused: "publish refused",
} as const;
export type MqttFault = (typeof MqttFault)[keyof typeof MqttFault];

const SUBACK_FAILURE = 0x80;
const PINGRESP = Buffer.from([0xd0, 0]);
/** QoS 2 publishes that were taken and not released yet; a sender with more is none that we know. */
const UNRELEASED_MAX = 1_024;
/** What waits to be written to a client that does not read; acks beyond it are dropped, as they come again (docs/protocol.md 5.6). */
const WRITABLE_BYTES_MAX = 1024 * 1024;
/** Kept of a connection that waits for its turn, and what one more read brings: 20 frames of 20 lines. Beyond it nothing is read. */
const IN_LINE_BYTES_MAX = 24 * 1024;
const VERSION_MAX = 4;

export interface ServerPublish {
  readonly topic: string;
  /** Lies in bytes that are used again: read before the call returns. */
  readonly payload: Buffer;
  readonly retain: boolean;
  readonly dup: boolean;
}

/** What a connection asks of the server that it belongs to. */
export interface ConnectionHost {
  readonly packetBytesMax: number;
  /** Publishes of one connection that may wait for their answer just now; beyond it nothing is read, and the sender feels it. */
  readonly inFlightMax: number;
  nowMs(): number;
  /** Whether publishes are wanted just now; where not, a connection waits for `takeTurn` with what it has read. */
  readonly isMoreWanted: boolean;
  waitForTurn(connection: MqttServerConnection): void;
  /** Whether it may come in, undefined where the connection ended meanwhile. */
  connect(connection: MqttServerConnection, packet: ConnectPacket): Promise<ReturnCode>;
  /** Anything but `Done` closes the connection: MQTT 3.1.1 has no other way to say no. */
  publish(
    connection: MqttServerConnection,
    message: ServerPublish,
    done: (outcome: TopicOutcome) => void,
  ): void;
  /** A publish with a payload of so many bytes waits for nothing any more. */
  settled(payloadBytes: number): void;
  /** The QoS granted, or undefined. */
  subscribe(connection: MqttServerConnection, filter: string, qos: number): number | undefined;
  unsubscribe(connection: MqttServerConnection, filter: string): void;
  /** Something waits to be written; the server calls `flush` once for all that comes together. */
  wantsFlush(connection: MqttServerConnection): void;
  fault(connection: MqttServerConnection, fault: MqttFault): void;
  droppedForSlowReader(connection: MqttServerConnection): void;
  /** Once. @param isGraceful the client said goodbye, so that its will is void. */
  closed(connection: MqttServerConnection, isGraceful: boolean): void;
}

/** A publish and whether it may be answered yet; answers go out in the order of the publishes (MQTT 3.1.1, 4.6). */
interface Slot {
  readonly qos: number;
  readonly packetId: number;
  readonly payloadBytes: number;
  isDone: boolean;
}

/** One client of the broker inside: MQTT 3.1 and 3.1.1 as a server speaks it, no policy. */
export class MqttServerConnection {
  readonly #host: ConnectionHost;
  readonly #socket: Socket;
  readonly #cutter: PacketCutter;
  readonly #slots = new Fifo<Slot>();
  readonly filters = new Set<string>();
  /** Ids of QoS 2 publishes between PUBLISH and PUBREL; true once durable. */
  readonly #unreleased = new Map<number, boolean>();
  /** To be written. Emptied and not replaced: once it is old, a list that is replaced keeps alive what it names. */
  readonly #output: (Buffer | Answer)[] = [];
  #state: "new" | "asking" | "open" | "closed" = "new";
  #isGraceful = false;
  #isPaused = false;
  #isInLine = false;
  #isGone = false;
  #isFirstChunk = true;
  #topicBytes: Buffer | undefined;
  #topic = "";
  lastHeardMs: number;
  /** Since when the client takes nothing, while something waits for it. */
  stuckSinceMs: number | undefined;
  keepaliveS = 0;

  constructor(host: ConnectionHost, socket: Socket) {
    this.#host = host;
    this.#socket = socket;
    this.#cutter = new PacketCutter(host.packetBytesMax);
    this.lastHeardMs = host.nowMs();
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => {}); // `close` follows.
    socket.on("close", () => {
      this.#readOut();
      this.#closed();
    });
    socket.on("drain", () => {
      this.stuckSinceMs = undefined;
    });
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Nothing is read from it just now, by our own will: silence says nothing. */
  get isHeldBack(): boolean {
    return this.#isPaused || this.#isInLine;
  }

  /** Sends bytes made once for all; dropped where the client does not read. */
  send(bytes: Buffer): void {
    if (this.#state !== "open") return;
    if (this.#socket.writableLength > WRITABLE_BYTES_MAX) {
      this.#host.droppedForSlowReader(this);
      return;
    }
    this.#put(bytes);
  }

  flush(): void {
    const output = this.#output;
    if (output.length === 0) return;
    const bytes = joined(output);
    output.length = 0;
    if (this.#state === "closed") return;
    const isTaken = this.#socket.write(bytes);
    if (!isTaken) this.stuckSinceMs ??= this.#host.nowMs();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Once a turn of the loop the server has it written. */
  #put(bytes: Buffer | Answer): void {
    this.#output.push(bytes);
    if (this.#output.length === 1) this.#host.wantsFlush(this);
  }

  #read(chunk: Buffer): void {
    this.lastHeardMs = this.#host.nowMs();
    // What does not begin as MQTT does need not be collected up to a length that it never meant.
    if (this.#state === "new" && this.#isFirstChunk && chunk[0] !== PacketType.Connect << 4) {
      this.#fail(MqttFault.NoConnect);
      return;
    }
    this.#isFirstChunk = false;
    if (this.#isInLine || (this.#state === "open" && !this.#host.isMoreWanted)) {
      this.#cutter.keep(chunk);
      this.#getInLine();
      return;
    }
    const fault = this.#cutter.push(chunk, this.#onPacket);
    if (fault !== undefined) this.#fail(fault);
    else if (this.#state === "open" && this.#cutter.restBytes > 0 && !this.#host.isMoreWanted)
      this.#getInLine();
  }

  /** What a client said before it went is taken, in line or not: of QoS 0 it comes no second time. */
  #readOut(): void {
    if (this.#state !== "open") return;
    this.#isGone = true;
    const fault = this.#cutter.push(EMPTY, this.#onPacket);
    if (fault !== undefined) this.#fail(fault);
  }

  /** What comes meanwhile is kept as it is and has its turn together with the rest, and so have the answers. */
  #getInLine(): void {
    if (this.#cutter.restBytes > IN_LINE_BYTES_MAX && !this.#isPaused) this.#hold();
    if (this.#isInLine) return;
    this.#isInLine = true;
    this.#host.waitForTurn(this);
  }

  /** Reads on, as far as more is wanted. */
  takeTurn(): void {
    this.#isInLine = false;
    if (this.#state !== "open") return;
    if (this.#slots.count < this.#host.inFlightMax) this.#goOn();
    else this.#hold();
  }

  readonly #onPacket = (bytes: Buffer, start: number, body: number, end: number): boolean => {
    const head = bytes[start] as number;
    const type = head >> 4;
    if (this.#state === "open" && type === PacketType.Publish) {
      this.#publish(head, bytes, body, end);
      if (!this.#host.isMoreWanted && !this.#isGone) return false;
    } else {
      this.#other(type, bytes, start, body, end);
    }
    return (!this.#isPaused || this.#isGone) && this.#state !== "closed";
  };

  #publish(head: number, bytes: Buffer, body: number, end: number): void {
    const qos = (head >> 1) & 3;
    const topicEnd = body + 2 + (end - body < 2 ? 0 : bytes.readUInt16BE(body));
    const payloadStart = topicEnd + (qos === 0 ? 0 : 2);
    if (qos === 3 || end - body < 2 || payloadStart > end) {
      this.#fail(MqttFault.Malformed);
      return;
    }
    const topic = this.#readTopic(bytes, body + 2, topicEnd);
    if (topic === undefined) {
      this.#fail(MqttFault.BadTopic);
      return;
    }
    const packetId = qos === 0 ? 0 : bytes.readUInt16BE(topicEnd);
    if (qos > 0 && packetId === 0) {
      this.#fail(MqttFault.Malformed);
      return;
    }
    if (qos === 2 && this.#isRepeat(packetId)) return;
    const slot: Slot = { qos, packetId, payloadBytes: end - payloadStart, isDone: false };
    this.#slots.push(slot);
    if (this.#slots.count >= this.#host.inFlightMax) this.#hold();
    const payload = bytes.subarray(payloadStart, end);
    const message = { topic, payload, retain: (head & 1) === 1, dup: (head & 8) === 8 };
    this.#host.publish(this, message, (outcome) => this.#settle(slot, outcome));
  }

  #settle(slot: Slot, outcome: TopicOutcome): void {
    this.#host.settled(slot.payloadBytes);
    if (outcome !== TopicOutcome.Done) {
      this.#fail(MqttFault.Refused);
      return;
    }
    slot.isDone = true;
    this.#answer();
  }

  /** A QoS 2 publish that came before is answered again, once it is durable, and is not a second one (MQTT 3.1.1, 4.3.3). */
  #isRepeat(packetId: number): boolean {
    const isDurable = this.#unreleased.get(packetId);
    if (isDurable === undefined) {
      if (this.#unreleased.size >= UNRELEASED_MAX) this.#fail(MqttFault.Unreleased);
      this.#unreleased.set(packetId, false);
      return this.#state === "closed";
    }
    if (isDurable) this.#put(answerPacket(PacketType.Pubrec, packetId));
    return true;
  }

  /** The same topic comes again and again: it is made a string once. */
  #readTopic(bytes: Buffer, start: number, end: number): string | undefined {
    const known = this.#topicBytes;
    if (known?.length === end - start && known.compare(bytes, start, end) === 0) return this.#topic;
    const topic = bytes.toString("utf8", start, end);
    if (topic === "" || topic.includes("\0") || topic.includes("+") || topic.includes("#")) return undefined;
    if (end - start <= 1_024) {
      this.#topicBytes = Buffer.from(bytes.subarray(start, end));
      this.#topic = topic;
    }
    return topic;
  }

  #answer(): void {
    for (let slot = this.#slots.peek(); slot?.isDone; slot = this.#slots.peek()) {
      this.#slots.shift();
      if (slot.qos === 1) this.#put(answerPacket(PacketType.Puback, slot.packetId));
      if (slot.qos === 2) {
        this.#unreleased.set(slot.packetId, true);
        this.#put(answerPacket(PacketType.Pubrec, slot.packetId));
      }
    }
    const isHeld = this.#isPaused && !this.#isInLine && this.#state === "open";
    if (isHeld && this.#slots.count <= this.#host.inFlightMax / 2) this.#goOn();
  }

  #hold(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  #goOn(): void {
    const wasPaused = this.#isPaused;
    this.#isPaused = false;
    this.#read(EMPTY);
    if (wasPaused && !this.#isPaused && this.#state !== "closed") this.#socket.resume();
  }

  #other(type: number, bytes: Buffer, start: number, body: number, end: number): void {
    if (this.#state === "new") {
      // Of a copy: its will is read once it is known who this is.
      const packet =
        type === PacketType.Connect ? parsePacket(Buffer.from(bytes.subarray(start, end))) : undefined;
      if (packet?.cmd !== "connect") {
        this.#fail(MqttFault.NoConnect);
        return;
      }
      this.#connect(packet);
      return;
    }
    switch (type) {
      case PacketType.Puback:
      case PacketType.Pubrec:
      case PacketType.Pubcomp:
        return; // Nothing is sent that these answer.
      case PacketType.Pubrel:
        if (end - body !== 2) {
          this.#fail(MqttFault.Malformed);
          return;
        }
        this.#unreleased.delete(bytes.readUInt16BE(body));
        this.#put(answerPacket(PacketType.Pubcomp, bytes.readUInt16BE(body)));
        return;
      case PacketType.Pingreq:
        this.#put(PINGRESP);
        return;
      case PacketType.Disconnect:
        this.#isGraceful = true;
        this.flush();
        this.#socket.end();
        this.#socket.destroySoon();
        return;
      case PacketType.Subscribe:
      case PacketType.Unsubscribe:
        this.#subscription(parsePacket(bytes.subarray(start, end)));
        return;
      default:
        this.#fail(MqttFault.Unexpected);
        return;
    }
  }

  #connect(packet: ConnectPacket): void {
    this.#state = "asking";
    this.keepaliveS = packet.keepalive ?? 0;
    // Nothing that follows is looked at until it is known who this is.
    this.#hold();
    const settle = (code: ReturnCode): void => {
      if (this.#state === "closed") return;
      this.#socket.write(Buffer.from([0x20, 2, 0, code]));
      if (code !== ReturnCode.Accepted) {
        this.#socket.destroySoon();
        return;
      }
      this.#state = "open";
      this.#goOn();
    };
    if ((packet.protocolVersion ?? VERSION_MAX) > VERSION_MAX) {
      this.#host.fault(this, MqttFault.Version5);
      settle(ReturnCode.UnacceptableVersion);
      return;
    }
    this.#host.connect(this, packet).then(settle, () => settle(ReturnCode.ServerUnavailable));
  }

  #subscription(packet: Packet | undefined): void {
    if (packet?.cmd === "subscribe" && packet.subscriptions.length > 0) {
      const granted = packet.subscriptions.map(
        ({ topic, qos }) => this.#host.subscribe(this, topic, qos) ?? SUBACK_FAILURE,
      );
      this.#put(withPacketId(0x90, packet.messageId ?? 0, granted));
    } else if (packet?.cmd === "unsubscribe") {
      for (const filter of packet.unsubscriptions) this.#host.unsubscribe(this, filter);
      this.#put(withPacketId(0xb0, packet.messageId ?? 0, []));
    } else this.#fail(MqttFault.Malformed);
  }

  #fail(fault: MqttFault): void {
    if (this.#state === "closed") return;
    this.#host.fault(this, fault);
    this.#socket.destroy();
    this.#closed();
  }

  #closed(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#output.length = 0;
    this.#host.closed(this, this.#isGraceful);
  }
}

const EMPTY = Buffer.alloc(0);
