import {
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Timers } from "../../../host/clock.ts";
import { pause } from "../../../host/pause.ts";
import type { EngineFollower } from "./message-engine.ts";
import { type NatsReader, NatsReaders } from "./nats-reader.ts";

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

export interface FollowerWorld {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly client: JetStreamClient;
  readonly timers: Timers;
}

/**
 * Hears a stream from the replica that leads, as all other reads do: the replica of a leader that was cut off may have messages that
 * the log does not have (`replica-guard.ts`). Where another comes to lead it goes on there.
 */
export class NatsFollower implements EngineFollower {
  readonly ready: Promise<void>;
  readonly #world: FollowerWorld;
  readonly #readers: NatsReaders;
  readonly #stream: string;
  readonly #listener: (message: JsMsg, node: string | undefined) => void;
  readonly #stopWatching: () => void;
  #nextSeq: number;
  #leader: string | undefined;
  #messages: ConsumerMessages | undefined;
  #isClosed = false;

  constructor(
    world: FollowerWorld,
    stream: string,
    fromSeq: number,
    listener: (message: JsMsg, node: string | undefined) => void,
  ) {
    this.#world = world;
    this.#readers = new NatsReaders(world.manager);
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
      await pause(this.#world.timers, AGAIN_MS);
      if (this.#isClosed || this.#world.connection.isClosed()) return;
      messages = await this.#begin().catch(() => undefined);
    }
  }

  async #begin(): Promise<ConsumerMessages> {
    const { client, manager } = this.#world;
    const { cluster } = await manager.streams.info(this.#stream);
    this.#leader = cluster?.leader;
    const { name, node } = await this.#readerOn(this.#leader);
    const consumer = await client.consumers.get(this.#stream, name);
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
        this.#listener(message, node);
      },
    });
    this.#messages = messages;
    void this.#watch(messages);
    void messages.closed().then(() => this.#forget(name));
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

  /** On that node; on any where there is none to choose, or none was drawn. */
  async #readerOn(node: string | undefined): Promise<NatsReader> {
    const config = {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(1, this.#nextSeq),
    };
    const drawn = node && (await this.#readers.drawOn(this.#stream, node, config));
    return drawn || (await this.#readers.draw(this.#stream, config));
  }

  #forget(name: string): void {
    if (!this.#world.connection.isClosed()) this.#readers.forget(this.#stream, name);
  }
}
