import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import type { Timer, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { ProcessLog } from "../host/log.ts";
import type { Random } from "../host/random.ts";
import { logTopicFilter } from "../protocol/mqtt-topics.ts";
import { Backoff } from "./backoff.ts";
import { type TopicLink, type TopicListener, TopicOutcome } from "./link.ts";

export interface MqttBrokerOptions {
  /** `mqtt://user:password@host:port` or `mqtts://...`. */
  readonly url: string;
  readonly project: string;
  /** The same at every start: the broker keeps what came while the gateway was away under this name. */
  readonly clientId: string;
  readonly keepaliveS?: number;
}

const RECONNECT = { firstMs: 500, maxMs: 30_000 };
const KEEPALIVE_S = 60;
const CONNECT_TIMEOUT_MS = 20_000;
const QOS = 1;

const PROTOCOLS: readonly string[] = ["mqtt:", "mqtts:", "tcp:", "ssl:", "ws:", "wss:"];

/** A broker address that can never work. */
export class BadBrokerUrl extends Error {
  readonly code = "BAD_BROKER_URL";
  constructor() {
    super("broker: must be a URL such as mqtt://user:password@host:1883 or mqtts://host:8883");
    this.name = "BadBrokerUrl";
  }
}

/** An external broker (docs/protocol.md 8.6): a session that outlives the connection, at least once, in order. */
export class MqttBrokerLink implements TopicLink {
  readonly senderWaits = false;
  readonly #timers: Timers;
  readonly #log: ProcessLog;
  readonly #counters: Counters;
  readonly #options: MqttBrokerOptions;
  readonly #backoff: Backoff;
  #listener: TopicListener | undefined;
  #client: MqttClient | undefined;
  #reconnectTimer: Timer | undefined;
  #stopped = false;
  #lastComplaint = "";
  /** One for each message that waits: one of this connection, and those of broken ones. */
  readonly #stalls = new Set<Timer>();

  constructor(
    world: {
      readonly timers: Timers;
      readonly random: Random;
      readonly log: ProcessLog;
      readonly counters: Counters;
    },
    options: MqttBrokerOptions,
  ) {
    this.#timers = world.timers;
    this.#log = world.log;
    this.#counters = world.counters;
    this.#options = options;
    this.#backoff = new Backoff(world.random, RECONNECT);
  }

  get #keepaliveS(): number {
    return this.#options.keepaliveS ?? KEEPALIVE_S;
  }

  get isConnected(): boolean {
    return this.#client?.connected ?? false;
  }

  /**
   * Resolves at once: the broker may come later.
   * @throws BadBrokerUrl
   */
  async start(listener: TopicListener): Promise<void> {
    if (brokerUrl(this.#options.url) === undefined) throw new BadBrokerUrl();
    this.#listener = listener;
    this.#connect();
  }

  publish(topic: string, payload: Uint8Array): void {
    const client = this.#client;
    if (client?.connected) client.publish(topic, Buffer.from(payload), { qos: 0 });
    else this.#counters.add("mqtt_downlink_dropped_messages_total");
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#reconnectTimer?.cancel();
    for (const stall of this.#stalls) stall.cancel();
    this.#stalls.clear();
    const client = this.#client;
    this.#client = undefined;
    // By force, and not waited for: asked politely, MQTT.js waits for answers that a stalled connection never reads.
    client?.end(true);
  }

  /** A new client each time: what the old one held of a broken connection is the broker's to send again. */
  #connect(): void {
    const { url, project, clientId } = this.#options;
    const settings: IClientOptions = {
      clientId,
      clean: false,
      keepalive: this.#keepaliveS,
      connectTimeout: CONNECT_TIMEOUT_MS,
      protocolVersion: 4,
      reconnectPeriod: 0,
      queueQoSZero: false,
      resubscribe: false,
    };
    const client = mqtt.connect(url, settings);
    this.#client = client;
    client.on("error", (error) => this.#complain(error.message));
    let wasConnected = false;
    client.on("connect", (connack) => {
      wasConnected = true;
      this.#backoff.reset();
      this.#lastComplaint = "";
      this.#counters.add("mqtt_broker_connects_total");
      this.#log.info(
        { broker: this.#shownUrl(), sessionPresent: connack.sessionPresent },
        "connected to broker",
      );
      client.subscribe(logTopicFilter(project), { qos: QOS }, (error, granted) => {
        const isRefused = granted?.some(({ qos }) => qos > QOS) ?? false;
        if (error === null && !isRefused) return;
        this.#complain(`the broker refuses the subscription to ${logTopicFilter(project)}`);
        client.end(true);
      });
    });
    client.on("close", () => {
      if (this.#client !== client || this.#stopped) return;
      if (wasConnected) this.#complain("connection lost");
      this.#client = undefined;
      client.end(true);
      this.#reconnectTimer = this.#timers.after(this.#backoff.takeMs(), () => this.#connect());
    });
    client.handleMessage = (packet, done) => {
      const listener = this.#listener;
      if (listener === undefined || this.#stopped || this.#client !== client) return;
      const { topic, payload, retain } = packet;
      const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
      const stall = this.#keepAliveWhileStalled(client);
      listener({ topic, payload: bytes, retained: retain }, (outcome) => {
        stall.cancel();
        this.#stalls.delete(stall);
        // Without a PUBACK the broker sends it again to the next connection; what is refused must not come for ever.
        if (outcome !== TopicOutcome.Stopped && this.#client === client) done();
      });
    };
  }

  /**
   * MQTT.js reads nothing while a message waits for its commit, not even the answers to its pings, and would give the connection
   * up. So it is told that it is well, and the broker is pinged on its behalf; a connection that is really gone fails in TCP.
   */
  #keepAliveWhileStalled(client: MqttClient): Timer {
    const stall = this.#timers.every(this.#keepaliveS * 500, () => {
      if (!client.connected) return;
      client.sendPing();
      client.reschedulePing(true);
    });
    this.#stalls.add(stall);
    return stall;
  }

  /** The same words once, however long the broker stays away. */
  #complain(complaint: string): void {
    if (complaint === this.#lastComplaint) return;
    this.#lastComplaint = complaint;
    this.#log.warn({ broker: this.#shownUrl() }, `broker: ${complaint}`);
  }

  #shownUrl(): string {
    return withoutCredentials(this.#options.url);
  }
}

/** A URL that may be logged. */
export function withoutCredentials(url: string): string {
  const parsed = brokerUrl(url);
  return parsed === undefined ? "(no broker URL)" : `${parsed.protocol}//${parsed.host}`;
}

function brokerUrl(text: string): URL | undefined {
  try {
    const url = new URL(text);
    return PROTOCOLS.includes(url.protocol) && url.host !== "" ? url : undefined;
  } catch {
    return undefined;
  }
}
