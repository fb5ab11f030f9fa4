import {
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
  type MsgRequest,
  RetentionPolicy,
  StorageType,
  type StoredMsg,
} from "@nats-io/jetstream";
import {
  type ConnectionOptions,
  connect,
  createInbox,
  credsAuthenticator,
  type NatsConnection,
} from "@nats-io/transport-node";
import type { Clock, Timers } from "../../../host/clock.ts";
import { pause } from "../../../host/pause.ts";
import { StoreUnavailable } from "../log-store.ts";
import { type AskingAgain, askAgain, type DoStep } from "./ask-again.ts";
import type {
  EngineFollower,
  EngineMessage,
  MessageEngine,
  PublishOutcome,
  ScanStart,
  StreamState,
} from "./message-engine.ts";
import { NatsFollower } from "./nats-follower.ts";
import { NatsReaders } from "./nats-reader.ts";
import { NatsReplicas } from "./nats-replicas.ts";
import type { PeerLine } from "./peer-line.ts";

/** How long the cluster may take for one answer, ms. */
const ANSWER_MS_MAX = 5_000;
/** A node that is gone is seen after two of these at most, ms. */
const PING_MS = 2_000;
const RECONNECT_MS = 250;
/** How long a read waits for a new leader, or for this client to see that its node is cut off and to go to another, ms. */
const LEADER_MS_MAX = 12_000;
const ASK_AGAIN_MS = 150;
/** What a server takes unless it is told otherwise. */
const PAYLOAD_BYTES_DEFAULT = 1 << 20;
/** Messages of one slice of a scan. */
const SLICE_MAX = 500;
/** How long a slice may take to come, ms. */
const SLICE_MS_MAX = 5_000;
/** Before a replica that lags is looked at again, ms. */
const PAUSE_MS = 20;
/** How long a deletion waits for replicas that lag, ms: one that is away catches up by itself. */
const PURGE_MS_MAX = 1_000;
/** Codes of the server's errors. */
const Code = { WrongLastSequence: 10071, NoStream: 10059 } as const;

export interface NatsEngineOptions {
  /** `nats://host:port` or `tls://host:port`. */
  readonly servers: readonly string[];
  readonly replicas: number;
  readonly user?: string;
  readonly password?: string;
  /** As `nsc` writes it. */
  readonly credentials?: string;
  /** PEM texts. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Of the connection, for the cluster's own logs. */
  readonly name?: string;
}

interface EngineWorld {
  readonly clock: Clock;
  readonly timers: Timers;
}

/** The engine of the JetStream driver: with the other `nats-*.ts`, what speaks to a NATS cluster. */
export class NatsEngine implements MessageEngine, PeerLine {
  readonly replicas: NatsReplicas;
  readonly #connection: NatsConnection;
  readonly #client: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #readers: NatsReaders;
  readonly #replicaCount: number;
  readonly #world: EngineWorld;
  readonly #known = new Map<string, Promise<void>>();
  readonly #reconnectListeners: (() => void)[] = [];
  #generation = 0;
  #payloadBytesMax = PAYLOAD_BYTES_DEFAULT;

