import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Clock, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { ProcessLog } from "../host/log.ts";
import { FRAME_BYTES_MAX } from "../protocol/frame.ts";
import { type BrokerAuth, type BrokerClient, mayPublish, maySubscribe } from "./broker-rules.ts";
import { DEVICES_MAX_DEFAULT } from "./devices-max.ts";
import { type Demand, type TopicLink, type TopicListener, TopicOutcome } from "./link.ts";
import type { ConnectPacket } from "./mqtt-packets.ts";
import { type MqttPolicy, MqttServer } from "./mqtt-server.ts";
import { MqttFault, ReturnCode, type ServerPublish } from "./mqtt-server-connection.ts";
import type { SeldomLog } from "./seldom-log.ts";
import { BOARD_ROUTES, TopicKind, type TopicRoute } from "./topic-route.ts";

export interface EmbeddedBrokerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Where `port` is taken, so many ports above it are tried. */
  readonly portsBeyond?: number;
  readonly packetBytesMax?: number;
  /** Each costs some KB and a file descriptor. */
  readonly connectionsMax?: number;
  /** What clients may publish; boards with the agent where absent. */
  readonly routes?: readonly TopicRoute[];
}

/** A frame, its topic and its head. */
const PACKET_BYTES_MAX = FRAME_BYTES_MAX + 1024;
const SUBSCRIPTIONS_MAX = 32;
/** Boards that one connection may speak for, as a bridge does; names without end must not fill the gateway's tables. */
const DEVICES_MAX = 1_000;
/** Of a client, remembered as its own: a board publishes on one or two. */
const TOPICS_MAX = 64;
/** Longer, and none at all, becomes this; a dead connection is found within one and a half times it. */
const KEEPALIVE_S_MAX = 1_200;
const CONNECT_TIMEOUT_MS = 10_000;
/** A subscriber that takes nothing for so long is disconnected, so that it holds up no other. */
const DRAIN_TIMEOUT_MS = 10_000;
/** What a few commits take: what waits longer waits better with its sender, for here it is kept decoded. */
const IN_FLIGHT_BYTES_MAX = 4 * 1024 * 1024;

/** A client, the boards that it spoke for where it has a project's key, and topics that it was found to be free to publish on. */
interface Admitted {
  readonly broker: BrokerClient;
  readonly devices: Set<string>;
  readonly topics: Set<string>;
}

/** The broker could not listen; `code` is the system's (EADDRINUSE, EACCES, ...). */
export class BrokerListenError extends Error {
  readonly code: string;
  constructor(host: string, port: number, cause: NodeJS.ErrnoException) {
    super(`the MQTT broker cannot listen on ${host}:${port}: ${cause.message}`, { cause });
    this.name = "BrokerListenError";
    this.code = cause.code ?? "BROKER_LISTEN";
  }
}

/**
 * The MQTT broker inside the gateway (docs/protocol.md 8.4): speaks 3.1 and 3.1.1, keeps no sessions and no messages, and says
 * PUBACK only when the listener says that the frame is durable.
 */
export class EmbeddedBroker implements TopicLink, MqttPolicy<Admitted> {
  readonly senderWaits = true;
  readonly #world: { readonly clock: Clock; readonly timers: Timers; readonly counters: Counters };
  readonly #auth: BrokerAuth;
  readonly #counters: Counters;
  readonly #log: ProcessLog;
  readonly #seldomLog: SeldomLog;
  readonly #options: EmbeddedBrokerOptions;
  readonly #routes: readonly TopicRoute[];
  #server: Server | undefined;
  #mqtt: MqttServer<Admitted> | undefined;
  #listener: TopicListener | undefined;

  constructor(
    world: {
      readonly auth: BrokerAuth;
      readonly clock: Clock;
      readonly timers: Timers;
      readonly counters: Counters;
      readonly log: ProcessLog;
      readonly seldomLog: SeldomLog;
    },
    options: EmbeddedBrokerOptions,
  ) {
    this.#world = world;
    this.#auth = world.auth;
    this.#counters = world.counters;
    this.#log = world.log;
    this.#seldomLog = world.seldomLog;
    this.#options = options;
    this.#routes = options.routes ?? BOARD_ROUTES;
  }

