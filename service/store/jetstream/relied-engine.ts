import type { Timers } from "../../../host/clock.ts";
import { pause } from "../../../host/pause.ts";
import { StoreUnavailable } from "../log-store.ts";
import type {
  EngineFollower,
  EngineMessage,
  MessageEngine,
  PublishOutcome,
  ScanStart,
  StreamState,
} from "./message-engine.ts";

/*
 * After leaders changed, the replica that leads a stream may be one that holds other messages than were acked (`replica-guard.ts`).
 * What it answers must reach nobody: a reader would hear of other lines, and a writer go on from what does not stand. So while a
 * stream is in doubt each answer is held against who leads, before and after; where that is not the same replica, or not one to rely
 * on, it is asked again.
 */

/** Who leads a stream that is in doubt, and may be relied upon. Two that are equal: nobody else led in between. */
export interface Reliance {
  readonly node: string;
  readonly electionCount: number;
}

export interface LeaderTrust {
  isDoubted(stream: string): boolean;
  /**
   * Undefined where nothing is in doubt. Else who leads at some time after this call, once it is one to rely on.
   * Rejects with StoreUnavailable where that takes too long.
   */
  relied(stream: string): Promise<Reliance | undefined> | undefined;
}

/** Others come to lead in between so often. */
const TURNS_MAX = 10;
/** Messages that wait for it to be known whether they are the stream's. */
const HELD_MAX = 5_000;
/** Before what was heard of one replica is heard of another, ms. */
const AGAIN_MS = 200;

/** An engine whose answers are of replicas that may be relied on. */
export class ReliedEngine implements MessageEngine {
  readonly #engine: MessageEngine;
  readonly #trust: LeaderTrust;
  readonly #timers: Timers;

  constructor(engine: MessageEngine, trust: LeaderTrust, timers: Timers) {
    this.#engine = engine;
    this.#trust = trust;
    this.#timers = timers;
  }

  get generation(): number {
    return this.#engine.generation;
  }

  get payloadBytesMax(): number {
    return this.#engine.payloadBytesMax;
  }

  ensureStream(stream: string, subject: string, perSubjectMax?: number): Promise<void> {
    return this.#engine.ensureStream(stream, subject, perSubjectMax);
  }

  streamNames(prefix: string): Promise<readonly string[]> {
    return this.#engine.streamNames(prefix);
  }

  state(stream: string): Promise<StreamState | undefined> {
    return this.#reliedOn(stream, () => this.#engine.state(stream));
  }

  /** Whoever publishes reads afterwards what came of it. */
  publish(subject: string, data: Uint8Array, expectedSeq: number | undefined): Promise<PublishOutcome> {
    return this.#engine.publish(subject, data, expectedSeq);
  }

  last(stream: string, subject: string): Promise<EngineMessage | undefined> {
    return this.#reliedOn(stream, () => this.#engine.last(stream, subject));
  }

  next(stream: string, subject: string, seq: number): Promise<EngineMessage | undefined> {
    return this.#reliedOn(stream, () => this.#engine.next(stream, subject, seq));
  }

  at(stream: string, seq: number): Promise<EngineMessage | undefined> {
    return this.#reliedOn(stream, () => this.#engine.at(stream, seq));
  }

