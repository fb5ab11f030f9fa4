import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  ReplayPolicy,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { EngineFollower } from "./message-engine.ts";

const NS_PER_MS = 1_000_000;
/**
 * A subscription says so often that it is alive, ms: after two times of silence it is begun anew, where the client by itself waits for
 * 30 s, and live readers with it.
 */
const BEAT_MS = 1_000;
const BEATS_MISSED_MAX = 2;
/** How long one request for messages stands, ms. */
const PULL_MS = 4_000;
/** Before a lost subscription is begun anew, ms. */
const AGAIN_MS = 500;
/** A reader that is forgotten goes after this. */
const IDLE_READER_MS = 60_000;
/** The cluster draws the node of a reader: so many at once find the one that leads, or are drawn again. */
const DRAWS = 4;
const DRAW_ROUNDS_MAX = 8;

export interface FollowerWorld {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly client: JetStreamClient;
  readonly pause: (ms: number) => Promise<void>;
}

/**
 * Hears a stream from the replica that leads, as all other reads do: the replica of a leader that was cut off may have messages that
 * the log does not have (`replica-guard.ts`). Where another comes to lead it goes on there.
 */
export class NatsFollower implements EngineFollower {
  readonly ready: Promise<void>;
  readonly #world: FollowerWorld;
  readonly #stream: string;
  readonly #listener: (message: JsMsg) => void;
  readonly #stopWatching: () => void;
  #nextSeq: number;
  #leader: string | undefined;
  #messages: ConsumerMessages | undefined;
  #isClosed = false;

  constructor(world: FollowerWorld, stream: string, fromSeq: number, listener: (message: JsMsg) => void) {
    this.#world = world;
    this.#stream = stream;
    this.#nextSeq = fromSeq;
    this.#listener = listener;
    const advisories = world.connection.subscribe(`$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.${stream}`, {
      callback: (error, message) => {
        if (error === null && message.json<{ readonly leader?: string }>().leader !== this.#leader)
          this.#stop();
      },
    });
    this.#stopWatching = () => advisories.unsubscribe();
    const beginning = this.#begin();
    this.ready = beginning.then(() => {});
    beginning.then(
      (messages) => void this.#goOn(messages),
      () => this.close(),
    );
  }

  close(): void {
    this.#isClosed = true;
    if (!this.#world.connection.isClosed()) this.#stopWatching();
    this.#stop();
  }

  #stop(): void {
    void this.#messages?.close();
  }

  async #goOn(first: ConsumerMessages): Promise<void> {
    let messages: ConsumerMessages | undefined = first;
    while (!this.#isClosed && !this.#world.connection.isClosed()) {
      await messages?.closed();
      await this.#world.pause(AGAIN_MS);
      if (this.#isClosed || this.#world.connection.isClosed()) return;
      messages = await this.#begin().catch(() => undefined);
    }
  }

  async #begin(): Promise<ConsumerMessages> {
    const { client, manager } = this.#world;
    const { cluster } = await manager.streams.info(this.#stream);
    this.#leader = cluster?.leader;
    const reader = await this.#readerOn(this.#leader);
    const consumer = await client.consumers.get(this.#stream, reader);
    let deliveredCount = 0;
    const messages = await consumer.consume({
      idle_heartbeat: BEAT_MS,
      expires: PULL_MS,
      abort_on_missing_resource: true,
      callback: (message) => {
        if (this.#messages !== messages || this.#isClosed) return;
        // One got lost on the way: from there on again.
        if (message.info.deliverySequence !== ++deliveredCount) return this.#stop();
        this.#nextSeq = message.seq + 1;
        this.#listener(message);
      },
    });
    this.#messages = messages;
    void this.#watch(messages);
    void messages.closed().then(() => this.#forget(reader));
    if (this.#isClosed) this.#stop();
    return messages;
  }

  async #watch(messages: ConsumerMessages): Promise<void> {
    for await (const status of messages.status())
      if (
        status.type === "consumer_deleted" ||
        (status.type === "heartbeats_missed" && status.count >= BEATS_MISSED_MAX)
      )
        void messages.close();
  }

  /** The name of a reader on that node; on any where there is none to choose, or none was drawn. */
  async #readerOn(node: string | undefined): Promise<string> {
    for (let round = 1; ; round++) {
      const draws = Array.from({ length: node === undefined ? 1 : DRAWS }, () => this.#draw());
      const isLast = round >= DRAW_ROUNDS_MAX;
      const hits = draws.map(async (draw) => {
        const reader = await draw;
        if (node !== undefined && reader.node !== node && !isLast) throw new Error("on another node");
        return reader;
      });
      const hit = await Promise.any(hits).catch(() => undefined);
      for (const draw of draws)
        draw.then(
          ({ name }) => name !== hit?.name && this.#forget(name),
          () => {},
        );
      if (hit !== undefined) return hit.name;
      if (isLast) throw new Error("the cluster takes no reader");
    }
  }

  async #draw(): Promise<{ readonly name: string; readonly node: string | undefined }> {
    const { name, cluster } = await this.#world.manager.consumers.add(this.#stream, {
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: IDLE_READER_MS * NS_PER_MS,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(1, this.#nextSeq),
    });
    return { name, node: cluster?.leader };
  }

  #forget(reader: string): void {
    // It would go by itself.
    if (!this.#world.connection.isClosed())
      this.#world.manager.consumers.delete(this.#stream, reader).catch(() => {});
  }
}
