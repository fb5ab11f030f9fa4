import { createHash } from "node:crypto";
import {
  DeliverPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { StoreUnavailable } from "../log-store.ts";
import { NatsReaders } from "./nats-reader.ts";
import type { ReplicaContent, ReplicasStanding, StreamReplicas } from "./stream-replicas.ts";

const ANSWER_MS_MAX = 5_000;
/** A reader goes to a node that the cluster draws: after so many for each replica, all have been met or one does not take any. */
const DRAWS_PER_REPLICA = 10;
/** Messages of one fetch. */
const FETCH_MAX = 500;
/** How long a replica may take to have more, ms. */
const FETCH_MS_MAX = 1_500;
const ADVISORY = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED";
const NO_STREAM = 10059;
/** The replica is gone, and there is no other node that could have one in its place. */
const NOT_REPLACED = 10075;

interface ApiAnswer {
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

/** Replicas of a NATS cluster's streams. Each is read by a reader without replicas, which is on one node alone. */
export class NatsReplicas implements StreamReplicas {
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #client: JetStreamClient;
  readonly #nodeReaders: NatsReaders;

  constructor(connection: NatsConnection, manager: JetStreamManager, client: JetStreamClient) {
    this.#connection = connection;
    this.#manager = manager;
    this.#client = client;
    this.#nodeReaders = new NatsReaders(manager);
  }

  async standing(stream: string): Promise<ReplicasStanding | undefined> {
    return await orUnavailable(async () => {
      try {
        const { cluster, config, state } = await this.#manager.streams.info(stream);
        const { leader, replicas = [] } = cluster ?? {};
        const others = replicas.map(({ name, current, offline }) => ({
          node: name,
          isLeader: false,
          isCurrent: current && offline !== true,
        }));
        return {
          wantedCount: config.num_replicas,
          replicas: [...(leader ? [{ node: leader, isLeader: true, isCurrent: true }] : []), ...others],
          lastSeq: state.last_seq,
        };
      } catch (error) {
        if (error instanceof JetStreamApiError && error.code === NO_STREAM) return undefined;
        throw error;
      }
    });
  }

  async contents(
    stream: string,
    fromSeq: number,
    throughSeq: number,
  ): Promise<ReadonlyMap<string, ReplicaContent>> {
    return await orUnavailable(async () => {
      const standing = await this.standing(stream);
      const present = (standing?.replicas ?? []).filter(({ isCurrent }) => isCurrent).map(({ node }) => node);
      const readers = await this.#readers(stream, fromSeq, new Set(present));
      const found = await Promise.all(
        Array.from(
          readers,
          async ([node, reader]) =>
            [node, await this.#content(stream, { node, reader }, throughSeq)] as const,
        ),
      );
      for (const reader of readers.values()) this.#nodeReaders.forget(stream, reader);
      return new Map(found.flatMap(([node, content]) => (content === undefined ? [] : [[node, content]])));
    });
  }

  async writeBarrier(subject: string): Promise<number> {
    return await orUnavailable(async () => {
      const { seq } = await this.#client.publish(subject, "", { timeout: ANSWER_MS_MAX, retries: 0 });
      return seq;
    });
  }

  async stepDown(stream: string): Promise<void> {
    await this.#api(`STREAM.LEADER.STEPDOWN.${stream}`, {});
  }

  async remove(stream: string, node: string): Promise<void> {
    await this.#api(`STREAM.PEER.REMOVE.${stream}`, { peer: node }, NOT_REPLACED);
  }

  async setCount(stream: string, count: number): Promise<void> {
    await orUnavailable(async () => {
      const { config } = await this.#manager.streams.info(stream);
      await this.#manager.streams.update(stream, { ...config, num_replicas: count });
    });
  }

  onLeader(listener: (stream: string, node: string) => void): void {
    this.#connection.subscribe(`${ADVISORY}.*`, {
      callback: (error, message) => {
        if (error !== null) return;
        const { leader = "" } = message.json<{ readonly leader?: string }>();
        listener(message.subject.slice(ADVISORY.length + 1), leader);
      },
    });
  }

  /** Names of readers by the node that each is on; a node that does not take any is missing. */
  async #readers(stream: string, fromSeq: number, wanted: ReadonlySet<string>): Promise<Map<string, string>> {
    const readers = new Map<string, string>();
    for (let draws = 0; readers.size < wanted.size && draws < wanted.size * DRAWS_PER_REPLICA; draws++) {
      const { name, node } = await this.#nodeReaders.draw(stream, {
        headers_only: true,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: Math.max(1, fromSeq),
      });
      if (node === undefined || !wanted.has(node) || readers.has(node))
        this.#nodeReaders.forget(stream, name);
      else readers.set(node, name);
    }
    return readers;
  }

  /** Undefined where the replica did not have all of them in time. */
  async #content(
    stream: string,
    { node, reader }: { readonly node: string; readonly reader: string },
    throughSeq: number,
  ): Promise<ReplicaContent | undefined> {
    const consumer = await this.#client.consumers.get(stream, reader);
    const hash = createHash("sha1");
    let count = 0;
    const content = (): ReplicaContent => ({ count, digest: hash.digest("base64") });
    for (;;) {
      let left: number | undefined;
      const fetched = await consumer.fetch({ max_messages: FETCH_MAX, expires: FETCH_MS_MAX });
      for await (const { seq, subject, info } of fetched) {
        // Of two messages the time differs, which the leader gave them.
        if (seq <= throughSeq) {
          hash.update(`${seq} ${subject} ${info.timestampNanos}\n`);
          count++;
        }
        left = seq >= throughSeq ? 0 : info.pending;
        if (left === 0) break;
      }
      if (left === 0) return content();
      // Those that remain may have been deleted.
      if (left === undefined) {
        const { num_pending } = await this.#manager.consumers.info(stream, reader);
        const standing = num_pending === 0 ? await this.standing(stream) : undefined;
        const isThere = standing?.replicas.some((one) => one.node === node && one.isCurrent) ?? false;
        return isThere ? content() : undefined;
      }
    }
  }

  /** @param codeTaken an error that says that it was done all the same. */
  async #api(subject: string, request: unknown, codeTaken?: number): Promise<void> {
    await orUnavailable(async () => {
      const answer = await this.#connection.request(`$JS.API.${subject}`, JSON.stringify(request), {
        timeout: ANSWER_MS_MAX,
      });
      const { error } = answer.json<ApiAnswer>();
      if (error !== undefined && error.err_code !== codeTaken) throw new Error(error.description);
    });
  }
}

async function orUnavailable<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof StoreUnavailable) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new StoreUnavailable(`the cluster: ${reason}`, { cause: error });
  }
}
