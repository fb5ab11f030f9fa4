import { type TopicLink, type TopicListener, TopicOutcome } from "../gateway/link.ts";
import type { Timers } from "../host/clock.ts";
import type { FaultPlan } from "./fault-plan.ts";
import type { ProcessLife } from "./process-life.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** Messages a broker of somebody else keeps for a gateway that is away; beyond it the newest is thrown away. */
const QUEUED_MAX = 1000;
/** QoS 1 messages of a board that wait for a PUBACK; beyond it the board's link takes nothing. */
const IN_FLIGHT_MAX = 20;
const RECONNECT_MS = 1000;

export interface BrokerWorld {
  readonly timers: Timers;
  readonly random: SeededRandom;
  readonly plan: FaultPlan;
  readonly nowMs: () => number;
}

interface Publish {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly onSettled: (isTaken: boolean) => void;
}

/**
 * An MQTT broker: embedded in a gateway (it dies with it, and a PUBACK waits for the gateway), or somebody else's (a PUBACK
 * promises nothing, several gateways may hear it, and what one has not answered comes again when it connects).
 */
export class TopicBroker {
  readonly isEmbedded: boolean;
  readonly #world: BrokerWorld;
  readonly #clients = new Set<BoardClient>();
  /** By gateway. */
  readonly #sessions = new Map<string, GatewaySession>();
  /** Told of what a gateway publishes, before anything happens to it. */
  onPublishDown: (payload: Uint8Array, gateway: string) => void = () => {};
  isQuiet = false;

  constructor(world: BrokerWorld, options: { readonly isEmbedded: boolean }) {
    this.#world = world;
    this.isEmbedded = options.isEmbedded;
  }

