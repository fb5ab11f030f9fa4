import type { Counters } from "../../../host/counters.ts";
import type { Compressor } from "../compressor.ts";
import { IdMaker } from "../entry-id.ts";
import { StoreUnavailable } from "../log-store.ts";
import { SourceMessage } from "./cluster-value.ts";
import type { EngineMessage, MessageEngine } from "./message-engine.ts";
import { Register, type RegisterForm } from "./register.ts";
import type { SourceHead } from "./source-head.ts";
import { STREAM_DELETIONS_FORM, type StreamDeletions } from "./stream-deletions.ts";
import { keptStream, keptSubject, ProjectNames } from "./subject-names.ts";

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
  readonly #counters: Counters;
  readonly #compressor: Compressor;
  #aheadMs: number | undefined;

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
  }

  get stream(): string {
    return this.names.stream;
  }

  get compressor(): Compressor {
    return this.#compressor;
  }

  ensure(): Promise<void> {
    return this.engine.ensureStream(this.stream, this.names.all, false);
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
      return { seq: last.seq, head: read.head };
    }
    const kept = await this.engine.last(keptStream(this.prefix), keptSubject(this.prefix, subject));
    const head = kept && SourceMessage.of(src, kept)?.head;
    return head && { seq: 0, head };
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
  }
}
