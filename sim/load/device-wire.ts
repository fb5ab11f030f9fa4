import { connect, type Socket } from "node:net";
import type { Clock, Timers } from "../../host/clock.ts";
import type { Pty } from "../../host/pty.ts";
import { commandTopic, logTopic } from "../../protocol/mqtt-topics.ts";
import { encodeLine } from "../../protocol/serial-line.ts";
import { DownlinkLines } from "../downlink-lines.ts";
import type { DeviceLogin } from "./load-options.ts";
import {
  connectPacket,
  type PacketEvents,
  PING_MS,
  PING_PACKET,
  publishPacket,
  readPackets,
  subscribePacket,
  topicBytes,
} from "./mqtt-wire.ts";

/** What a load device speaks over. */
export interface DeviceWire {
  readonly isUp: boolean;
  /** The last that the broker said was that it does not know the login. */
  readonly isRefused: boolean;
  /** Connections made so far. */
  readonly connectCount: number;
  start(): void;
  /** False: it cannot take a frame now; `onReady` comes later. */
  send(frame: string): boolean;
  /** Breaks without a word; it comes back by itself, but not within `awayMs`. */
  cut(awayMs?: number): void;
  /** To be called now and then: an idle connection is kept. */
  keepAlive(): void;
  end(): void;
}

export interface WireEvents {
  /** It is new: nothing that was sent before has a meaning any more. */
  readonly onUp: () => void;
  readonly onReady: () => void;
  /** The JSON text of one command. */
  readonly onCommand: (json: string) => void;
  /** Something came, which may have been acks. */
  readonly onHeard: () => void;
}

export interface MqttTarget {
  readonly host: string;
  readonly port: number;
  readonly project: string;
}

interface WireWorld {
  readonly clock: Clock;
  readonly timers: Timers;
}

/** Bytes that may wait in a socket; beyond it the board's link takes nothing. */
const SOCKET_BYTES_MAX = 32 * 1024;
const RECONNECT_MS = 1000;
/** CONNACK: bad user name or password, not authorised [3.2.2.3]. */
const REFUSALS: readonly number[] = [4, 5];

/** An MQTT connection of a board's own. */
export class MqttDeviceWire implements DeviceWire {
  readonly #world: WireWorld;
  readonly #target: MqttTarget;
  readonly #name: string;
  readonly #login: DeviceLogin;
  readonly #topic: Buffer;
  readonly #on: WireEvents;
  readonly #events: PacketEvents;
  #socket: Socket | undefined;
  #left: Buffer | undefined;
  #packetId = 0;
  #lastSentMs = 0;
  #backMs = 0;
  #ended = false;
  isUp = false;
  isRefused = false;
  connectCount = 0;

  constructor(
    world: WireWorld,
    target: MqttTarget,
    { name, login }: { readonly name: string; readonly login: DeviceLogin },
    on: WireEvents,
  ) {
    this.#world = world;
    this.#target = target;
    this.#name = name;
    this.#login = login;
    this.#topic = topicBytes(logTopic(target.project, name));
    this.#on = on;
    this.#events = {
      onConnack: (code) => this.#connack(code),
      onSuback: () => this.#subscribed(),
      onPuback: () => {},
      onPublish: on.onCommand,
    };
  }

  start(): void {
    if (this.#ended) return;
    const { host, port } = this.#target;
    const socket = connect({ host, port, noDelay: true });
    this.#socket = socket;
    this.#left = undefined;
    socket.on("connect", () => socket.write(connectPacket({ ...this.#login, clientId: this.#name })));
    socket.on("data", (bytes) => {
      const all = this.#left === undefined ? bytes : Buffer.concat([this.#left, bytes]);
      this.#left = readPackets(all, this.#events);
      if (this.isUp) this.#on.onHeard();
    });
    socket.on("drain", this.#on.onReady);
    socket.on("error", () => {});
    socket.on("close", () => {
      if (this.#socket !== socket) return;
      this.isUp = false;
      this.#socket = undefined;
      if (this.#ended) return;
      const awayMs = this.#backMs - this.#world.clock.monotonicMs();
      const delayMs = awayMs > 0 ? awayMs : RECONNECT_MS * (0.5 + Math.random());
      this.#world.timers.after(delayMs, () => this.start());
    });
  }

  send(frame: string): boolean {
    const socket = this.#socket;
    if (socket === undefined || !this.isUp || socket.writableLength > SOCKET_BYTES_MAX) return false;
    this.#packetId = (this.#packetId % 0xffff) + 1;
    this.#lastSentMs = this.#world.clock.monotonicMs();
    socket.write(publishPacket(this.#topic, this.#packetId, frame));
    return true;
  }

  cut(awayMs = 0): void {
    this.#backMs = this.#world.clock.monotonicMs() + awayMs;
    this.#socket?.destroy();
  }

  keepAlive(): void {
    const nowMs = this.#world.clock.monotonicMs();
    if (!this.isUp || nowMs - this.#lastSentMs <= PING_MS) return;
    this.#lastSentMs = nowMs;
    this.#socket?.write(PING_PACKET);
  }

  end(): void {
    this.#ended = true;
    this.#socket?.destroy();
  }

  #connack(code: number): void {
    this.isRefused = REFUSALS.includes(code);
    if (code === 0) this.#socket?.write(subscribePacket(commandTopic(this.#target.project, this.#name)));
    else this.#socket?.destroy();
  }

  #subscribed(): void {
    this.isUp = true;
    this.connectCount++;
    this.#on.onUp();
  }
}

/** Longest line that the board keeps of what comes down; more is dropped up to the next LF. */
const DOWNLINK_CHARS_MAX = 1024;
/** A cable that was pulled is back after this. */
const PULLED_MS = 1000;

/** A serial line: a pty that the gateway has open as a port. Cut, it loses what is sent. */
export class PtyDeviceWire implements DeviceWire {
  readonly #timers: Timers;
  readonly #pty: Pty;
  #isFull = false;
  isUp = true;
  readonly isRefused = false;
  connectCount = 1;

  constructor({ timers }: WireWorld, pty: Pty, on: WireEvents) {
    this.#timers = timers;
    this.#pty = pty;
    pty.onDrain(() => {
      this.#isFull = false;
      on.onReady();
    });
    const downlink = new DownlinkLines(on.onCommand, DOWNLINK_CHARS_MAX);
    pty.onData((bytes) => {
      if (!this.isUp) return;
      downlink.hear(bytes);
      on.onHeard();
    });
  }

  start(): void {}

  send(frame: string): boolean {
    if (this.#isFull) return false;
    if (this.isUp) this.#isFull = !this.#pty.write(encodeLine(frame, true));
    return true;
  }

  cut(awayMs = PULLED_MS): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.#timers.after(awayMs, () => {
      this.isUp = true;
      this.connectCount++;
    });
  }

  keepAlive(): void {}

  end(): void {
    this.isUp = false;
    void this.#pty.close();
  }
}
