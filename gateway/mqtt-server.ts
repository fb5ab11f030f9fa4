import type { Socket } from "node:net";
import type { Clock, Timer, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import { lengthBytes } from "./answer-packets.ts";
import { Fifo } from "./fifo.ts";
import { type Demand, TopicOutcome } from "./link.ts";
import type { ConnectPacket } from "./mqtt-packets.ts";
import {
  type ConnectionHost,
  type MqttFault,
  MqttServerConnection,
  ReturnCode,
  type ServerPublish,
} from "./mqtt-server-connection.ts";
import { TopicSubscriptions } from "./topic-subscriptions.ts";

export interface MqttServerOptions {
  readonly packetBytesMax: number;
  readonly connectTimeoutMs: number;
  /** A client that takes nothing for so long is disconnected, so that what waits for it is bounded in time too. */
  readonly drainTimeoutMs: number;
  /** Longer, and none at all, becomes this; a dead connection is found within one and a half times it. */
  readonly keepaliveSMax: number;
  /** Publishes of all clients that wait for their answer, as payload; beyond it each may have a few, so that none waits for another. */
  readonly inFlightBytesMax: number;
}

/** Who a client is and what it may do; `Client` is what admission found out about it. */
export interface MqttPolicy<Client> {
  /** A return code other than 0 is the refusal. */
  admit(packet: ConnectPacket): Promise<Client | ReturnCode>;
  /** Clients of different scopes may use the same client id without disturbing one another. */
  scopeOf(client: Client): string;
  /** @param done called once; anything but `Done` closes the connection. */
  publishFrom(
    client: Client,
    clientId: string,
    message: ServerPublish,
    done: (outcome: TopicOutcome) => void,
  ): void;
  maySubscribe(client: Client, filter: string, filterCount: number): boolean;
  /** Whether what it came in with is still good; asked once a second, for who only listens sends next to nothing. */
  mayStay(client: Client): boolean;
  /** Whether a will on this topic is published when its client goes without goodbye. */
  keepsWill(topic: string): boolean;
  /** A connection was closed for what its client did. */
  onFault(
    fault: string,
    about: { readonly clientId: string | undefined; readonly remote: string | undefined },
  ): void;
}

interface Session<Client> {
  readonly client: Client;
  readonly clientId: string;
  readonly key: string;
  readonly will: ServerPublish | undefined;
}

/** Publishes of one connection that wait for their answer, while those of all are few. */
const IN_FLIGHT_MAX = 256;
/** And while those of all are many: enough that the next is there when one is answered. */
const IN_FLIGHT_MIN = 4;
/** What a publish weighs beside its payload. */
const PUBLISH_OVERHEAD_BYTES = 256;
const SWEEP_MS = 1_000;
const QOS_MAX = 1;

/**
 * The server side of MQTT 3.1 and 3.1.1 as a gateway needs it: it keeps no sessions and no messages, hands each publish to its policy and
 * answers it only when that says so, and forwards with QoS 0. Clauses in comments are those of the OASIS standard.
 */
export class MqttServer<Client> implements ConnectionHost {
  readonly #policy: MqttPolicy<Client>;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #options: MqttServerOptions;
  readonly #connections = new Set<MqttServerConnection>();
  readonly #sessions = new Map<MqttServerConnection, Session<Client>>();
  readonly #byClientId = new Map<string, MqttServerConnection>();
  readonly #subscriptions = new TopicSubscriptions<MqttServerConnection>();
  #waiting: MqttServerConnection[] = [];
  readonly #demand: Demand;
  /** Connections with publishes that nobody wants just now. */
  readonly #line = new Fifo<MqttServerConnection>();
  /** Whose turn it was when the demand ended: it goes on first, so that its answers leave together. */
  #next: MqttServerConnection | undefined;
  #turnOf: MqttServerConnection | undefined;
  #isLineCalled = false;
  #inFlightBytes = 0;
  #nowMs: number;
  readonly #sweep: Timer;
  #namelessCount = 0;

  constructor(
    world: {
      readonly clock: Clock;
      readonly timers: Timers;
      readonly counters: Counters;
      readonly policy: MqttPolicy<Client>;
      readonly demand: Demand;
    },
    options: MqttServerOptions,
  ) {
    this.#policy = world.policy;
    this.#demand = world.demand;
    this.#demand.onOpen(() => this.#callLine());
    this.#clock = world.clock;
    this.#counters = world.counters;
    this.#options = options;
    this.#nowMs = this.#clock.monotonicMs();
    this.#sweep = world.timers.every(SWEEP_MS, () => this.#closeTheDead());
  }

  get packetBytesMax(): number {
    return this.#options.packetBytesMax;
  }

  get inFlightMax(): number {
    return this.#inFlightBytes > this.#options.inFlightBytesMax ? IN_FLIGHT_MIN : IN_FLIGHT_MAX;
  }

  /** Of the one whose turn it is, or of anyone where nobody waits: who has just sent something does not go before those in line. */
  get isMoreWanted(): boolean {
    const isLineEmpty = this.#line.count === 0 && this.#next === undefined;
    return this.#demand.isOpen && (isLineEmpty || this.#turnOf !== undefined);
  }

  waitForTurn(connection: MqttServerConnection): void {
    if (connection === this.#turnOf) this.#next = connection;
    else this.#line.push(connection);
  }

  handle(socket: Socket): void {
    this.#connections.add(new MqttServerConnection(this, socket));
  }

  /** To whoever subscribed, with QoS 0 and not retained. */
  forward(topic: string, payload: Uint8Array): void {
    let bytes: Buffer | undefined;
    for (const connection of this.#subscriptions.of(topic)) {
      bytes ??= publishPacket(topic, payload);
      connection.send(bytes);
    }
  }

  /** Not asked politely: a client that does not answer must not hold up the stop. */
  stop(): void {
    this.#sweep.cancel();
    for (const connection of this.#connections) connection.flush();
    for (const connection of [...this.#connections]) connection.destroy();
  }

  /** Of the last look; keep-alive needs no more. */
  nowMs(): number {
    return this.#nowMs;
  }

  async connect(connection: MqttServerConnection, packet: ConnectPacket): Promise<ReturnCode> {
    const keepaliveS = packet.keepalive ?? 0;
    const { keepaliveSMax } = this.#options;
    connection.keepaliveS = keepaliveS === 0 ? keepaliveSMax : Math.min(keepaliveS, keepaliveSMax);
    // Clause 3.1.3-8: without a name a session cannot outlive its connection.
    if (packet.clientId === "" && packet.clean === false) return ReturnCode.IdentifierRejected;
    const admitted = await this.#policy.admit(packet);
    if (typeof admitted === "number") return admitted as ReturnCode;
    if (!this.#connections.has(connection)) return ReturnCode.ServerUnavailable;
    const clientId = packet.clientId === "" ? `nameless-${this.#namelessCount++}` : packet.clientId;
    const key = `${this.#policy.scopeOf(admitted)} ${clientId}`;
    // Clause 3.1.4-2: the older connection of the same client ends.
    this.#byClientId.get(key)?.destroy();
    this.#byClientId.set(key, connection);
    const will = packet.will && this.#policy.keepsWill(packet.will.topic) ? willOf(packet.will) : undefined;
    this.#sessions.set(connection, { client: admitted, clientId, key, will });
    return ReturnCode.Accepted;
  }

  publish(
    connection: MqttServerConnection,
    message: ServerPublish,
    done: (outcome: TopicOutcome) => void,
  ): void {
    this.#inFlightBytes += message.payload.length + PUBLISH_OVERHEAD_BYTES;
    const session = this.#sessions.get(connection);
    if (session === undefined) done(TopicOutcome.Refused);
    else this.#policy.publishFrom(session.client, session.clientId, message, done);
  }

  settled(payloadBytes: number): void {
    this.#inFlightBytes -= payloadBytes + PUBLISH_OVERHEAD_BYTES;
  }

  subscribe(connection: MqttServerConnection, filter: string, qos: number): number | undefined {
    const session = this.#sessions.get(connection);
    if (session === undefined) return undefined;
    const count = connection.filters.size - (connection.filters.has(filter) ? 1 : 0);
    if (!this.#policy.maySubscribe(session.client, filter, count)) return undefined;
    connection.filters.add(filter);
    this.#subscriptions.add(filter, connection);
    return Math.min(qos, QOS_MAX);
  }

  unsubscribe(connection: MqttServerConnection, filter: string): void {
    if (connection.filters.delete(filter)) this.#subscriptions.remove(filter, connection);
  }

  /** What comes in one turn of the loop leaves in one write a client: a write costs as much as reading several frames. */
  wantsFlush(connection: MqttServerConnection): void {
    this.#waiting.push(connection);
    if (this.#waiting.length > 1) return;
    setImmediate(() => {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const one of waiting) one.flush();
    });
  }

  #callLine(): void {
    if (this.#isLineCalled || (this.#line.count === 0 && this.#next === undefined)) return;
    this.#isLineCalled = true;
    // Later: the commit that made room begins first.
    setImmediate(() => {
      this.#isLineCalled = false;
      this.#giveTurns();
    });
  }

  /** One connection after the other with all it has, rather than a little of each: a write to a client costs as much as ten publishes. */
  #giveTurns(): void {
    while (this.#demand.isOpen) {
      const connection = this.#next ?? this.#line.shift();
      if (connection === undefined) return;
      this.#next = undefined;
      this.#turnOf = connection;
      connection.takeTurn();
      this.#turnOf = undefined;
    }
  }

  fault(connection: MqttServerConnection, fault: MqttFault): void {
    this.#policy.onFault(fault, {
      clientId: this.#sessions.get(connection)?.clientId,
      remote: connection.remoteAddress,
    });
  }

  droppedForSlowReader(): void {
    this.#counters.add("mqtt_slow_reader_dropped_messages_total");
  }

  closed(connection: MqttServerConnection, isGraceful: boolean): void {
    this.#connections.delete(connection);
    for (const filter of connection.filters) this.#subscriptions.remove(filter, connection);
    const session = this.#sessions.get(connection);
    if (session === undefined) return;
    this.#sessions.delete(connection);
    if (this.#byClientId.get(session.key) === connection) this.#byClientId.delete(session.key);
    const { client, clientId, will } = session;
    if (will !== undefined && !isGraceful) this.#policy.publishFrom(client, clientId, will, () => {});
  }

  #closeTheDead(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#nowMs = nowMs;
    const { connectTimeoutMs, drainTimeoutMs } = this.#options;
    for (const [connection, { client }] of this.#sessions)
      if (!this.#policy.mayStay(client)) connection.destroy();
    for (const connection of this.#connections) {
      const silentMs = nowMs - connection.lastHeardMs;
      const { stuckSinceMs = nowMs } = connection;
      // Clause 3.1.2-24.
      const isSilent =
        !connection.isHeldBack && connection.isOpen && silentMs > 1_500 * connection.keepaliveS + SWEEP_MS;
      const isLate = !connection.isOpen && silentMs > connectTimeoutMs;
      const isStuck = nowMs - stuckSinceMs > drainTimeoutMs;
      if (!isSilent && !isLate && !isStuck) continue;
      this.#counters.add(isStuck ? "mqtt_stuck_connections_total" : "mqtt_silent_connections_total");
      connection.destroy();
    }
  }
}

function willOf(will: NonNullable<ConnectPacket["will"]>): ServerPublish {
  const { topic, payload, retain = false } = will;
  return { topic, payload: Buffer.from(payload), retain, dup: false };
}

function publishPacket(topic: string, payload: Uint8Array): Buffer {
  const topicBytes = Buffer.from(topic, "utf8");
  const head = lengthBytes(2 + topicBytes.length + payload.length);
  return Buffer.concat([
    Buffer.from([0x30, ...head, topicBytes.length >> 8, topicBytes.length & 0xff]),
    topicBytes,
    payload,
  ]);
}