  /** A gateway's end, for one life of it. */
  open(gateway: string, life: ProcessLife): TopicLink {
    let session = this.#sessions.get(gateway);
    if (session === undefined) {
      session = new GatewaySession(this, this.#world);
      this.#sessions.set(gateway, session);
    }
    return new GatewayLink(this, session, gateway, life);
  }

  addClient(topics: { readonly log: string; readonly command: string }, events: ClientEvents): BoardClient {
    const client = new BoardClient(this, this.#world, topics, events);
    this.#clients.add(client);
    return client;
  }

  removeClient(client: BoardClient): void {
    this.#clients.delete(client);
  }

  /** Whether boards can connect. */
  get isUp(): boolean {
    return !this.isEmbedded || [...this.#sessions.values()].some((session) => session.isUp);
  }

  /** A broker of somebody else is killed and forgets everything, sessions and queued messages too. */
  forgetEverything(): void {
    if (this.isEmbedded) return;
    for (const session of this.#sessions.values()) session.forget();
    for (const client of this.#clients) client.cut();
  }

  /** A gateway's connection breaks and comes back. */
  cutGateway(gateway: string): void {
    if (!this.isEmbedded) this.#sessions.get(gateway)?.cut();
  }

  gatewayGone(gateway: string): void {
    this.#sessions.get(gateway)?.pauseDelivery();
    if (!this.isEmbedded) return;
    for (const client of this.#clients) client.cut();
  }

  /** A board's publish has arrived here. */
  take(publish: Publish): void {
    const sessions = [...this.#sessions.values()];
    if (this.isEmbedded) {
      for (const session of sessions) session.hand(publish);
      return;
    }
    publish.onSettled(true);
    for (const session of sessions) session.take(publish);
  }

  /** From a gateway, QoS 0. */
  publishDown(topic: string, payload: Uint8Array, gateway: string): void {
    this.onPublishDown(payload, gateway);
    for (const client of this.#clients) if (client.topics.command === topic) client.hear(payload);
  }
}

/** What a broker holds for one gateway, in order; the first may be under way. */
class GatewaySession {
  readonly #broker: TopicBroker;
  readonly #world: BrokerWorld;
  readonly #queue: Publish[] = [];
  #link: GatewayLink | undefined;
  #isKept = false;
  #isDelivering = false;

  constructor(broker: TopicBroker, world: BrokerWorld) {
    this.#broker = broker;
    this.#world = world;
  }

  get isUp(): boolean {
    return this.#link?.isUp === true;
  }

  connected(link: GatewayLink): void {
    this.#link = link;
    this.#isKept = true;
    this.#isDelivering = false;
    this.#deliverNext();
  }

  cut(): void {
    this.#isDelivering = false;
    this.#link?.reconnect();
  }

  pauseDelivery(): void {
    this.#isDelivering = false;
  }

  forget(): void {
    this.#queue.length = 0;
    this.#isKept = false;
    this.cut();
  }

  /** The broker is in the gateway's process: nothing is kept. */
  hand(publish: Publish): void {
    const link = this.#link;
    if (link?.isUp) link.hear(publish, (outcome) => publish.onSettled(outcome === TopicOutcome.Done));
  }

  take(publish: Publish): void {
    if (!this.#isKept || this.#queue.length >= QUEUED_MAX) return;
    const { random, plan } = this.#world;
    const { isQuiet } = this.#broker;
    this.#queue.push(publish);
    if (!isQuiet && random.chance(plan.amount("mqttDuplicate"))) this.#queue.push(publish);
    if (!isQuiet && this.#queue.length > 2 && random.chance(plan.amount("mqttReorder"))) {
      // Never the first: it may be under way.
      const at = 1 + random.below(this.#queue.length - 2);
      this.#queue.splice(at, 2, ...this.#queue.slice(at, at + 2).reverse());
    }
    this.#deliverNext();
  }

  #deliverNext(): void {
    const link = this.#link;
    const publish = this.#queue[0];
    if (this.#isDelivering || publish === undefined || !link?.isUp) return;
    this.#isDelivering = true;
    const { timers, random, plan } = this.#world;
    const { connection } = link;
    const slow = this.#broker.isQuiet ? 0 : plan.amount("slowLink");
    const isSame = (): boolean => link === this.#link && connection === link.connection;
    timers.after(random.between(0.1, 2 + 60 * slow), () => {
      if (!isSame() || !link.isUp) return;
      link.hear(publish, (outcome) => {
        if (outcome === TopicOutcome.Stopped || !isSame() || this.#queue[0] !== publish) return;
        this.#queue.shift();
        this.#isDelivering = false;
        this.#deliverNext();
      });
    });
  }
}

class GatewayLink implements TopicLink {
  readonly senderWaits: boolean;
  readonly #broker: TopicBroker;
  readonly #session: GatewaySession;
  readonly #gateway: string;
  readonly #life: ProcessLife;
  #listener: TopicListener | undefined;
  #stopped = false;
  #isConnected = false;
  /** A new number for each connection. */
  connection = 0;

  constructor(broker: TopicBroker, session: GatewaySession, gateway: string, life: ProcessLife) {
    this.#broker = broker;
    this.#session = session;
    this.#gateway = gateway;
    this.#life = life;
    this.senderWaits = broker.isEmbedded;
  }

  get isUp(): boolean {
    return this.#life.isAlive && this.#isConnected && !this.#stopped;
  }

  async start(listener: TopicListener): Promise<void> {
    this.#listener = listener;
    this.#connect();
  }

  publish(topic: string, payload: Uint8Array): void {
    if (this.isUp) this.#broker.publishDown(topic, payload, this.#gateway);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#broker.gatewayGone(this.#gateway);
  }

  reconnect(): void {
    this.#isConnected = false;
    this.#life.after(RECONNECT_MS, () => this.#connect());
  }

  hear(publish: Publish, done: (outcome: TopicOutcome) => void): void {
    const { topic, payload } = publish;
    this.#listener?.({ topic, payload, retained: false }, (outcome) => {
      if (this.#life.isAlive) done(outcome);
    });
  }

  #connect(): void {
    if (this.#stopped || this.#isConnected) return;
    this.#isConnected = true;
    this.connection++;
    this.#session.connected(this);
  }
}

export interface ClientEvents {
  readonly onConnected: () => void;
  readonly onMessage: (payload: Uint8Array) => void;
  readonly onWritable: () => void;
}

/** A board's MQTT client: QoS 1 up, what was not acked by the broker perhaps again after a reconnect. */
export class BoardClient {
  readonly #broker: TopicBroker;
  readonly #world: BrokerWorld;
  readonly topics: { readonly log: string; readonly command: string };
  readonly #events: ClientEvents;
  #connection = 0;
  #isConnected = false;
  #wanted = true;
  #upAtMs = 0;
  #downAtMs = 0;
  #isFull = false;
  /** Published and not acked by the broker, by number. */
  readonly #inFlight = new Map<number, Uint8Array>();
  #number = 0;

  constructor(
    broker: TopicBroker,
    world: BrokerWorld,
    topics: { readonly log: string; readonly command: string },
    events: ClientEvents,
  ) {
    this.#broker = broker;
    this.#world = world;
    this.topics = topics;
    this.#events = events;
    this.#tryLater(world.random.between(0, 500));
  }

  /** False: not now; `onWritable` or `onConnected` follows. */
  publish(payload: Uint8Array): boolean {
    if (!this.#isConnected || this.#inFlight.size >= IN_FLIGHT_MAX) {
      this.#isFull = this.#isConnected;
      return false;
    }
    const number = ++this.#number;
    this.#inFlight.set(number, payload);
    this.#send(number, payload);
    return true;
  }

  /** The connection breaks; what is on the way is lost. Comes back by itself. */
  cut(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    this.#connection++;
    this.#tryLater(this.#world.random.between(200, 3000));
  }

  /** The board is gone, and with it what it held. */
  end(): void {
    this.#wanted = false;
    this.#isConnected = false;
    this.#connection++;
    this.#inFlight.clear();
    this.#broker.removeClient(this);
  }

  /** From the broker, QoS 0: lost, doubled or late by chance. */
  hear(payload: Uint8Array): void {
    if (!this.#isConnected) return;
    const { random, plan } = this.#world;
    const quiet = this.#broker.isQuiet;
    if (!quiet && random.chance(plan.amount("mqttLoss"))) return;
    const copies = !quiet && random.chance(plan.amount("mqttDuplicate")) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const isLate = !quiet && random.chance(plan.amount("mqttReorder"));
      const delayMs = this.#delayMs() + (isLate ? random.between(5, 300) : 0);
      if (!isLate) this.#downAtMs = Math.max(this.#downAtMs, this.#world.nowMs()) + delayMs;
      const dueMs = isLate ? this.#world.nowMs() + delayMs : this.#downAtMs;
      this.#onConnection(dueMs - this.#world.nowMs(), () => this.#events.onMessage(payload));
    }
  }

  #send(number: number, payload: Uint8Array): void {
    this.#upAtMs = Math.max(this.#upAtMs, this.#world.nowMs()) + this.#delayMs();
    this.#onConnection(this.#upAtMs - this.#world.nowMs(), () => {
      const connection = this.#connection;
      this.#broker.take({
        topic: this.topics.log,
        payload,
        onSettled: (isTaken) => {
          if (connection !== this.#connection) return;
          if (!isTaken) this.cut();
          else this.#onConnection(this.#delayMs(), () => this.#acked(number));
        },
      });
    });
  }

  #acked(number: number): void {
    this.#inFlight.delete(number);
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#events.onWritable();
  }

  #delayMs(): number {
    const slow = this.#broker.isQuiet ? 0 : this.#world.plan.amount("slowLink");
    return this.#world.random.between(0.2, 5 + 150 * slow);
  }

  #onConnection(delayMs: number, action: () => void): void {
    const connection = this.#connection;
    this.#world.timers.after(delayMs, () => {
      if (connection === this.#connection && this.#isConnected) action();
    });
  }

  #tryLater(delayMs: number): void {
    this.#world.timers.after(delayMs, () => {
      if (!this.#wanted || this.#isConnected) return;
      if (this.#broker.isUp) this.#connect();
      else this.#tryLater(RECONNECT_MS);
    });
  }

  #connect(): void {
    this.#isConnected = true;
    this.#isFull = false;
    this.#connection++;
    const { random, plan } = this.#world;
    const again = random.chance(plan.amount("mqttRedelivery"));
    if (!again) this.#inFlight.clear();
    for (const [number, payload] of this.#inFlight) this.#send(number, payload);
    this.#events.onConnected();
  }
}
