import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { Aedes, type AedesOptions, type AuthenticateError, type Client } from "aedes";
import type { Counters } from "../host/counters.ts";
import type { ProcessLog } from "../host/log.ts";
import { FRAME_BYTES_MAX } from "../protocol/frame.ts";
import { type BrokerAuth, type BrokerClient, mayPublish, maySubscribe } from "./broker-rules.ts";
import { GuardedSocket } from "./guarded-socket.ts";
import { type TopicLink, type TopicListener, TopicOutcome } from "./link.ts";
import type { SeldomLog } from "./seldom-log.ts";
import { BOARD_ROUTES, TopicKind, type TopicRoute } from "./topic-route.ts";

export interface EmbeddedBrokerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Where `port` is taken, so many ports above it are tried. */
  readonly portsBeyond?: number;
  readonly packetBytesMax?: number;
  readonly connectionsMax?: number;
  /** What clients may publish; boards with the agent where absent. */
  readonly routes?: readonly TopicRoute[];
}

/** A frame, its topic and its head. */
const PACKET_BYTES_MAX = FRAME_BYTES_MAX + 1024;
/** Twice the boards that one gateway is measured with; each costs some 20 KB and a file descriptor. */
const CONNECTIONS_MAX = 20_000;
const SUBSCRIPTIONS_MAX = 32;
/** Boards that one connection may speak for, as a bridge does; names without end must not fill the gateway's tables. */
const DEVICES_MAX = 1_000;
/** Longer, and none at all, becomes this; a dead connection is found within one and a half times it. */
const KEEPALIVE_S_MAX = 1_200;
const CONNECT_TIMEOUT_MS = 10_000;
/** A subscriber that takes nothing for so long is disconnected, so that it holds up no other. */
const DRAIN_TIMEOUT_MS = 10_000;
/** Our topics have 4 levels, those of other firmware some more. */
const TOPIC_LEVELS_MAX = 32;

/** CONNACK return codes (MQTT 3.1.1, 3.2.2.3). */
const ReturnCode = { ServerUnavailable: 3, BadUserNameOrPassword: 4, NotAuthorized: 5 } as const;

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
export class EmbeddedBroker implements TopicLink {
  readonly senderWaits = true;
  readonly #auth: BrokerAuth;
  readonly #counters: Counters;
  readonly #log: ProcessLog;
  readonly #seldomLog: SeldomLog;
  readonly #options: EmbeddedBrokerOptions;
  readonly #routes: readonly TopicRoute[];
  readonly #clients = new WeakMap<Client, BrokerClient>();
  /** Boards that a connection with a project's key spoke for. */
  readonly #devices = new WeakMap<Client, Set<string>>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #aedes: Aedes | undefined;
  #listener: TopicListener | undefined;

