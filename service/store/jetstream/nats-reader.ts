import { AckPolicy, type ConsumerConfig, type JetStreamManager, ReplayPolicy } from "@nats-io/jetstream";

const NS_PER_MS = 1_000_000;
/** A reader that is forgotten goes after this. */
const IDLE_READER_MS = 60_000;
/** The cluster draws the node of a reader: so many at once find the one that is wanted, or are drawn again. */
const DRAWS = 4;
const DRAW_ROUNDS_MAX = 8;

export interface NatsReader {
  readonly name: string;
  readonly node: string | undefined;
  /** Messages that it has to give. */
  readonly pendingCount: number;
}

/** Readers of single replicas of streams: without replicas of their own, so that each reads what its node has. */
export class NatsReaders {
  readonly #manager: JetStreamManager;

  constructor(manager: JetStreamManager) {
    this.#manager = manager;
  }

  /** On any node. */
  async draw(stream: string, config: Partial<ConsumerConfig>): Promise<NatsReader> {
    const { name, cluster, num_pending } = await this.#manager.consumers.add(stream, {
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: IDLE_READER_MS * NS_PER_MS,
      ...config,
    });
    return { name, node: cluster?.leader, pendingCount: num_pending };
  }

  /** On that node, if the cluster draws it; undefined where it does not, or takes no readers. */
  async drawOn(
    stream: string,
    node: string,
    config: Partial<ConsumerConfig>,
  ): Promise<NatsReader | undefined> {
    for (let round = 0; round < DRAW_ROUNDS_MAX; round++) {
      const draws = Array.from({ length: DRAWS }, () => this.draw(stream, config));
      const hits = draws.map(async (draw) => {
        const reader = await draw;
        if (reader.node !== node) throw new Error("on another node");
        return reader;
      });
      const hit = await Promise.any(hits).catch(() => undefined);
      for (const draw of draws)
        draw.then(
          ({ name }) => name !== hit?.name && this.forget(stream, name),
          () => {},
        );
      if (hit !== undefined) return hit;
    }
    return undefined;
  }

  forget(stream: string, name: string): void {
    // It would go by itself; a connection that is closed takes no more.
    this.#manager.consumers.delete(stream, name).catch(() => {});
  }
}