  /** Where it listens, once started. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    const address = this.#server?.address() as AddressInfo | null | undefined;
    return address ? { host: address.address, port: address.port } : undefined;
  }

  /** @throws BrokerListenError */
  async start(listener: TopicListener, demand: Demand): Promise<void> {
    this.#listener = listener;
    const mqtt = new MqttServer(
      { ...this.#world, policy: this, demand },
      {
        packetBytesMax: this.#options.packetBytesMax ?? PACKET_BYTES_MAX,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        drainTimeoutMs: DRAIN_TIMEOUT_MS,
        keepaliveSMax: KEEPALIVE_S_MAX,
        inFlightBytesMax: IN_FLIGHT_BYTES_MAX,
      },
    );
    this.#mqtt = mqtt;
    try {
      this.#server = await this.#listen();
    } catch (error) {
      mqtt.stop();
      throw error;
    }
    this.#log.info({ ...this.address }, "MQTT broker listening");
  }

  publish(topic: string, payload: Uint8Array): void {
    this.#mqtt?.forward(topic, payload);
  }

  async stop(): Promise<void> {
    const server = this.#server;
    const mqtt = this.#mqtt;
    this.#server = undefined;
    this.#mqtt = undefined;
    this.#listener = undefined;
    const closed = server && new Promise<void>((resolve) => server.close(() => resolve()));
    mqtt?.stop();
    await closed;
  }

  async #listen(): Promise<Server> {
    const { host, port, portsBeyond = 0 } = this.#options;
    const server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#connect(socket));
    const { connectionsMax = DEVICES_MAX_DEFAULT } = this.#options;
    server.maxConnections = connectionsMax;
    server.on("drop", () => {
      this.#counters.add("mqtt_connections_over_limit_total");
      const text =
        "more MQTT connections than the gateway takes: further ones are dropped; set mqtt.connectionsMax, or devicesMax, higher";
      this.#seldomLog.warn("connections", { connectionsMax }, text);
    });
    for (let tried = port; ; tried++) {
      try {
        await new Promise<void>((resolve, reject) => {
          server.once("error", reject);
          server.listen({ host, port: tried }, () => {
            server.off("error", reject);
            resolve();
          });
        });
        server.on("error", (error) => this.#log.error({ error: error.message }, "MQTT listener failed"));
        return server;
      } catch (error) {
        const cause = error as NodeJS.ErrnoException;
        if (cause.code !== "EADDRINUSE" || tried >= port + portsBeyond || tried >= 65_535) {
          throw new BrokerListenError(host, tried, cause);
        }
      }
    }
  }

  #connect(socket: Socket): void {
    this.#counters.add("mqtt_connections_total");
    if (this.#mqtt === undefined) socket.destroy();
    else this.#mqtt.handle(socket);
  }

  scopeOf({ broker: { project, device } }: Admitted): string {
    return device === undefined ? project : `${project}/${device}`;
  }

  /** A will is for saying that a board went (docs/protocol.md 8.7), and for nothing else. */
  keepsWill(topic: string): boolean {
    return this.#kindOf(topic) === TopicKind.Presence;
  }

  publishFrom(
    client: Admitted,
    clientId: string,
    message: ServerPublish,
    done: (outcome: TopicOutcome) => void,
  ): void {
    const { topic, payload, retain } = message;
    const listener = this.#listener;
    if (listener === undefined || !this.#mayPublish(client, topic, clientId)) {
      done(TopicOutcome.Refused);
      return;
    }
    // Nothing is kept here: a presence that is to be kept is news all the same.
    const retained = retain && this.#kindOf(topic) !== TopicKind.Presence;
    listener({ topic, payload, retained, isRepeat: message.dup, sender: client.broker }, done);
  }

  maySubscribe({ broker }: Admitted, filter: string, filterCount: number): boolean {
    const isFine =
      filterCount < SUBSCRIPTIONS_MAX &&
      this.#auth.isStillGood(broker) &&
      maySubscribe(broker, filter, this.#routes);
    if (!isFine) this.#counters.add("mqtt_refused_subscriptions_total");
    return isFine;
  }

  mayStay({ broker }: Admitted): boolean {
    const isStillGood = this.#auth.isStillGood(broker);
    if (!isStillGood) this.#counters.add("mqtt_revoked_connections_total");
    return isStillGood;
  }

  onFault(
    fault: MqttFault,
    about: { readonly clientId: string | undefined; readonly remote: string | undefined },
  ): void {
    if (fault === MqttFault.TooLarge) {
      this.#counters.add("mqtt_oversize_packets_total");
      this.#seldomLog.warn("oversize", about, "MQTT packet too large: closed");
    } else if (fault === MqttFault.Version5) {
      this.#counters.add("mqtt_refused_connects_total");
      this.#seldomLog.warn(
        "version 5",
        about,
        "an MQTT 5 client was refused: this broker speaks 3.1.1; set the client to protocol version 4, or use a broker of your own (--broker)",
      );
    } else {
      this.#counters.add("mqtt_failed_connections_total");
      this.#log.debug({ ...about, fault }, "MQTT connection closed");
    }
  }

  /** Whether a client may publish there; where not, that is counted and said. */
  #mayPublish(client: Admitted, topic: string, clientId: string): boolean {
    if (!this.mayStay(client)) return false;
    if (client.topics.has(topic)) return true;
    const isAllowed = this.#isAllowed(client, topic, clientId);
    if (isAllowed && client.topics.size < TOPICS_MAX) client.topics.add(topic);
    return isAllowed;
  }

