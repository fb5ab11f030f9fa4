import type { Timer, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { ProcessLog } from "../host/log.ts";
import type { Random } from "../host/random.ts";
import { type EntryPart, EntryRun, isRun } from "../protocol/entry-run.ts";
import { Backoff } from "./backoff.ts";
import { Fifo } from "./fifo.ts";
import type { Demand } from "./link.ts";
import { GatewayStopping, Pauses } from "./pauses.ts";
import { ProjectBatches } from "./project-batches.ts";
import { sourceKey } from "./source-key.ts";
import { type Uplink, UplinkUnavailable } from "./uplink.ts";

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
  /** Entries that wait for the next commit; while there are so many, inputs that can wait read no further. More while a commit takes long. */
  readonly readAheadEntries?: number;
  readonly readAheadBytes?: number;
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

/**
 * Of the next commit, while one is under way. What waits beyond it does so as bytes: decoded, it would outlive several collections of young
 * objects, and the collector would do more work than all else together. So many take longer to decode than a good disk takes to commit those
 * before them, and half as many are too few: of frames of 20 a commit then has 50, and costs as much as one of 100.
 */
const READ_AHEAD_ENTRIES = 2_000;
const READ_AHEAD_BYTES = 1024 * 1024;
/** Of an entry that waits for a commit: one in columns is no object that would outlive anything. */
const AHEAD_WEIGHT = 3;
const RUN_AHEAD_WEIGHT = 2;
/** A commit that goes on for longer is one of a slow disk: so often it lets as many in again, up to what the next one can take. */
const READ_ON_MS = 5;

const RETRY = { firstMs: 100, maxMs: 10_000 };
/** What an entry weighs beside its text: names, numbers, object. */
const ENTRY_OVERHEAD_BYTES = 200;

interface Offer {
  readonly lane: Lane;
  readonly entries: EntryPart;
  readonly sizeBytes: number;
  /** Its share of the bounds; an offer without entries waits too. */
  readonly weight: number;
  /** Likewise of what is read ahead. */
  readonly aheadWeight: number;
  readonly onDurable: () => void;
}

/** An offer that there was no room for. */
interface Waiter {
  readonly offer: Offer;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** The offers of one source, in order of arrival. */
interface Lane {
  readonly key: string;
  readonly project: string;
  readonly offers: Fifo<Offer>;
  /** Behind `offers`; as many as there are inputs that bring this source's entries. */
  readonly waiters: Fifo<Waiter>;
  /** The lane has room for its first waiter, the queue had none: it is called in turn. */
  isInRoomTurns: boolean;
  /** Of `offers` and of what is under way. */
  weight: number;
  sizeBytes: number;
  inFlightCount: number;
}

/**
 * Group commit: while one transaction is under way the offers of all sources collect, and the next takes them together, a turn
 * for each source. Within a source the order is the order of offering. While the service is away what there is waits, is tried
 * again, and nothing is acked.
 *
 * An offer that finds no room is looked at twice, when it waits and when it is taken, however many commits there are between: a
 * commit calls those whose room came, and nobody else. Thousands of boards may wait at once.
 */
export class Committer implements Demand {
  readonly #uplink: Uplink;
  readonly #timers: Timers;
  readonly #counters: Counters;
  readonly #log: ProcessLog;
  readonly #backoff: Backoff;
  readonly #options: Required<CommitterOptions>;

  readonly #lanes = new Map<string, Lane>();
  /** Lanes with something to take, in turn. */
  readonly #turns = new Fifo<Lane>();
  /** Lanes with a waiter that lacks nothing but room in the queue, in turn. */
  readonly #roomTurns = new Fifo<Lane>();
  #weight = 0;
  #sizeBytes = 0;
  /** Of these, what no commit has taken yet. */
  #waitingWeight = 0;
  #waitingBytes = 0;
  /** The service refused a commit, which is tried again and again: who knows for how long. */
  #isUplinkAway = false;
  /** How many times what is read ahead is allowed. */
  #readAheads = 1;
  #readOnTimer: Timer | undefined;
  #openListeners: (() => void)[] = [];
  #running = false;
  #stopping = false;
  #abandoned = false;
  readonly #pauses: Pauses;
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
      readAheadEntries: options.readAheadEntries ?? READ_AHEAD_ENTRIES,
      readAheadBytes: options.readAheadBytes ?? READ_AHEAD_BYTES,
    };
  }

  /** Entries waiting or under way. */
  get queuedEntries(): number {
    return this.#weight;
  }

  /**
   * Whether the next commit has room for more. Also while the service is away: what is read is as bounded as ever then, and a client whose
   * pings nobody reads would leave.
   */
  get isOpen(): boolean {
    return this.isOpenFor(1);
  }

  /** The same for an input that reads so many times as far ahead; where this opens, `onOpen` tells. */
  isOpenFor(times: number): boolean {
    const { readAheadEntries, readAheadBytes } = this.#options;
    if (this.#isUplinkAway) return true;
    const readAheads = times * this.#readAheads;
    return (
      this.#waitingWeight < readAheads * readAheadEntries * AHEAD_WEIGHT &&
      this.#waitingBytes < readAheads * readAheadBytes
    );
  }

  onOpen(listener: () => void): void {
    this.#openListeners.push(listener);
  }

  /**
   * Takes entries of one source. `onDurable` is called once, when they and everything of that source before them are durable;
   * also for no entries at all. False: the queue is full, nothing was taken.
   * @throws GatewayStopping
   */
  offer(project: string, src: string, entries: EntryPart, onDurable: () => void): boolean {
    return this.#offer(project, sourceKey(project, src), entries, onDurable) === undefined;
  }

  /**
   * The same, waiting for room where there is none: then it resolves once taken.
   * @param key where the caller has made it already.
   * @throws GatewayStopping, or rejects with it.
   */
  accept(
    project: string,
    src: string,
    entries: EntryPart,
    onDurable: () => void,
    key = sourceKey(project, src),
  ): Promise<void> | undefined {
    const refused = this.#offer(project, key, entries, onDurable);
    if (refused === undefined) return undefined;
    return this.#waiting(refused);
  }

  #waiting(offer: Offer): Promise<void> {
    const { lane } = offer;
    return new Promise((resolve, reject) => {
      this.#lanes.set(lane.key, lane);
      lane.waiters.push({ offer, resolve, reject });
      this.#waitForRoom(lane);
    });
  }

  /** @returns what there is no room for; undefined where it was taken. */
  #offer(project: string, key: string, entries: EntryPart, onDurable: () => void): Offer | undefined {
    if (this.#stopping) throw new GatewayStopping();
    const known = this.#lanes.get(key);
    if (known === undefined && entries.length === 0) {
      onDurable();
      return undefined;
    }
    const lane = known ?? newLane(key, project);
    const weight = Math.max(1, entries.length);
    const aheadWeight = weight * (entries instanceof EntryRun ? RUN_AHEAD_WEIGHT : AHEAD_WEIGHT);
    const offer = { lane, entries, sizeBytes: sizeOf(entries), weight, aheadWeight, onDurable };
    // Who waits is not overtaken by its own source.
    if (lane.waiters.count > 0 || !this.#isQueueOpen || !this.#hasRoom(lane, offer)) return offer;
    if (known === undefined) this.#lanes.set(key, lane);
    this.#put(lane, offer);
    if (!this.#running) {
      this.#running = true;
      // Later, so that what is offered together is stored together.
      queueMicrotask(() => void this.#run());
    }
    return undefined;
  }

  /**
   * Takes nothing more, and resolves when all is durable or the time is up; the rest is forgotten and never acked.
   * @param deadlineMs from now.
   */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    for (const { waiters } of this.#lanes.values())
      for (let waiter = waiters.shift(); waiter !== undefined; waiter = waiters.shift())
        waiter.reject(new GatewayStopping());
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
  #take(): readonly Offer[] {
    const { commitEntriesMax, commitBytesMax } = this.#options;
    const taken: Offer[] = [];
    const wasOpen = this.isOpen;
    let entryCount = 0;
    let aheadWeight = 0;
    let sizeBytes = 0;
    while (entryCount < commitEntriesMax && sizeBytes < commitBytesMax) {
      const lane = this.#turns.shift();
      const offer = lane?.offers.shift();
      if (lane === undefined || offer === undefined) break;
      if (lane.offers.count > 0) this.#turns.push(lane);
      lane.inFlightCount += 1;
      entryCount += offer.weight;
      aheadWeight += offer.aheadWeight;
      sizeBytes += offer.sizeBytes;
      taken.push(offer);
    }
    this.#waitingWeight -= aheadWeight;
    this.#waitingBytes -= sizeBytes;
    this.#readAheads = 1;
    this.#readOnTimer?.cancel();
    this.#readOnTimer = undefined;
    if (!wasOpen) this.#tellOpen();
    return taken;
  }

  /** The demand has ended; it opens with the next commit, or where the one under way takes long. */
  #readOnLater(): void {
    const { commitEntriesMax, readAheadEntries } = this.#options;
    if (this.#readOnTimer !== undefined || this.#readAheads * readAheadEntries >= commitEntriesMax) return;
    this.#readOnTimer = this.#timers.after(READ_ON_MS, () => {
      this.#readOnTimer = undefined;
      this.#readAheads += 1;
      this.#tellOpen();
    });
  }

  #tellOpen(): void {
    for (const listener of this.#openListeners) listener();
  }

  async #commit(taken: readonly Offer[]): Promise<void> {
    const byProject = new ProjectBatches();
    for (const { lane, entries } of taken) byProject.add(lane.project, entries);
    const batches = byProject.list();
    if (batches.length === 0) return;
    for (;;) {
      try {
        await this.#uplink.commit(batches);
        this.#backoff.reset();
        this.#isUplinkAway = false;
        this.#counters.add("gateway_commits_total");
        for (const batch of batches) this.#counters.add("gateway_committed_entries_total", batch.entryCount);
        return;
      } catch (error) {
        if (!(error instanceof UplinkUnavailable)) throw error;
        if (this.#abandoned) return;
        this.#isUplinkAway = true;
        this.#tellOpen();
        const retryMs = Math.round(this.#backoff.takeMs());
        this.#counters.add("gateway_uplink_unavailable_total");
        this.#log.warn({ retryMs, waitingEntries: this.#weight }, error.message);
        await this.#pauses.pause(retryMs);
        if (this.#abandoned) return;
      }
    }
  }

  #settle(taken: readonly Offer[]): void {
    for (const { lane, weight, sizeBytes } of taken) {
      lane.inFlightCount -= 1;
      this.#addTo(lane, -weight, -sizeBytes);
    }
    for (const { lane } of taken) this.#waitForRoom(lane);
    // Before those who are told now offer more: who waits was there first.
    this.#callWaiters();
    for (const { lane } of taken)
      if (lane.inFlightCount === 0 && lane.offers.count === 0 && lane.waiters.count === 0)
        this.#lanes.delete(lane.key);
    for (const offer of taken) offer.onDurable();
  }

  /**
   * Puts the lane among those that wait for room in the queue, where its first waiter lacks nothing else. One that lacks room in its own
   * lane comes here again when something of that lane is durable: there is something, as an empty lane has room for any offer.
   */
  #waitForRoom(lane: Lane): void {
    const first = lane.waiters.peek();
    if (first === undefined || lane.isInRoomTurns || !this.#hasRoom(lane, first.offer)) return;
    lane.isInRoomTurns = true;
    this.#roomTurns.push(lane);
  }

  /** Takes the offers of waiters, one of each lane in turn, as far as there is room. */
  #callWaiters(): void {
    while (this.#isQueueOpen) {
      const lane = this.#roomTurns.shift();
      if (lane === undefined) return;
      lane.isInRoomTurns = false;
      const waiter = lane.waiters.shift();
      // A stop took it.
      if (waiter === undefined) continue;
      this.#put(lane, waiter.offer);
      waiter.resolve();
      this.#waitForRoom(lane);
    }
  }

  get #isQueueOpen(): boolean {
    const { queueEntriesMax, queueBytesMax } = this.#options;
    return this.#weight < queueEntriesMax && this.#sizeBytes < queueBytesMax;
  }

  /** Whether the source's own share has room. One offer alone may be larger. */
  #hasRoom(lane: Lane, { weight, sizeBytes }: Offer): boolean {
    const { laneEntriesMax, laneBytesMax } = this.#options;
    if (lane.weight === 0) return true;
    return lane.weight + weight <= laneEntriesMax && lane.sizeBytes + sizeBytes <= laneBytesMax;
  }

  #put(lane: Lane, offer: Offer): void {
    if (lane.offers.count === 0) this.#turns.push(lane);
    lane.offers.push(offer);
    this.#addTo(lane, offer.weight, offer.sizeBytes);
    this.#waitingWeight += offer.aheadWeight;
    this.#waitingBytes += offer.sizeBytes;
    if (!this.isOpen) this.#readOnLater();
  }

  #addTo(lane: Lane, weight: number, sizeBytes: number): void {
    lane.weight += weight;
    lane.sizeBytes += sizeBytes;
    this.#weight += weight;
    this.#sizeBytes += sizeBytes;
  }
}

function newLane(key: string, project: string): Lane {
  return {
    key,
    project,
    offers: new Fifo(),
    waiters: new Fifo(),
    isInRoomTurns: false,
    weight: 0,
    sizeBytes: 0,
    inFlightCount: 0,
  };
}

function sizeOf(entries: EntryPart): number {
  if (isRun(entries)) return entries.characterCount + entries.length * ENTRY_OVERHEAD_BYTES;
  let sizeBytes = 0;
  for (const entry of entries) sizeBytes += entry.msg.length + ENTRY_OVERHEAD_BYTES;
  return sizeBytes;
}