  private constructor(
    connection: NatsConnection,
    manager: JetStreamManager,
    replicas: number,
    world: EngineWorld,
  ) {
    this.#world = world;
    this.#connection = connection;
    this.#manager = manager;
    this.#readers = new NatsReaders(manager);
    this.#client = jetstream(connection, { timeout: ANSWER_MS_MAX });
    this.#replicaCount = replicas;
    this.replicas = new NatsReplicas(connection, manager, this.#client);
    void this.#watch();
  }

  /**
   * @param world.inStep what a cluster that is joined, but not ready, is asked; once, where absent.
   * @throws StoreUnavailable
   */
  static async connect(
    options: NatsEngineOptions,
    world: EngineWorld & { readonly inStep?: DoStep },
  ): Promise<NatsEngine> {
    let connection: NatsConnection | undefined;
    try {
      const joined = await connect(connectionOptions(options));
      connection = joined;
      // Nodes take connections before they have agreed on who leads.
      const managed = (): Promise<JetStreamManager> =>
        askAgain(patienceWith(joined, world), () =>
          jetstreamManager(joined, { timeout: ANSWER_MS_MAX }),
        ).catch((error: unknown) => {
          throw unavailable(error);
        });
      const manager = await (world.inStep?.(managed) ?? managed());
      return new NatsEngine(joined, manager, options.replicas, world);
    } catch (error) {
      await connection?.close();
      throw unavailable(error);
    }
  }

  /** Of the server that this is connected to. */
  get serverVersion(): string {
    return this.#connection.info?.version ?? "";
  }

  get payloadBytesMax(): number {
    // While it is between two servers the client knows of none.
    this.#payloadBytesMax = this.#connection.info?.max_payload ?? this.#payloadBytesMax;
    return this.#payloadBytesMax;
  }

  get generation(): number {
    return this.#generation;
  }

  ensureStream(stream: string, subject: string, perSubjectMax?: number): Promise<void> {
    let known = this.#known.get(stream);
    if (known === undefined) {
      known = this.#ensureStream(stream, subject, perSubjectMax);
      this.#known.set(stream, known);
      known.catch(() => this.#known.delete(stream));
    }
    return known;
  }

  async streamNames(prefix: string): Promise<readonly string[]> {
    return await this.#answered(async () => {
      const names: string[] = [];
      for await (const name of this.#manager.streams.names()) if (name.startsWith(prefix)) names.push(name);
      return names.sort();
    });
  }

  async state(stream: string): Promise<StreamState | undefined> {
    const info = await this.#orNoStream(() => this.#manager.streams.info(stream));
    if (info === undefined) return undefined;
    const { first_seq, last_seq, messages, bytes, first_ts, num_subjects } = info.state;
    return {
      firstSeq: first_seq,
      lastSeq: last_seq,
      messageCount: messages,
      subjectCount: num_subjects ?? 0,
      byteCount: bytes,
      firstMs: messages === 0 ? 0 : Date.parse(first_ts as unknown as string),
    };
  }

  /**
   * Without a message id, and above 0 the expected seq is looked at before the message goes to the replicas. What a replica refuses
   * only when it comes to it (a repeated id, a first message that is not) makes replicas of 2.9.10 number their messages differently
   * after a leader was cut off: a message was gone from one of them, and with it from the log once that one led.
   */
  async publish(subject: string, data: Uint8Array, expectedSeq: number | undefined): Promise<PublishOutcome> {
    try {
      const ack = await this.#client.publish(subject, data, {
        ...(expectedSeq !== undefined && { expect: { lastSubjectSequence: expectedSeq } }),
        timeout: ANSWER_MS_MAX,
        retries: 0,
      });
      return { type: "stored", seq: ack.seq };
    } catch (cause) {
      if (cause instanceof JetStreamApiError && cause.code === Code.WrongLastSequence)
        return { type: "conflict" };
      return { type: "unknown", cause };
    }
  }

  last(stream: string, subject: string): Promise<EngineMessage | undefined> {
    return this.#get(stream, { last_by_subj: subject });
  }

  next(stream: string, subject: string, seq: number): Promise<EngineMessage | undefined> {
    return this.#get(stream, { next_by_subj: subject, seq: Math.max(1, seq) } as MsgRequest);
  }

  at(stream: string, seq: number): Promise<EngineMessage | undefined> {
    return seq < 1 ? Promise.resolve(undefined) : this.#get(stream, { seq });
  }

  async *scan(
    stream: string,
    subject: string,
    start: ScanStart,
    throughSeq: number,
    node?: string,
  ): AsyncGenerator<readonly EngineMessage[]> {
    let from = start;
    let lastSeq = 0;
    for (;;) {
      for await (const slice of this.#scanReplica(stream, subject, from, throughSeq, node)) {
        lastSeq = slice.at(-1)?.seq ?? lastSeq;
        yield slice;
      }
      // The replica that was read may lag behind the leader.
      const next =
        lastSeq >= throughSeq
          ? undefined
          : await this.next(stream, subject, Math.max(lastSeq + 1, firstSeqOf(start)));
      if (next === undefined || next.seq > throughSeq) return;
      if (lastSeq === 0 && typeof start === "object" && "storedMs" in start) {
        const bound = await this.at(stream, throughSeq);
        if (bound === undefined || bound.storedMs < start.storedMs) return;
      } else if (lastSeq > 0) from = { seq: lastSeq + 1 };
      await pause(this.#world.timers, PAUSE_MS);
    }
  }

  follow(
    stream: string,
    fromSeq: number,
    listener: (message: EngineMessage, node?: string) => void,
  ): EngineFollower {
    const world = {
      connection: this.#connection,
      manager: this.#manager,
      client: this.#client,
      timers: this.#world.timers,
    };
    const follower = new NatsFollower(world, stream, fromSeq, (message, node) =>
      listener(messageOf(message), node),
    );
    const ready = follower.ready.catch((error: unknown) => {
      throw unavailable(error);
    });
    return { ready, close: () => follower.close() };
  }

  async purge(stream: string, belowSeq: number, subject?: string): Promise<void> {
    await this.#answered(() =>
      this.#manager.streams.purge(stream, {
        seq: belowSeq,
        ...(subject !== undefined && { filter: subject }),
      }),
    );
    const untilMs = this.#world.clock.monotonicMs() + PURGE_MS_MAX;
    while (this.#world.clock.monotonicMs() < untilMs) {
      const info = await this.#answered(() => this.#manager.streams.info(stream));
      const lagging = (info.cluster?.replicas ?? []).filter(
        ({ offline, lag }) => offline !== true && (lag ?? 0) > 0,
      );
      if (lagging.length === 0) return;
      await pause(this.#world.timers, PAUSE_MS);
    }
  }

  ask(subject: string, question: Uint8Array, onAnswer: (answer: Uint8Array) => void): { close(): void } {
    const inbox = createInbox();
    const answers = this.#connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error === null) onAnswer(message.data);
      },
    });
    this.#connection.publish(subject, question, { reply: inbox });
    return { close: () => answers.unsubscribe() };
  }

  serve(
    subject: string,
    listener: (question: Uint8Array, answer: (answer: Uint8Array) => void) => void,
  ): void {
    this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return;
        listener(message.data, (answer) => {
          if (!this.#connection.isClosed()) message.respond(answer);
        });
      },
    });
  }

  onReconnect(listener: () => void): void {
    this.#reconnectListeners.push(listener);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #ensureStream(stream: string, subject: string, perSubjectMax?: number): Promise<void> {
    await this.#answered(async () => {
      if ((await this.state(stream)) !== undefined) return;
      try {
        await this.#manager.streams.add({
          name: stream,
          subjects: [subject],
          storage: StorageType.File,
          retention: RetentionPolicy.Limits,
          discard: DiscardPolicy.Old,
          num_replicas: this.#replicaCount,
          max_msgs_per_subject: perSubjectMax ?? -1,
        });
      } catch (error) {
        // Another process made it at the same time, or the answer was late.
        if ((await this.state(stream)) === undefined) throw error;
      }
    });
  }

  async #get(stream: string, request: MsgRequest): Promise<EngineMessage | undefined> {
    const message = await this.#orNoStream(() => this.#manager.streams.getMessage(stream, request));
    return message === null || message === undefined ? undefined : storedMessageOf(message);
  }

  async #orNoStream<T>(ask: () => Promise<T>): Promise<T | undefined> {
    return await this.#answered(async () => {
      try {
        return await ask();
      } catch (error) {
        if (error instanceof JetStreamApiError && error.code === Code.NoStream) return undefined;
        throw error;
      }
    });
  }

  /** Asks again for a while: a new leader takes one to four seconds. Only for what may be asked twice. */
  async #answered<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await askAgain(patienceWith(this.#connection, this.#world), ask);
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** What one replica has, by a reader of its own there. */
  async *#scanReplica(
    stream: string,
    subject: string,
    start: ScanStart,
    throughSeq: number,
    node?: string,
  ): AsyncGenerator<readonly EngineMessage[]> {
    const config = { filter_subject: subject, ...startOf(start) };
    const reader = await this.#answered(async () => {
      if (node === undefined) return await this.#readers.draw(stream, config);
      const drawn = await this.#readers.drawOn(stream, node, config);
      if (drawn === undefined) throw new StoreUnavailable(`the cluster takes no reader on ${node}`);
      return drawn;
    });
    try {
      const consumer = await this.#answered(() => this.#client.consumers.get(stream, reader.name));
      let left = reader.pendingCount;
      while (left > 0) {
        const slice: JsMsg[] = [];
        try {
          const fetched = await consumer.fetch({
            max_messages: Math.min(SLICE_MAX, left),
            expires: SLICE_MS_MAX,
          });
          for await (const message of fetched) slice.push(message);
        } catch {
          // Its node has gone; who asked goes on with a reader elsewhere, behind what came.
        }
        if (slice.length === 0) return;
        left -= slice.length;
        const wanted = slice.filter(({ seq }) => seq <= throughSeq).map(messageOf);
        if (wanted.length > 0) yield wanted;
        if (wanted.length < slice.length) return;
      }
    } finally {
      this.#readers.forget(stream, reader.name);
    }
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === "disconnect" || status.type === "reconnect") this.#generation++;
      if (status.type !== "reconnect") continue;
      for (const listener of this.#reconnectListeners) listener();
    }
  }
}

