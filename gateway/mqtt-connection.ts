import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Timer, Timers } from "../host/clock.ts";
import { Fifo } from "./fifo.ts";
import { GuardedSocket } from "./guarded-socket.ts";
import type { TopicMessage } from "./link.ts";
import {
  type ConnackPacket,
  type Packet,
  type PublishPacket,
  packetParser,
  writePacket,
} from "./mqtt-packets.ts";
import { mqttReason } from "./mqtt-reason.ts";
import { connectionReason, type TlsTrust } from "./tls-trust.ts";

export interface MqttTarget {
  readonly host: string;
  readonly port: number;
  readonly userName?: string;
  readonly password?: string;
  /** TLS where it is there. */
  readonly tls?: TlsTrust;
  readonly protocol: MqttProtocol;
}

/** As MQTT itself numbers them in CONNECT. */
export const MqttProtocol = { V3_1_1: 4, V5: 5 } as const;
export type MqttProtocol = (typeof MqttProtocol)[keyof typeof MqttProtocol];

export interface MqttConnectionOptions {
  readonly target: MqttTarget;
  readonly clientId: string;
  readonly keepaliveS: number;
  /** QoS 1 messages that may wait for `done`: on version 5 the broker sends no more, on 3.1.1 no more is read. */
  readonly receiveMax: number;
}

export interface MqttConnectionEvents {
  onUp(isSessionPresent: boolean): void;
  /** `done` must be called once: then it is acked to the broker, as soon as all before it are. */
  onMessage(message: TopicMessage, done: () => void): void;
  /** Once, after which nothing more is called; also where it never came up. */
  onDown(reason: string): void;
}

export interface Subscription {
  readonly filter: string;
  /** Whether what the broker kept is wanted. */
  readonly retained: boolean;
}

const CONNECT_TIMEOUT_MS = 20_000;
/** A frame may have 1 MiB; what is larger is refused by the decoder and not sent for ever by a broker that keeps it. */
const PACKET_BYTES_MAX = 16 * 1024 * 1024;
/** Payloads that wait for `done`; beyond it nothing is read. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
/** What waits to be written; beyond it acks for boards are dropped, as they come again (docs/protocol.md 5.6). */
const WRITABLE_BYTES_MAX = 1024 * 1024;
/** How long a broker keeps the session of a gateway that is away (version 5; on 3.1.1 its settings decide). */
const SESSION_EXPIRY_S = 7 * 24 * 3600;
const QOS = 1;

interface Waiting {
  /** Undefined with QoS 0. */
  readonly messageId: number | undefined;
  readonly sizeBytes: number;
  isDone: boolean;
}

/**
 * One MQTT connection on which many messages may wait for their PUBACK at once, and are acked in order (MQTT 3.1.1, 4.6). MQTT.js
 * handles one at a time, which a commit of some milliseconds makes slow (docs/decisions/0005).
 */
export class MqttConnection {
  readonly #timers: Timers;
  readonly #events: MqttConnectionEvents;
  readonly #options: MqttConnectionOptions;
  readonly #socket: Socket;
  readonly #guarded: GuardedSocket;
  readonly #waiting = new Fifo<Waiting>();
  #waitingBytes = 0;
  #isPaused = false;
  #isUp = false;
  #isEnded = false;
  #hasHeard = true;
  #nextId = 1;
  readonly #subscribing = new Map<number, (granted: readonly number[]) => void>();
  #timer: Timer;

