import type { Timer, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { ProcessLog } from "../host/log.ts";
import type { Random } from "../host/random.ts";
import { Backoff } from "./backoff.ts";
import { type BrokerSetting, shownBroker } from "./broker-setting.ts";
import { type TopicLink, type TopicListener, TopicOutcome } from "./link.ts";
import { MqttConnection } from "./mqtt-connection.ts";
import { TopicKind } from "./topic-route.ts";

export interface MqttBrokerOptions extends BrokerSetting {
  readonly project: string;
  /** The same at every start: the broker keeps what came while the gateway was away under this name. */
  readonly clientId: string;
}

const RECONNECT = { firstMs: 500, maxMs: 30_000 };

/** An external broker (docs/protocol.md 8.6): a session that outlives the connection, at least once, in order. */
export class MqttBrokerLink implements TopicLink {
  readonly senderWaits = false;
  readonly #timers: Timers;
  readonly #log: ProcessLog;
  readonly #counters: Counters;
  readonly #options: MqttBrokerOptions;
  readonly #backoff: Backoff;
  #listener: TopicListener | undefined;
  #connection: MqttConnection | undefined;
  #reconnectTimer: Timer | undefined;
  #stopped = false;
  #lastComplaint = "";

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

  /** For people and logs. */
  get name(): string {
    return shownBroker(this.#options.target);
  }

  /** Why it is of no use now, or not of all; undefined while all is well. */
  get problem(): string | undefined {
    const isConnected = this.#connection?.isUp ?? false;
    if (isConnected && this.#lastComplaint === "") return undefined;
    return `broker ${this.name}: ${this.#lastComplaint === "" ? "not connected yet" : this.#lastComplaint}`;
  }

  /** Resolves at once: the broker may come later. */
  async start(listener: TopicListener): Promise<void> {
    this.#listener = listener;
    this.#connect();
  }

  publish(topic: string, payload: Uint8Array): void {
    const isSent = this.#connection?.publish(topic, payload) ?? false;
    if (!isSent) this.#counters.add("mqtt_downlink_dropped_messages_total");
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#reconnectTimer?.cancel();
    this.#connection?.end();
    this.#connection = undefined;
  }

  /** A new connection each time: what the old one had not acked is the broker's to send again. */
  #connect(): void {
    const { target, clientId, keepaliveS, receiveMax } = this.#options;
    const connection = new MqttConnection(
      this.#timers,
      { target, clientId, keepaliveS, receiveMax },
      {
        onUp: (isSessionPresent) => this.#up(connection, isSessionPresent),
        onMessage: (message, done) => {
          this.#listener?.(message, (outcome) => {
            // Without a PUBACK it is sent again to the next connection; what is refused must not come for ever.
            if (outcome !== TopicOutcome.Stopped) done();
          });
        },
        onDown: (reason) => this.#down(reason),
      },
    );
    this.#connection = connection;
  }

  #up(connection: MqttConnection, isSessionPresent: boolean): void {
    this.#lastComplaint = "";
    this.#counters.add("mqtt_broker_connects_total");
    this.#log.info({ broker: this.name, isSessionPresent }, "connected to broker");
    const { routes, project } = this.#options;
    const subscriptions = routes.map(({ template, kind }) => ({
      filter: template.filter({ project }),
      retained: kind === TopicKind.Presence,
    }));
    void connection.subscribe(subscriptions).then((refused) => {
      const isWorth = refused.length < subscriptions.length;
      if (isWorth) this.#backoff.reset();
      if (refused.length === 0) return;
      this.#counters.add("mqtt_refused_by_broker_subscriptions_total", refused.length);
      this.#complain(`it refuses the subscription to ${refused.join(", ")}`);
      if (isWorth) return;
      connection.end();
      if (this.#connection === connection) this.#reconnectLater();
    });
  }

  #down(reason: string): void {
    if (this.#stopped) return;
    this.#complain(reason);
    this.#reconnectLater();
  }

  #reconnectLater(): void {
    this.#connection = undefined;
    this.#reconnectTimer = this.#timers.after(this.#backoff.takeMs(), () => this.#connect());
  }

  /** The same words once, however long the broker stays away. */
  #complain(complaint: string): void {
    if (complaint === this.#lastComplaint) return;
    this.#lastComplaint = complaint;
    this.#log.warn({ broker: this.name }, `broker: ${complaint}`);
  }
}