function patienceWith(connection: NatsConnection, { clock, timers }: EngineWorld): AskingAgain {
  const isWorthIt = (): boolean => !connection.isClosed();
  const untilMs = clock.monotonicMs() + LEADER_MS_MAX;
  return { clock, timers, untilMs, pauseMs: ASK_AGAIN_MS, isWorthIt };
}

function connectionOptions(options: NatsEngineOptions): ConnectionOptions {
  const { servers, user, password, credentials, tls, name } = options;
  return {
    servers: [...servers],
    name: name ?? "boardlog",
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    timeout: ANSWER_MS_MAX,
    pingInterval: PING_MS,
    maxPingOut: 2,
    ...(user !== undefined && { user, pass: password ?? "" }),
    ...(credentials !== undefined && {
      authenticator: credsAuthenticator(Buffer.from(credentials, "utf8")),
    }),
    ...(tls !== undefined && { tls: { ...tls } }),
  };
}

function startOf(start: ScanStart) {
  if (start === "last-per-subject") return { deliver_policy: DeliverPolicy.LastPerSubject };
  if ("seq" in start)
    return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, start.seq) };
  if (start.storedMs <= 0) return { deliver_policy: DeliverPolicy.All };
  return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(start.storedMs).toISOString() };
}

function firstSeqOf(start: ScanStart): number {
  return typeof start === "object" && "seq" in start ? start.seq : 1;
}

function messageOf(message: JsMsg): EngineMessage {
  const { subject, seq, data, time } = message;
  return { subject, seq, data, storedMs: time.getTime() };
}

function storedMessageOf({ subject, seq, data, time }: StoredMsg): EngineMessage {
  return { subject, seq, data, storedMs: time.getTime() };
}

function unavailable(error: unknown): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new StoreUnavailable(`the cluster: ${reason}`, { cause: error });
}
