import type { Counters } from "../../../host/counters.ts";
import type { Compressor } from "../compressor.ts";
import { IdMaker } from "../entry-id.ts";
import { StoreUnavailable } from "../log-store.ts";
import { SourceMessage } from "./cluster-value.ts";
import type { EngineMessage, MessageEngine } from "./message-engine.ts";
import { Register, type RegisterForm } from "./register.ts";
import type { SourceHead } from "./source-head.ts";
import { HiddenEntries, STREAM_DELETIONS_FORM, type StreamDeletions } from "./stream-deletions.ts";
import { keptStream, keptSubject, ProjectNames } from "./subject-names.ts";
import { UNDERWAY_MAX, VOIDS_FORM, withVoids } from "./succession.ts";

const HOUR_MS = 3_600_000;
/** Clocks of gateways, services and the cluster's nodes may differ by so much without a word. */
export const CLOCK_SLACK_MS = HOUR_MS;

const NUMBER_FORM: RegisterForm<number> = {
  empty: 0,
  encode: (value, to) => to.varint(value),
  decode: (from) => from.varint(),
};

/** What stands of a source: the head of its last message, and that message's seq, 0 where retention took it. */
export interface SourceStanding {
  readonly seq: number;
  /** Of its last message in the stream, which is void (`succession.ts`) where it is another one. */
  readonly lastSeq: number;
  readonly head: SourceHead;
}

/** One project in the cluster: its stream, and the values in it. */
export class ProjectLog {
  readonly name: string;
  readonly names: ProjectNames;
  readonly ids: IdMaker;
  readonly engine: MessageEngine;
  readonly prefix: string;
  readonly deletions: Register<StreamDeletions>;
  readonly #ahead: Register<number>;
  readonly #voids: Register<readonly number[]>;
  readonly #counters: Counters;
  readonly #compressor: Compressor;
  #aheadMs: number | undefined;
  #highestSeq = 0;

  constructor(
    world: {
      readonly engine: MessageEngine;
      readonly prefix: string;
      readonly secret: Uint8Array;
      readonly counters: Counters;
      readonly compressor: Compressor;
    },
    name: string,
  ) {
    const { engine, prefix } = world;
    this.name = name;
    this.engine = engine;
    this.prefix = prefix;
    this.names = new ProjectNames(prefix, name);
    this.ids = new IdMaker(world.secret, name);
    this.#counters = world.counters;
    this.#compressor = world.compressor;
    const place = { engine, prefix, stream: this.names.stream };
    this.deletions = new Register(place, this.names.deletions, STREAM_DELETIONS_FORM);
    this.#ahead = new Register(place, this.names.ahead, NUMBER_FORM);
    this.#voids = new Register(place, this.names.voids, VOIDS_FORM);
  }

  get stream(): string {
    return this.names.stream;
  }

  get compressor(): Compressor {
    return this.#compressor;
  }

  ensure(): Promise<void> {
    return this.engine.ensureStream(this.stream, this.names.all);
  }

  spool(gateway: string, epoch: string): Register<number> {
    const { engine, prefix, stream } = this;
    return new Register({ engine, prefix, stream }, this.names.spool(gateway, epoch), NUMBER_FORM);
  }

  /** Undefined for what is no source's message, and for one that is damaged, which is counted. */
  read(message: EngineMessage): SourceMessage | undefined {
    const src = this.names.srcOf(message.subject);
    if (src === undefined) return undefined;
    const value = SourceMessage.of(src, message);
    if (value === undefined) this.#counters.add("store_corrupt_values_total");
    return value;
  }

  /** Undefined for a source that never was. @throws StoreUnavailable */
  async standing(src: string): Promise<SourceStanding | undefined> {
    const subject = this.names.source(src);
    const last = await this.engine.last(this.stream, subject);
    if (last !== undefined) {
      const read = this.read(last);
      if (read === undefined) throw new StoreUnavailable(`the last message of ${src} is damaged`);
      const { seq, head } = await this.#settled(subject, read);
      return { seq, lastSeq: last.seq, head };
    }
    const kept = await this.engine.last(keptStream(this.prefix), keptSubject(this.prefix, subject));
    const head = kept && SourceMessage.of(src, kept)?.head;
    return head && { seq: 0, lastSeq: 0, head };
  }

  /**
   * The last message of a source that counts, as of the one that is last in the stream. @throws StoreUnavailable
   */
  async #settled(subject: string, last: SourceMessage): Promise<SourceMessage> {
    let standing: SourceMessage | undefined;
    // One without entries may be a first one, which the cluster does not check.
    let fromSeq = last.beforeSeq + 1;
    if (last.entryCount > 0) fromSeq = Math.max(fromSeq, last.seq - UNDERWAY_MAX);
    const voids: number[] = [];
    while (fromSeq <= last.seq) {
      const message = await this.engine.next(this.stream, subject, fromSeq);
      if (message === undefined || (standing === undefined && message.seq >= last.seq)) break;
      const read = this.read(message);
      if (read !== undefined) {
        if (read.beforeSeq >= (standing?.seq ?? last.beforeSeq)) standing = read;
        else if (read.entryCount > 0) voids.push(read.seq);
      }
      fromSeq = message.seq + 1;
    }
    if (voids.length > 0) await this.noteVoids(voids);
    return standing ?? last;
  }

  /** What readers pass over. @throws StoreUnavailable */
  async hidden(): Promise<HiddenEntries> {
    const [deletions, voids] = await Promise.all([this.deletions.read(), this.#voids.read()]);
    return new HiddenEntries(deletions, voids);
  }

  /** Lets readers pass over void messages (`succession.ts`). */
  async noteVoids(seqs: readonly number[]): Promise<void> {
    try {
      await this.#voids.update((known) => withVoids(known, seqs));
    } catch (error) {
      // Whoever meets them next notes them.
      if (!(error instanceof StoreUnavailable)) throw error;
    }
  }

  /** A message of this process is stored. */
  stored(seq: number): void {
    this.#highestSeq = Math.max(this.#highestSeq, seq);
  }

  /** The highest seq of the stream that this process knows to be stored. */
  get highestSeq(): number {
    return this.#highestSeq;
  }

  /**
   * Entries of the project are dated at most so much later than the cluster takes them, ms: with it a scan by time need not look at
   * everything that came before.
   */
  async aheadMs(): Promise<number> {
    this.#aheadMs = Math.max(this.#aheadMs ?? 0, await this.#ahead.read());
    return Math.max(CLOCK_SLACK_MS, this.#aheadMs);
  }

  /** Before entries are stored that are dated so much later than now. In steps of powers of two: it is written seldom. */
  async raiseAhead(aheadMs: number): Promise<void> {
    if (aheadMs <= Math.max(CLOCK_SLACK_MS, this.#aheadMs ?? 0)) return;
    const step = Math.min(Number.MAX_SAFE_INTEGER, 2 ** Math.ceil(Math.log2(aheadMs)));
    await this.#ahead.update((known) => (known >= step ? undefined : step));
    this.#aheadMs = Math.max(step, this.#aheadMs ?? 0);
  }

  /** What was known of its values may be old. */
  forget(): void {
    this.#aheadMs = undefined;
    this.#highestSeq = 0;
  }
}
