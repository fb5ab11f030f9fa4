import type { Clock } from "../host/clock.ts";
import { CounterTable } from "../host/counters.ts";
import { silentLog } from "../host/process-log.ts";
import { EntryAppender } from "../service/entry-appender.ts";
import { AT_ONCE, type HttpAnswer, type HttpRequest } from "../service/http/exchange.ts";
import type { MessageSocket } from "../service/http/message-socket.ts";
import { CloseCode } from "../service/http/message-socket.ts";
import { GatewaySocket } from "../service/ingest/gateway-socket.ts";
import { IngestHandlers } from "../service/ingest/ingest-handlers.ts";
import { LevelHub } from "../service/level-control.ts";
import { ChunkedStore } from "../service/store/chunked-store.ts";
import type { Compressor } from "../service/store/compressor.ts";
import { type LogStore, StoreUnavailable } from "../service/store/log-store.ts";
import { MemoryKvSpace } from "../service/store/memory-kv.ts";
import type { KvForm, OrderedKv } from "../service/store/ordered-kv.ts";
import { checkStore } from "../service/store/store-checker.ts";
import type { ChunkedStoreOptions } from "../service/store/store-core.ts";
import { viewStore } from "../service/store/store-view.ts";
import type { EventLog } from "./event-log.ts";
import type { FaultPlan } from "./fault-plan.ts";
import { ProcessLife } from "./process-life.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { ServiceKeys } from "./service-keys.ts";
import type { Knock, ServiceDoor } from "./service-link.ts";
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

  override open(name: string, form?: KvForm): Promise<OrderedKv> {
    this.onOpen();
    return super.open(name, form);
  }
}

/** The log service's process: its store on a simulated disk that outlives it, and what gateways reach of it. */
export class ServiceProcess implements ServiceDoor {
  readonly counters = new CounterTable();
  readonly space: WatchedKvSpace;
  /** A sync has begun that takes long. */
  onStall: () => void = () => {};
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
  #ingest: IngestHandlers | undefined;
  /** Of gateways, in this life. */
  readonly #sockets = new Set<MessageSocket>();
  readonly #keys: ServiceKeys;
  #image: MemoryKvSpace | undefined;
  #slowMs = 0;
  isQuiet = false;

  constructor(
    world: {
      readonly time: VirtualTime;
      readonly random: SeededRandom;
      readonly plan: FaultPlan;
      readonly events: EventLog;
      readonly keys: ServiceKeys;
    },
    events: ServiceEvents,
  ) {
    this.#keys = world.keys;
    this.#time = world.time;
    this.#random = world.random;
    this.#plan = world.plan;
    this.#log = world.events;
    this.#events = events;
    this.#slowMs = 400 * world.plan.amount("slowCommit");
    this.#options = {
      ...(this.#random.chance(0.7) ? TINY : { chunkEntriesMax: 64, sealBytes: 16_000 }),
      ...(world.plan.has("fewMarks") && { cachedBootsMax: 0 }),
    };
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

  /** A gateway upgrades to a socket. */
  async admit(knock: Knock, socket: MessageSocket): Promise<boolean> {
    const life = this.#life;
    const ingest = this.#ingest;
    const upgrade = requestOf(knock);
    const admitted = await ingest?.admit(upgrade);
    if (life === undefined || ingest === undefined || this.#life !== life || !admitted?.ok) return false;
    const dependencies = { socket, ingest, levels: new LevelHub(), timers: life, counters: this.counters };
    const gateway = { project: knock.project, gatewayId: knock.gateway };
    new GatewaySocket(dependencies, upgrade, gateway).start();
    this.#sockets.add(socket);
    return true;
  }

  /** A batch by HTTP; undefined while it is down. */
  async post(knock: Knock, body: Uint8Array): Promise<HttpAnswer | undefined> {
    return await this.#ingest?.postEntries({ ...requestOf(knock), body });
  }

  get hasImage(): boolean {
    return this.#image !== undefined;
  }

  /** A copy of what is durable now. */
  takeImage(): void {
    this.#image = this.space.copy();
  }

  /** Somebody writes the copy back; the process must be down. */
  restoreImage(): void {
    if (this.#image === undefined) return;
    this.#log.add("service", "is restored to an older disk");
    this.space.restore(this.#image);
    this.#image = undefined;
  }

  /** kill -9 and power cut in one: what was not synced may be gone. */
  crash(): void {
    if (this.#life === undefined) return;
    this.#log.add("service", "crashes");
    this.#end();
    this.space.crash();
  }

  /** No room on its disk for a while: nothing is taken. */
  fillDisk(forMs: number): void {
    this.#log.add("service", `its disk is full for ${Math.round(forMs)} ms`);
    this.space.freeBytesLeft = 0;
    this.#time.after(forMs, () => this.freeDisk());
  }

  freeDisk(): void {
    this.space.freeBytesLeft = Number.POSITIVE_INFINITY;
  }

  /** SIGTERM: everything accepted becomes durable. */
  async stop(): Promise<void> {
    const store = this.#store;
    const life = this.#life;
    this.#store = undefined;
    this.#closeSockets();
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

  /** What `boardlog store check` says of what is durable now; the process must be down. */
  async check(): Promise<readonly string[]> {
    const view = await viewStore(this.space);
    const { problems } = await checkStore(view, async () => {}, noCompressor);
    await view.close();
    return problems.map(({ where, what, src }) => `${where}: ${what}${src === undefined ? "" : ` (${src})`}`);
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
      const { counters } = this;
      const appender = new EntryAppender({ store, counters });
      this.#ingest = new IngestHandlers({
        store,
        appender,
        keys: this.#keys.keyRing,
        counters,
        clock: this.#clock,
        log: silentLog,
      });
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
    this.#closeSockets();
  }

  #closeSockets(): void {
    this.#ingest = undefined;
    for (const socket of this.#sockets) socket.close(CloseCode.GoingAway, "the service stops");
    this.#sockets.clear();
  }

  #syncDelay(): Promise<void> {
    let delayMs = this.#random.between(0.5, 6 + (this.isQuiet ? 0 : this.#slowMs));
    const stalls = this.#plan.amount("stalledSync");
    if (stalls > 0 && !this.isQuiet && this.#random.chance(stalls)) {
      // Long enough that a gateway whose connection breaks meanwhile may be back before it ends.
      delayMs += this.#random.between(500, 5000);
      this.onStall();
    }
    return new Promise((resolve) => this.#time.after(delayMs, resolve));
  }
}

function requestOf({ project, gateway, key }: Knock): HttpRequest {
  return {
    headers: { "x-api-key": key },
    params: { projectId: project, gatewayId: gateway },
    query: new URLSearchParams(),
    body: new Uint8Array(),
    ...AT_ONCE,
  };
}

/** A clock by which every look is a turn's worth of work later, so that listings and seals give way all the time. */
function hasty(clock: Clock): Clock {
  let looks = 0;
  return { wallMs: () => clock.wallMs(), monotonicMs: () => clock.monotonicMs() + 3 * ++looks };
}