  async *scan(
    stream: string,
    subject: string,
    start: ScanStart,
    throughSeq: number,
  ): AsyncGenerator<readonly EngineMessage[]> {
    let from = start;
    let hasGiven = false;
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      const before = await this.#trust.relied(stream);
      let isSame = true;
      for await (const slice of this.#engine.scan(stream, subject, from, throughSeq, before?.node)) {
        isSame = isEqual(before, await this.#trust.relied(stream));
        if (!isSame) break;
        yield slice;
        hasGiven = true;
        if (from !== "last-per-subject") from = { seq: (slice.at(-1)?.seq ?? 0) + 1 };
      }
      if (isSame && isEqual(before, await this.#trust.relied(stream))) return;
      // What is left of the last of each subject cannot be asked for by itself.
      if (from === "last-per-subject" && hasGiven) break;
    }
    throw otherLeader();
  }

  follow(stream: string, fromSeq: number, listener: (message: EngineMessage) => void): EngineFollower {
    return new ReliedFollower(
      { engine: this.#engine, trust: this.#trust, timers: this.#timers },
      stream,
      fromSeq,
      listener,
    );
  }

  purge(stream: string, belowSeq: number, subject?: string): Promise<void> {
    return this.#engine.purge(stream, belowSeq, subject);
  }

  onReconnect(listener: () => void): void {
    this.#engine.onReconnect(listener);
  }

  close(): Promise<void> {
    return this.#engine.close();
  }

  async #reliedOn<T>(stream: string, ask: () => Promise<T>): Promise<T> {
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      const before = await this.#trust.relied(stream);
      const answer = await ask();
      if (isEqual(before, await this.#trust.relied(stream))) return answer;
    }
    throw otherLeader();
  }
}

interface FollowerWorld {
  readonly engine: MessageEngine;
  readonly trust: LeaderTrust;
  readonly timers: Timers;
}

interface Held {
  readonly message: EngineMessage;
  /** Whose replica it is of. */
  readonly node: string | undefined;
}

/** Hears a stream; what it heard while that was in doubt it tells only once it is known to be the stream's. */
class ReliedFollower implements EngineFollower {
  readonly ready: Promise<void>;
  readonly #world: FollowerWorld;
  readonly #stream: string;
  readonly #listener: (message: EngineMessage) => void;
  readonly #held: Held[] = [];
  #nextSeq: number;
  #follower: EngineFollower;
  /** Of the follower that is heard; what those before it still tell is not. */
  #turn = 0;
  #isDeciding = false;
  #hasMissed = false;
  #isClosed = false;

  constructor(
    world: FollowerWorld,
    stream: string,
    fromSeq: number,
    listener: (message: EngineMessage) => void,
  ) {
    this.#world = world;
    this.#stream = stream;
    this.#nextSeq = fromSeq;
    this.#listener = listener;
    this.#follower = this.#follow();
    this.ready = this.#follower.ready;
  }

  close(): void {
    this.#isClosed = true;
    this.#follower.close();
  }

  #follow(): EngineFollower {
    const turn = ++this.#turn;
    return this.#world.engine.follow(this.#stream, this.#nextSeq, (message, node) => {
      if (!this.#isClosed && this.#turn === turn) this.#hear(message, node);
    });
  }

  #hear(message: EngineMessage, node: string | undefined): void {
    if (this.#held.length === 0 && !this.#hasMissed && !this.#world.trust.isDoubted(this.#stream)) {
      this.#tell(message);
      return;
    }
    if (this.#held.length < HELD_MAX) this.#held.push({ message, node });
    else this.#hasMissed = true;
    if (!this.#isDeciding) void this.#decide();
  }

  #tell(message: EngineMessage): void {
    this.#nextSeq = message.seq + 1;
    this.#listener(message);
  }

  async #decide(): Promise<void> {
    this.#isDeciding = true;
    while (this.#held.length > 0 && !this.#isClosed) {
      const count = this.#held.length;
      let leader: Reliance | undefined;
      try {
        leader = await this.#world.trust.relied(this.#stream);
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        continue;
      }
      if (this.#isClosed) return;
      const decided = this.#held.splice(0, count);
      const isRelied = leader !== undefined && decided.every(({ node }) => node === leader.node);
      if (isRelied) for (const { message } of decided) this.#tell(message);
      if (!isRelied || this.#hasMissed) await this.#begin();
    }
    this.#isDeciding = false;
  }

  /** Hears once more what it did not tell, from whoever leads now. */
  async #begin(): Promise<void> {
    this.#held.length = 0;
    this.#hasMissed = false;
    this.#turn++;
    while (!this.#isClosed) {
      this.#follower.close();
      await pause(this.#world.timers, AGAIN_MS);
      if (this.#isClosed) return;
      this.#follower = this.#follow();
      try {
        return await this.#follower.ready;
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
      }
    }
  }
}

function isEqual(left: Reliance | undefined, right: Reliance | undefined): boolean {
  return left?.node === right?.node && left?.electionCount === right?.electionCount;
}

function otherLeader(): StoreUnavailable {
  return new StoreUnavailable("another replica came to lead meanwhile");
}