  constructor(
    world: {
      readonly auth: BrokerAuth;
      readonly counters: Counters;
      readonly log: ProcessLog;
      readonly seldomLog: SeldomLog;
    },
    options: EmbeddedBrokerOptions,
  ) {
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
  async start(listener: TopicListener): Promise<void> {
    this.#listener = listener;
    const aedes = new Aedes(this.#aedesOptions());
    this.#aedes = aedes;
    aedes.on("clientError", (client, error) => this.#clientFailed(client, error));
    aedes.on("connectionError", (client, error) => this.#clientFailed(client, error));
    await aedes.listen();
    try {
      this.#server = await this.#listen();
    } catch (error) {
      await new Promise<void>((resolve) => aedes.close(resolve));
      throw error;
    }
    this.#log.info({ ...this.address }, "MQTT broker listening");
  }

  publish(topic: string, payload: Uint8Array): void {
    this.#aedes?.publish(
      { cmd: "publish", topic, payload: Buffer.from(payload), qos: 0, retain: false, dup: false },
      () => {},
    );
  }

  async stop(): Promise<void> {
    const server = this.#server;
    const aedes = this.#aedes;
    this.#server = undefined;
    this.#aedes = undefined;
    this.#listener = undefined;
    const closed = server && new Promise<void>((resolve) => server.close(() => resolve()));
    // Not asked politely: a client that does not answer must not hold up the stop.
    for (const socket of this.#sockets) socket.destroy();
    if (aedes) await new Promise<void>((resolve) => aedes.close(resolve));
    await closed;
  }

  async #listen(): Promise<Server> {
    const { host, port, portsBeyond = 0 } = this.#options;
    const server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#connect(socket));
    server.maxConnections = this.#options.connectionsMax ?? CONNECTIONS_MAX;
    server.on("drop", () => this.#counters.add("mqtt_connections_over_limit_total"));
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
    const aedes = this.#aedes;
    if (aedes === undefined) {
      socket.destroy();
      return;
    }
    this.#counters.add("mqtt_connections_total");
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    const guarded = new GuardedSocket(socket, {
      packetBytesMax: this.#options.packetBytesMax ?? PACKET_BYTES_MAX,
      onTooLarge: () => {
        this.#counters.add("mqtt_oversize_packets_total");
        this.#seldomLog.warn("oversize", { remote: socket.remoteAddress }, "MQTT packet too large: closed");
      },
    });
    aedes.handle(guarded);
  }

  #aedesOptions(): AedesOptions {
    return {
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: DRAIN_TIMEOUT_MS,
      maxTopicLevels: TOPIC_LEVELS_MAX,
      // With a limit the emitter inside queues what is beyond it behind a reader that does not read, and then empties the queue by
      // calling itself: some 10,000 acks or connections that end together overflow the stack (mqemitter/mqemitter.js, released).
      concurrency: 0,
      preConnect: (client, packet, done) => {
        if (packet.protocolVersion !== undefined && packet.protocolVersion > 4) {
          this.#counters.add("mqtt_refused_connects_total");
          this.#seldomLog.warn(
            "version 5",
            { clientId: packet.clientId },
            "an MQTT 5 client was refused: this broker speaks 3.1.1; set the client to protocol version 4, or use a broker of your own (--broker)",
          );
        }
        // No session outlives its connection: nothing is queued for absent clients, so nothing can pile up here.
        packet.clean = true;
        const keepaliveS = packet.keepalive ?? 0;
        packet.keepalive = keepaliveS === 0 ? KEEPALIVE_S_MAX : Math.min(keepaliveS, KEEPALIVE_S_MAX);
        // A will is for saying that a board went (docs/protocol.md 8.7), and for nothing else.
        if (packet.will !== undefined && this.#kindOf(packet.will.topic) !== TopicKind.Presence) {
          delete packet.will;
        }
        done(null, !client.closed);
      },
      authenticate: (client, userName, password, done) => {
        this.#authenticate(client, userName, password).then(
          (error) => done(error, error === null),
          (error: Error) => {
            this.#log.error({ error: error.message }, "MQTT credentials could not be checked");
            done(refusal(ReturnCode.ServerUnavailable), false);
          },
        );
      },
      authorizePublish: (client, packet, done) => {
        const broker = client && this.#clients.get(client);
        const listener = this.#listener;
        if (!broker || listener === undefined) return done(new Error("not taken"));
        const problem = this.#publishProblem(client, broker, packet.topic);
        if (problem !== undefined) return done(new Error(problem));
        const { topic, payload, retain } = packet;
        const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
        // Nothing is kept here: a presence that is to be kept is news all the same.
        const retained = retain && this.#kindOf(topic) !== TopicKind.Presence;
        listener({ topic, payload: bytes, retained, isRepeat: packet.dup, sender: broker }, (outcome) => {
          // An error closes the connection: MQTT 3.1.1 has no other way to say no.
          done(outcome === TopicOutcome.Done ? null : new Error(outcome));
        });
      },
      authorizeSubscribe: (client, subscription, done) => {
        const broker = this.#clients.get(client);
        const count = Object.keys((client as unknown as { subscriptions: object }).subscriptions).length;
        if (
          broker &&
          count < SUBSCRIPTIONS_MAX &&
          this.#auth.isStillGood(broker) &&
          maySubscribe(broker, subscription.topic, this.#routes)
        ) {
          return done(null, subscription);
        }
        this.#counters.add("mqtt_refused_subscriptions_total");
        done(null, null);
      },
    };
  }

  /** Why a client may not publish there, or undefined where it may. */
  #publishProblem(client: Client, broker: BrokerClient, topic: string): string | undefined {
    if (!this.#auth.isStillGood(broker)) {
      this.#counters.add("mqtt_revoked_connections_total");
      return "the credential has ended";
    }
    if (!mayPublish(broker, topic, this.#routes)) {
      this.#counters.add("mqtt_refused_publishes_total");
      const { project, device = "<device>" } = broker;
      this.#seldomLog.warn(
        `publish ${project} ${device}`,
        { project, clientId: client.id },
        `a publish was refused: this client may publish on boardlog/${project}/${device}/log`,
      );
      return "not a topic of this client";
    }
    if (broker.device !== undefined) return undefined;
    const device = this.#routes.map(({ template }) => template.match(topic)).find(Boolean)?.device;
    const devices = this.#devices.get(client) ?? new Set<string>();
    this.#devices.set(client, devices);
    if (device === undefined || devices.size < DEVICES_MAX || devices.has(device)) {
      if (device !== undefined) devices.add(device);
      return undefined;
    }
    this.#counters.add("mqtt_sources_over_limit_total");
    this.#seldomLog.warn(
      `sources ${broker.project}`,
      { project: broker.project, clientId: client.id },
      `one MQTT connection may speak for ${DEVICES_MAX} boards; it was closed`,
    );
    return "too many boards on one connection";
  }

  #kindOf(topic: string): TopicKind | undefined {
    return this.#routes.find(({ template }) => template.match(topic) !== undefined)?.kind;
  }

  async #authenticate(
    client: Client,
    userName: string | undefined,
    password: Buffer | undefined,
  ): Promise<AuthenticateError | null> {
    const isShown = userName !== undefined && password !== undefined;
    const broker = isShown ? await this.#auth.authenticate(userName, password.toString("utf8")) : undefined;
    if (broker !== undefined) {
      this.#clients.set(client, broker);
      return null;
    }
    this.#counters.add("mqtt_refused_connects_total");
    this.#seldomLog.warn(
      `auth ${userName ?? ""}`,
      { clientId: client.id, userName },
      "an MQTT client was refused: user name and password are a board's name and its own secret (boardlog devices add), or the project and an API key with the rights to write and to log on behalf of others",
    );
    return refusal(isShown ? ReturnCode.BadUserNameOrPassword : ReturnCode.NotAuthorized);
  }

  #clientFailed(client: Client, error: Error): void {
    this.#counters.add("mqtt_failed_connections_total");
    this.#log.debug({ clientId: client.id, reason: error.message }, "MQTT connection closed");
  }
}

function refusal(returnCode: number): AuthenticateError {
  return Object.assign(new Error(`refused with return code ${returnCode}`), { returnCode });
}
