import type { Timer, Timers } from "../../../host/clock.ts";
import type { Counters } from "../../../host/counters.ts";
import type { ProcessLog } from "../../../host/log.ts";
import type { StoredBatch } from "../log-store.ts";
import { storedBatchOf } from "../stored-batch.ts";
import type { EngineFollower, EngineMessage } from "./message-engine.ts";
import type { ProjectLog } from "./project-log.ts";
import { SuccessionWatch } from "./succession.ts";

/** A tail outlives its last listener by so much, ms: who polls comes back. */
const LINGER_MS = 30_000;
/** Before it is tried again to listen, ms. */
const RETRY_MS = 1000;

export type TailListener = (batch: StoredBatch) => void;

export interface TailWorld {
  readonly timers: Timers;
  readonly counters: Counters;
  readonly log: ProcessLog;
}

interface Listening {
  readonly listener: TailListener;
  /** It hears what comes after this seq. */
  readonly floorSeq: number;
}

/** What every process stores in a project, as it comes, for the listeners of this one. */
export class ProjectTail {
  readonly #log: ProjectLog;
  readonly #world: TailWorld;
  readonly #listeners = new Set<Listening>();
  #follower: EngineFollower | undefined;
  /** Resolves when what is stored from now on will be heard. */
  #ready: Promise<void> | undefined;
  #timer: Timer | undefined;
  #isClosed = false;
  /** The highest that this process stored, and the first that it did since it began to listen. */
  #storedSeq = 0;
  #firstStoredSeq = Number.POSITIVE_INFINITY;
  #heardSeq = 0;
  #watch = new SuccessionWatch();

  constructor(log: ProjectLog, world: TailWorld) {
    this.#log = log;
    this.#world = world;
  }

  subscribe(listener: TailListener): () => void {
    const listening = { listener, floorSeq: this.#storedSeq };
    this.#listeners.add(listening);
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#begin();
    return () => {
      this.#listeners.delete(listening);
      if (this.#listeners.size > 0 || this.#isClosed) return;
      this.#timer ??= this.#world.timers.after(LINGER_MS, () => this.#end());
    };
  }

  /** A page that is read from now on joins on to what listeners hear. @throws StoreUnavailable */
  async settled(): Promise<void> {
    await this.#ready;
  }

  /** A message of this process is durable. */
  stored(seq: number): void {
    this.#storedSeq = Math.max(this.#storedSeq, seq);
    this.#firstStoredSeq = Math.min(this.#firstStoredSeq, seq);
  }

  /** The cluster lost what was heard: listens from what it has. */
  restart(): void {
    this.#storedSeq = this.#heardSeq = 0;
    this.#end();
    if (this.#listeners.size > 0) this.#begin();
  }

  close(): void {
    this.#isClosed = true;
    this.#listeners.clear();
    this.#end();
  }

  #begin(): void {
    if (this.#ready !== undefined || this.#isClosed) return;
    this.#firstStoredSeq = Number.POSITIVE_INFINITY;
    const ready = this.#listen();
    this.#ready = ready;
    ready.catch((error: unknown) => {
      if (this.#ready !== ready) return;
      this.#world.log.warn({ err: error }, "cannot listen to the cluster; trying again");
      this.#end();
      if (this.#listeners.size > 0) this.#timer = this.#world.timers.after(RETRY_MS, () => this.#begin());
    });
  }

  async #listen(): Promise<void> {
    const { engine, stream } = this.#log;
    await this.#log.ensure();
    const lastSeq = (await engine.state(stream))?.lastSeq ?? 0;
    const fromSeq = Math.min(lastSeq + 1, this.#firstStoredSeq);
    this.#heardSeq = fromSeq - 1;
    this.#watch = new SuccessionWatch();
    if (this.#isClosed) return;
    this.#follower = engine.follow(stream, fromSeq, (message) => this.#hear(message));
    await this.#follower.ready;
  }

  #end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#follower?.close();
    this.#follower = undefined;
    this.#ready = undefined;
  }

  #hear(message: EngineMessage): void {
    if (message.seq <= this.#heardSeq) return;
    this.#heardSeq = message.seq;
    const read = this.#log.read(message);
    if (read === undefined || this.#watch.isVoid(read) || read.entryCount === 0) return;
    const batch = storedBatchOf(read.entries(this.#log.ids, this.#log.compressor));
    for (const listening of [...this.#listeners]) {
      // One that ended its subscription while this was delivered to another must not hear of it.
      if (message.seq <= listening.floorSeq || !this.#listeners.has(listening)) continue;
      try {
        listening.listener(batch);
      } catch (error) {
        this.#world.counters.add("store_listener_errors_total");
        this.#world.log.error({ err: error }, "a listener of the store threw");
      }
    }
  }
}