  /** Connects at once. */
  constructor(timers: Timers, options: MqttConnectionOptions, events: MqttConnectionEvents) {
    this.#timers = timers;
    this.#options = options;
    this.#events = events;
    const { host, port, tls } = options.target;
    const socket =
      tls === undefined
        ? connectTcp({ host, port, noDelay: true, keepAlive: true })
        : connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...tls });
    this.#socket = socket;
    socket.once(tls === undefined ? "connect" : "secureConnect", () => this.#sendConnect());
    // Handed out by it, errors and the end too.
    const guarded = new GuardedSocket(socket, {
      packetBytesMax: PACKET_BYTES_MAX,
      onTooLarge: () => this.#fail(`a message of more than ${PACKET_BYTES_MAX >> 20} MiB`),
    });
    const parser = packetParser(options.target.protocol);
    parser.on("packet", (packet) => this.#receive(packet));
    parser.on("error", (error: Error) => this.#fail(`no MQTT: ${error.message}`));
    guarded.on("data", (chunk: Buffer) => {
      this.#hasHeard = true;
      if (!this.#isEnded) parser.parse(chunk);
    });
    guarded.on("error", (error) => this.#fail(connectionReason(error, "brokers")));
    guarded.on("close", () => this.#fail(this.#isUp ? "connection lost" : "closed before it answered"));
    this.#guarded = guarded;
    this.#timer = timers.after(CONNECT_TIMEOUT_MS, () => this.#fail("no answer in time"));
  }

  get isUp(): boolean {
    return this.#isUp && !this.#isEnded;
  }

  /** Resolves with the filters that the broker refuses; never where the connection ends before. */
  subscribe(subscriptions: readonly Subscription[]): Promise<readonly string[]> {
    const messageId = this.#takeId();
    return new Promise((resolve) => {
      this.#subscribing.set(messageId, (granted) => {
        resolve(
          subscriptions.filter((_, index) => (granted[index] ?? 128) > QOS).map(({ filter }) => filter),
        );
      });
      const isV5 = this.#options.target.protocol === MqttProtocol.V5;
      this.#send({
        cmd: "subscribe",
        messageId,
        subscriptions: subscriptions.map(({ filter, retained }) => ({
          topic: filter,
          qos: QOS,
          // Our own answers do not come back, and what the broker kept comes only where it is wanted (MQTT 5, 3.8.3.1).
          ...(isV5 && { nl: true, rap: false, rh: retained ? 0 : 2 }),
        })),
      });
    });
  }

  /** Sends with QoS 0. False: it was dropped. */
  publish(topic: string, payload: Uint8Array): boolean {
    if (!this.isUp || this.#socket.writableLength > WRITABLE_BYTES_MAX) return false;
    this.#send({
      cmd: "publish",
      topic,
      payload: Buffer.from(payload),
      qos: 0,
      retain: false,
      dup: false,
    });
    return true;
  }

  /** Ends it without a word to `events`. The broker keeps what was not acked. */
  end(): void {
    if (this.#isEnded) return;
    if (this.#isUp) this.#send({ cmd: "disconnect" } as Packet);
    this.#isEnded = true;
    this.#timer.cancel();
    this.#socket.destroySoon();
    // A peer that reads nothing would keep it open.
    this.#timers.after(500, () => this.#guarded.destroy());
  }

  #sendConnect(): void {
    const { target, clientId, keepaliveS, receiveMax } = this.#options;
    const { protocol, userName, password } = target;
    this.#send({
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: protocol,
      clientId,
      // The session outlives the connection (docs/protocol.md 8.6).
      clean: false,
      keepalive: keepaliveS,
      ...(userName !== undefined && { username: userName }),
      ...(password !== undefined && { password: Buffer.from(password, "utf8") }),
      ...(protocol === MqttProtocol.V5 && {
        properties: {
          sessionExpiryInterval: SESSION_EXPIRY_S,
          receiveMaximum: Math.min(receiveMax, 65_535),
          maximumPacketSize: PACKET_BYTES_MAX,
        },
      }),
    });
  }

  #receive(packet: Packet): void {
    if (this.#isEnded) return;
    // Of PINGRESP it is enough that something came.
    if (packet.cmd === "connack") this.#connected(packet);
    else if (packet.cmd === "publish") this.#published(packet);
    else if (packet.cmd === "disconnect") this.#fail(mqttReason(packet.reasonCode ?? 0));
    else if (packet.cmd === "suback") {
      this.#subscribing.get(packet.messageId ?? 0)?.(packet.granted.map(Number));
      this.#subscribing.delete(packet.messageId ?? 0);
    }
  }

  #connected({ returnCode, reasonCode, sessionPresent, properties }: ConnackPacket): void {
    const code = reasonCode ?? returnCode ?? 0;
    if (code !== 0) {
      this.#fail(mqttReason(code));
      return;
    }
    this.#isUp = true;
    this.#timer.cancel();
    const keepaliveS = properties?.serverKeepAlive ?? this.#options.keepaliveS;
    this.#timer = this.#timers.every(keepaliveS * 500, () => this.#ping());
    this.#events.onUp(sessionPresent);
  }

  /** Twice a keepalive. A broker that said nothing between two pings is gone, unless we did not read what it said. */
  #ping(): void {
    if (!this.#hasHeard && !this.#isPaused) {
      this.#fail("the broker does not answer");
      return;
    }
    this.#hasHeard = this.#isPaused;
    this.#send({ cmd: "pingreq" } as Packet);
  }

  #published({ topic, payload, qos, retain, dup, messageId }: PublishPacket): void {
    const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
    const waiting: Waiting = {
      messageId: qos === 0 ? undefined : messageId,
      sizeBytes: bytes.length,
      isDone: false,
    };
    this.#waiting.push(waiting);
    this.#waitingBytes += bytes.length;
    const { receiveMax } = this.#options;
    if (!this.#isPaused && (this.#waiting.count >= receiveMax || this.#waitingBytes > WAITING_BYTES_MAX)) {
      this.#isPaused = true;
      this.#guarded.pause();
    }
    this.#events.onMessage({ topic, payload: bytes, retained: retain, isRepeat: dup }, () => {
      waiting.isDone = true;
      this.#settle();
    });
  }

  #settle(): void {
    if (this.#isEnded) return;
    this.#socket.cork();
    for (let oldest = this.#waiting.peek(); oldest?.isDone; oldest = this.#waiting.peek()) {
      this.#waiting.shift();
      this.#waitingBytes -= oldest.sizeBytes;
      const { messageId } = oldest;
      if (messageId !== undefined) this.#send({ cmd: "puback", messageId });
    }
    process.nextTick(() => this.#socket.uncork());
    const { receiveMax } = this.#options;
    if (
      this.#isPaused &&
      this.#waiting.count <= receiveMax / 2 &&
      this.#waitingBytes <= WAITING_BYTES_MAX / 2
    ) {
      this.#isPaused = false;
      this.#guarded.resume();
    }
  }

  #takeId(): number {
    const id = this.#nextId;
    this.#nextId = (id % 65_535) + 1;
    return id;
  }

  #send(packet: Packet): void {
    writePacket(packet, this.#socket, { protocolVersion: this.#options.target.protocol });
  }

  #fail(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#timer.cancel();
    this.#guarded.destroy();
    this.#events.onDown(reason);
  }
}