  #isAllowed({ broker, devices }: Admitted, topic: string, clientId: string): boolean {
    const { project } = broker;
    if (!mayPublish(broker, topic, this.#routes)) {
      this.#counters.add("mqtt_refused_publishes_total");
      const { device = "<device>" } = broker;
      this.#seldomLog.warn(
        `publish ${project} ${device}`,
        { project, clientId },
        `a publish was refused: this client may publish on boardlog/${project}/${device}/log`,
      );
      return false;
    }
    if (broker.device !== undefined) return true;
    const device = this.#routes.map(({ template }) => template.match(topic)).find(Boolean)?.device;
    if (device === undefined || devices.has(device)) return true;
    if (devices.size < DEVICES_MAX) {
      devices.add(device);
      return true;
    }
    this.#counters.add("mqtt_sources_over_limit_total");
    this.#seldomLog.warn(
      `sources ${project}`,
      { project, clientId },
      `one MQTT connection may speak for ${DEVICES_MAX} boards; it was closed`,
    );
    return false;
  }

  #kindOf(topic: string): TopicKind | undefined {
    return this.#routes.find(({ template }) => template.match(topic) !== undefined)?.kind;
  }

  async admit({ username, password, clientId }: ConnectPacket): Promise<Admitted | ReturnCode> {
    const isShown = username !== undefined && password !== undefined;
    let broker: BrokerClient | undefined;
    try {
      broker = isShown ? await this.#auth.authenticate(username, password.toString("utf8")) : undefined;
    } catch (error) {
      this.#log.error({ error: (error as Error).message }, "MQTT credentials could not be checked");
      return ReturnCode.ServerUnavailable;
    }
    if (broker !== undefined) return { broker, devices: new Set(), topics: new Set() };
    this.#counters.add("mqtt_refused_connects_total");
    this.#seldomLog.warn(
      `auth ${username ?? ""}`,
      { clientId, userName: username },
      "an MQTT client was refused: user name and password are a board's name and its own secret (boardlog devices add), or the project and an API key with the rights to write and to log on behalf of others",
    );
    return isShown ? ReturnCode.BadUserNameOrPassword : ReturnCode.NotAuthorized;
  }
}
