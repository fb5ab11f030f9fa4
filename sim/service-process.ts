import type { Clock } from "../host/clock.ts";
import { CounterTable } from "../host/counters.ts";
import { silentLog } from "../host/process-log.ts";
import { ChunkedStore } from "../service/store/chunked-store.ts";
import type { Compressor } from "../service/store/compressor.ts";
import { type LogStore, StoreUnavailable } from "../service/store/log-store.ts";
import { MemoryKvSpace } from "../service/store/memory-kv.ts";
import type { OrderedKv } from "../service/store/ordered-kv.ts";
import type { ChunkedStoreOptions } from "../service/store/store-core.ts";
import type { EventLog } from "./event-log.ts";
import type { FaultPlan } from "./fault-plan.ts";
import { ProcessLife } from "./process-life.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Chunks and segments so small that a run of a few hundred entries crosses every border. */
const TINY: Partial<ChunkedStoreOptions> = {
  maintenanceMs: 0,
  sealBytes: 4000,
  chunkEntriesMax: 8,
  chunkBytesMax: 800,
  segmentBytesMax: 6000,
  groupEntriesMax: 20,
  cachedSourcesMax: 4,
  openChunkBytesMax: 4000,
};

/** Nothing is compressed: the time goes into faults instead. The checksums above it are the real ones. */
const noCompressor: Compressor = {
  compress: (bytes) => bytes.slice(),
  expand: (bytes, sizeBytes) => {
    if (bytes.length !== sizeBytes) throw new RangeError("a value has another size than it says");
    return Buffer.from(bytes);
  },
};

export interface ServiceEvents {
  /** The store is open and may be used. */
  readonly onUp: (store: LogStore, life: ProcessLife) => void;
  /** The process must be ended and started again. */
  readonly onFailure: (error: StoreUnavailable) => void;
}

/** Tells when an engine is opened: the store opens a log of its own for what comes in while it seals. */
class WatchedKvSpace extends MemoryKvSpace {
  onOpen: () => void = () => {};

  override open(name: string): Promise<OrderedKv> {
    this.onOpen();
    return super.open(name);
  }
}

/** The log service's process: its store on a simulated disk that outlives it. */
export class ServiceProcess {
  readonly counters = new CounterTable();
  readonly space: WatchedKvSpace;
  /** Also called while it opens. */
  onSealBegins: () => void = () => {};
  readonly #time: VirtualTime;
  readonly #random: SeededRandom;
  readonly #plan: FaultPlan;
  readonly #log: EventLog;
  readonly #events: ServiceEvents;
  readonly #options: Partial<ChunkedStoreOptions>;
  readonly #clock: Clock;
  #life: ProcessLife | undefined;
  #store: ChunkedStore | undefined;
  #slowMs = 0;
  isQuiet = false;

  constructor(
    world: {
      readonly time: VirtualTime;
      readonly random: SeededRandom;
      readonly plan: FaultPlan;
      readonly events: EventLog;
    },
    events: ServiceEvents,
  ) {
    this.#time = world.time;
    this.#random = world.random;
    this.#plan = world.plan;
    this.#log = world.events;
    this.#events = events;
    this.#slowMs = 400 * world.plan.amount("slowCommit");
    this.#options = this.#random.chance(0.7) ? TINY : { chunkEntriesMax: 64, sealBytes: 16_000 };
    this.#clock = this.#random.chance(0.3) ? hasty(world.time) : world.time;
    this.space = new WatchedKvSpace(this.#random, () => this.#syncDelay());
    this.space.onOpen = () => this.onSealBegins();
  }

  /** Undefined while it is down or opening. */
  get store(): LogStore | undefined {
    return this.#store;
  }

  get isRunning(): boolean {
    return this.#life !== undefined;
  }

  start(): void {
    if (this.#life !== undefined) return;
    const life = new ProcessLife(this.#time);
    this.#life = life;
    this.space.faults = { commitFails: this.isQuiet ? 0 : this.#plan.amount("commitFails") };
    void this.#open(life);
    if (!this.isQuiet && this.#random.chance(this.#plan.amount("crashOpening"))) {
      this.#time.after(this.#random.between(0, 10), () => {
        if (this.#life === life && this.#store === undefined) this.#crashOpening();
      });
    }
  }

  /** kill -9 and power cut in one: what was not synced may be gone. */
  crash(): void {
    if (this.#life === undefined) return;
    this.#log.add("service", "crashes");
    this.#end();
    this.space.crash();
  }

  /** SIGTERM: everything accepted becomes durable. */
  async stop(): Promise<void> {
    const store = this.#store;
    const life = this.#life;
    this.#store = undefined;
    if (store === undefined || life === undefined) return;
    this.#log.add("service", "stops");
    await store.close().catch((error: unknown) => {
      if (!(error instanceof StoreUnavailable)) throw error;
    });
    if (this.#life === life) this.#end();
  }

  /** Opens the store once more, on whatever is there, to look at it; the process must be down. */
  openAgain(): Promise<ChunkedStore> {
    return this.#openStore(() => {});
  }

  async #open(life: ProcessLife): Promise<void> {
    try {
      const store = await this.#openStore((error) => {
        if (this.#life !== life) return;
        this.#log.add("service", `store failed: ${error.message}`);
        this.#events.onFailure(error);
      });
      if (this.#life !== life) return;
      this.#store = store;
      this.#log.add("service", "is up");
      this.#events.onUp(store, life);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      if (this.#life !== life) return;
      this.#log.add("service", `cannot open: ${error.message}`);
      this.#events.onFailure(error);
    }
  }

  #openStore(onFailure: (error: StoreUnavailable) => void): Promise<ChunkedStore> {
    return ChunkedStore.open(
      {
        space: this.space,
        clock: this.#clock,
        counters: this.counters,
        log: silentLog,
        compressor: noCompressor,
        compactCompressor: noCompressor,
        newSecret: (size) => this.#random.bytes(size),
        yieldTurn: () => Promise.resolve(),
        rest: () => Promise.resolve(),
        timers: this.#time,
        onFailure,
      },
      this.#options,
    );
  }

  #crashOpening(): void {
    this.#log.add("service", "crashes while opening");
    this.#end();
    this.space.crash();
    this.#time.after(50, () => this.start());
  }

  #end(): void {
    this.#life?.kill();
    this.#life = undefined;
    this.#store = undefined;
  }

  #syncDelay(): Promise<void> {
    const delayMs = this.#random.between(0.5, 6 + (this.isQuiet ? 0 : this.#slowMs));
    return new Promise((resolve) => this.#time.after(delayMs, resolve));
  }
}

/** A clock by which every look is a turn's worth of work later, so that listings and seals give way all the time. */
function hasty(clock: Clock): Clock {
  let looks = 0;
  return { wallMs: () => clock.wallMs(), monotonicMs: () => clock.monotonicMs() + 3 * ++looks };
}
