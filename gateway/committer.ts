import type { Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { ProcessLog } from "../host/log.ts";
import type { Random } from "../host/random.ts";
import type { NewEntry } from "../protocol/entry.ts";
import { Backoff } from "./backoff.ts";
import { Fifo } from "./fifo.ts";
import { GatewayStopping, Pauses } from "./pauses.ts";
import { type Uplink, type UplinkBatch, UplinkUnavailable } from "./uplink.ts";

export interface CommitterOptions {
  /** Entries in one transaction, at most (but for a single offer that is larger). */
  readonly commitEntriesMax?: number;
  readonly commitBytesMax?: number;
  /** Entries that wait, over all sources; beyond it `offer` says false. */
  readonly queueEntriesMax?: number;
  readonly queueBytesMax?: number;
  /** Entries of one source that wait, so that a chatty one fills its own share only. */
  readonly laneEntriesMax?: number;
  readonly laneBytesMax?: number;
}

/** A transaction that a store writes in some 10 ms; beyond it latency grows and nothing is gained. */
const COMMIT_ENTRIES_MAX = 5_000;
const COMMIT_BYTES_MAX = 4 * 1024 * 1024;
/** Four commits: the next is there when one ends. */
const QUEUE_ENTRIES_MAX = 4 * COMMIT_ENTRIES_MAX;
const QUEUE_BYTES_MAX = 4 * COMMIT_BYTES_MAX;
/** Two of the largest frames. */
const LANE_ENTRIES_MAX = 2_000;
const LANE_BYTES_MAX = 2 * 1024 * 1024;

const RETRY = { firstMs: 100, maxMs: 10_000 };
/** What an entry weighs beside its text: names, numbers, object. */
const ENTRY_OVERHEAD_BYTES = 200;

interface Offer {
  readonly entries: readonly NewEntry[];
  readonly sizeBytes: number;
  /** Its share of the bounds; an offer without entries waits too. */
  readonly weight: number;
  readonly onDurable: () => void;
}

/** The offers of one source, in order of arrival. */
interface Lane {
  readonly key: string;
  readonly project: string;
  readonly offers: Fifo<Offer>;
  weight: number;
  sizeBytes: number;
  inFlightCount: number;
}

interface Taken {
  readonly lane: Lane;
  readonly offer: Offer;
}

/**
 * Group commit: while one transaction is under way the offers of all sources collect, and the next takes them together, a turn
 * for each source. Within a source the order is the order of offering. While the service is away what there is waits, is tried
 * again, and nothing is acked.
 */
export class Committer {
  readonly #uplink: Uplink;
  readonly #timers: Timers;
  readonly #counters: Counters;
  readonly #log: ProcessLog;
  readonly #backoff: Backoff;
  readonly #options: Required<CommitterOptions>;

  readonly #lanes = new Map<string, Lane>();
  /** Lanes with something to take, in turn. */
  readonly #turns = new Fifo<Lane>();
  #weight = 0;
  #sizeBytes = 0;
  #running = false;
  #stopping = false;
  #abandoned = false;
  readonly #pauses: Pauses;
  /** Those whose offer was refused, in order; as many as there are sessions and ports at work. */
  #waiters: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #idleListeners: (() => void)[] = [];

  constructor(
    world: {
      readonly uplink: Uplink;
      readonly timers: Timers;
      readonly random: Random;
      readonly counters: Counters;
      readonly log: ProcessLog;
    },
    options: CommitterOptions = {},
  ) {
    this.#uplink = world.uplink;
    this.#timers = world.timers;
    this.#pauses = new Pauses(world.timers);
    this.#counters = world.counters;
    this.#log = world.log;
    this.#backoff = new Backoff(world.random, RETRY);
    this.#options = {
      commitEntriesMax: options.commitEntriesMax ?? COMMIT_ENTRIES_MAX,
      commitBytesMax: options.commitBytesMax ?? COMMIT_BYTES_MAX,
      queueEntriesMax: options.queueEntriesMax ?? QUEUE_ENTRIES_MAX,
      queueBytesMax: options.queueBytesMax ?? QUEUE_BYTES_MAX,
      laneEntriesMax: options.laneEntriesMax ?? LANE_ENTRIES_MAX,
      laneBytesMax: options.laneBytesMax ?? LANE_BYTES_MAX,
    };
  }

  /** Entries waiting or under way. */
  get queuedEntries(): number {
    return this.#weight;
  }

  /**
   * Takes entries of one source. `onDurable` is called once, when they and everything of that source before them are durable;
   * also for no entries at all. False: the queue is full, nothing was taken.
   * @throws GatewayStopping
   */
  offer(project: string, src: string, entries: readonly NewEntry[], onDurable: () => void): boolean {
    if (this.#stopping) throw new GatewayStopping();
    const key = `${project} ${src}`;
    let lane = this.#lanes.get(key);
    if (lane === undefined && entries.length === 0) {
      onDurable();
      return true;
    }
    const weight = Math.max(1, entries.length);
    const sizeBytes = sizeOf(entries);
    if (lane !== undefined && this.#isFull(lane, weight, sizeBytes)) return false;
    const { queueEntriesMax, queueBytesMax } = this.#options;
    if (this.#weight >= queueEntriesMax || this.#sizeBytes >= queueBytesMax) return false;
    if (lane === undefined) {
      lane = { key, project, offers: new Fifo(), weight: 0, sizeBytes: 0, inFlightCount: 0 };
      this.#lanes.set(key, lane);
    }
    if (lane.offers.count === 0) this.#turns.push(lane);
    lane.offers.push({ entries, sizeBytes, weight, onDurable });
    this.#addTo(lane, weight, sizeBytes);
    if (!this.#running) {
      this.#running = true;
      // Later, so that what is offered together is stored together.
      queueMicrotask(() => void this.#run());
    }
    return true;
  }

  /**
   * The same, waiting for room where there is none: then it resolves once taken.
   * @throws GatewayStopping, or rejects with it.
   */
  accept(
    project: string,
    src: string,
    entries: readonly NewEntry[],
    onDurable: () => void,
  ): Promise<void> | undefined {
    if (this.offer(project, src, entries, onDurable)) return undefined;
    return this.#acceptLater(project, src, entries, onDurable);
  }

  async #acceptLater(
    project: string,
    src: string,
    entries: readonly NewEntry[],
    onDurable: () => void,
  ): Promise<void> {
    do {
      await new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }));
    } while (!this.offer(project, src, entries, onDurable));
  }

  /**
   * Takes nothing more, and resolves when all is durable or the time is up; the rest is forgotten and never acked.
   * @param deadlineMs from now.
   */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    for (const { reject } of this.#waiters.splice(0)) reject(new GatewayStopping());
    if (!this.#running) return;
    await new Promise<void>((resolve) => {
      const timer = this.#timers.after(deadlineMs, () => {
        this.#abandoned = true;
        this.#counters.add("gateway_unacked_at_stop_entries_total", this.#weight);
        this.#pauses.end();
        resolve();
      });
      this.#idleListeners.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  async #run(): Promise<void> {
    while (this.#turns.count > 0 && !this.#abandoned) {
      const taken = this.#take();
      await this.#commit(taken);
      if (this.#abandoned) return;
      this.#settle(taken);
    }
    this.#running = false;
    for (const listener of this.#idleListeners.splice(0)) listener();
  }

  /** One offer of each lane in turn, up to the bounds of a commit. */
  #take(): readonly Taken[] {
    const { commitEntriesMax, commitBytesMax } = this.#options;
    const taken: Taken[] = [];
    let entryCount = 0;
    let sizeBytes = 0;
    while (entryCount < commitEntriesMax && sizeBytes < commitBytesMax) {
      const lane = this.#turns.shift();
      const offer = lane?.offers.shift();
      if (lane === undefined || offer === undefined) break;
      if (lane.offers.count > 0) this.#turns.push(lane);
      lane.inFlightCount += 1;
      entryCount += offer.weight;
      sizeBytes += offer.sizeBytes;
      taken.push({ lane, offer });
    }
    return taken;
  }

  async #commit(taken: readonly Taken[]): Promise<void> {
    const batches = batchesOf(taken);
    if (batches.length === 0) return;
    for (;;) {
      try {
        await this.#uplink.commit(batches);
        this.#backoff.reset();
        this.#counters.add("gateway_commits_total");
        for (const batch of batches)
          this.#counters.add("gateway_committed_entries_total", batch.entries.length);
        return;
      } catch (error) {
        if (!(error instanceof UplinkUnavailable)) throw error;
        if (this.#abandoned) return;
        const retryMs = Math.round(this.#backoff.takeMs());
        this.#counters.add("gateway_uplink_unavailable_total");
        this.#log.warn({ retryMs, waitingEntries: this.#weight }, error.message);
        await this.#pauses.pause(retryMs);
        if (this.#abandoned) return;
      }
    }
  }

  #settle(taken: readonly Taken[]): void {
    for (const { lane, offer } of taken) {
      lane.inFlightCount -= 1;
      this.#addTo(lane, -offer.weight, -offer.sizeBytes);
      if (lane.inFlightCount === 0 && lane.offers.count === 0) this.#lanes.delete(lane.key);
    }
    for (const { offer } of taken) offer.onDurable();
    for (const { resolve } of this.#waiters.splice(0)) resolve();
  }

  #isFull(lane: Lane, weight: number, sizeBytes: number): boolean {
    const { laneEntriesMax, laneBytesMax } = this.#options;
    return lane.weight + weight > laneEntriesMax || lane.sizeBytes + sizeBytes > laneBytesMax;
  }

  #addTo(lane: Lane, weight: number, sizeBytes: number): void {
    lane.weight += weight;
    lane.sizeBytes += sizeBytes;
    this.#weight += weight;
    this.#sizeBytes += sizeBytes;
  }
}

function batchesOf(taken: readonly Taken[]): readonly UplinkBatch[] {
  const byProject = new Map<string, NewEntry[]>();
  for (const { lane, offer } of taken) {
    if (offer.entries.length === 0) continue;
    const entries = byProject.get(lane.project);
    if (entries === undefined) byProject.set(lane.project, [...offer.entries]);
    else for (const entry of offer.entries) entries.push(entry);
  }
  return Array.from(byProject, ([project, entries]) => ({ project, entries }));
}

function sizeOf(entries: readonly NewEntry[]): number {
  let sizeBytes = 0;
  for (const entry of entries) sizeBytes += entry.msg.length + ENTRY_OVERHEAD_BYTES;
  return sizeBytes;
}
