import type {
  EngineFollower,
  EngineMessage,
  MessageEngine,
  PublishOutcome,
  ScanStart,
  StreamState,
} from "../../service/store/jetstream/message-engine.ts";
import { StoreUnavailable } from "../../service/store/log-store.ts";

/** How often things go wrong, as fractions. */
export interface EngineFaults {
  /** A publish is stored and its answer lost. */
  readonly answerLost: number;
  /** A publish is lost, or stored only after other things have happened. */
  readonly publishLate: number;
  /** A read gets no answer. */
  readonly readFails: number;
  /** The check of the seq that is expected lets a publish pass, as it does those that are under way together. */
  readonly checkPasses?: number;
}

const NO_FAULTS: EngineFaults = { answerLost: 0, publishLate: 0, readFails: 0 };

interface Stream {
  readonly subject: string;
  readonly perSubjectMax: number;
  messages: EngineMessage[];
  lastSeq: number;
  readonly followers: Set<(message: EngineMessage) => void>;
}

/** What a cluster holds, in memory: for many engines at once. */
export class MemoryCluster {
  readonly streams = new Map<string, Stream>();
  faults = NO_FAULTS;
  readonly #fraction: () => number;
  /** Publishes that are still on their way. */
  readonly #late: (() => void)[] = [];
  /** Raised where every connection is lost. */
  generation = 0;
  nowMs: () => number = () => Date.now();
  /** Messages that were read, one by one or in scans. */
  readCount = 0;

  /** @param fraction where faults come from. */
  constructor(fraction: () => number = () => 1) {
    this.#fraction = fraction;
  }

  chance(share: number): boolean {
    return share > 0 && this.#fraction() < share;
  }

  publish(subject: string, data: Uint8Array, expectedSeq: number | undefined): PublishOutcome {
    while (this.#late.length > 0 && this.chance(0.5)) this.#late.shift()?.();
    if (this.chance(this.faults.publishLate)) {
      // Half of them never arrive.
      if (this.chance(0.5)) this.#late.push(() => this.#store(subject, data, expectedSeq));
      return { type: "unknown", cause: new Error("no answer in time") };
    }
    const outcome = this.#store(subject, data, expectedSeq);
    return this.chance(this.faults.answerLost)
      ? { type: "unknown", cause: new Error("answer lost") }
      : outcome;
  }

  streamOf(subject: string): Stream | undefined {
    return [...this.streams.values()].find((stream) => matches(stream.subject, subject));
  }

  #store(subject: string, data: Uint8Array, expectedSeq: number | undefined): PublishOutcome {
    const stream = this.streamOf(subject);
    if (stream === undefined) return { type: "unknown", cause: new Error("no stream") };
    const last = stream.messages.findLast((message) => message.subject === subject);
    const isAsExpected = expectedSeq === undefined || (last?.seq ?? 0) === expectedSeq;
    if (!isAsExpected && !this.chance(this.faults.checkPasses ?? 0)) return { type: "conflict" };
    const message = { subject, seq: ++stream.lastSeq, storedMs: this.nowMs(), data: Buffer.from(data) };
    stream.messages.push(message);
    const ofSubject = stream.messages.filter((one) => one.subject === subject);
    if (ofSubject.length > stream.perSubjectMax)
      stream.messages = stream.messages.filter((one) => one !== ofSubject[0]);
    for (const follower of stream.followers) queueMicrotask(() => follower(message));
    return { type: "stored", seq: message.seq };
  }
}

/** A driver of `MessageEngine` for tests of what is above it. */
export class MemoryEngine implements MessageEngine {
  readonly payloadBytesMax: number;
  readonly #cluster: MemoryCluster;

  constructor(cluster: MemoryCluster, payloadBytesMax = 1 << 20) {
    this.#cluster = cluster;
    this.payloadBytesMax = payloadBytesMax;
  }

  get generation(): number {
    return this.#cluster.generation;
  }

  async ensureStream(
    stream: string,
    subject: string,
    perSubjectMax = Number.POSITIVE_INFINITY,
  ): Promise<void> {
    if (this.#cluster.streams.has(stream)) return;
    this.#cluster.streams.set(stream, {
      subject,
      perSubjectMax,
      messages: [],
      lastSeq: 0,
      followers: new Set(),
    });
  }

  async streamNames(prefix: string): Promise<readonly string[]> {
    return [...this.#cluster.streams.keys()].filter((name) => name.startsWith(prefix)).sort();
  }

  async state(name: string): Promise<StreamState | undefined> {
    const stream = await this.#read(name);
    const first = stream?.messages[0];
    return (
      stream && {
        firstSeq: first?.seq ?? stream.lastSeq + 1,
        lastSeq: stream.lastSeq,
        messageCount: stream.messages.length,
        subjectCount: new Set(stream.messages.map(({ subject }) => subject)).size,
        byteCount: stream.messages.reduce((sum, { data }) => sum + data.length, 0),
        firstMs: first?.storedMs ?? 0,
      }
    );
  }

  async publish(subject: string, data: Uint8Array, expectedSeq: number | undefined): Promise<PublishOutcome> {
    await undefined;
    return this.#cluster.publish(subject, data, expectedSeq);
  }

  async last(stream: string, subject: string): Promise<EngineMessage | undefined> {
    return (await this.#read(stream))?.messages.findLast((message) => matches(subject, message.subject));
  }

  async next(stream: string, subject: string, seq: number): Promise<EngineMessage | undefined> {
    const found = await this.#read(stream);
    return found?.messages.find((message) => message.seq >= seq && matches(subject, message.subject));
  }

  async at(stream: string, seq: number): Promise<EngineMessage | undefined> {
    this.#cluster.readCount++;
    return (await this.#read(stream))?.messages.find((message) => message.seq === seq);
  }

  async *scan(
    name: string,
    subject: string,
    start: ScanStart,
    throughSeq: number,
  ): AsyncGenerator<readonly EngineMessage[]> {
    const stream = await this.#read(name);
    const wanted = (stream?.messages ?? []).filter(
      (message) => message.seq <= throughSeq && matches(subject, message.subject) && isFrom(message, start),
    );
    const lasts = new Map(wanted.map((message) => [message.subject, message]));
    const found =
      start === "last-per-subject" ? wanted.filter((one) => lasts.get(one.subject) === one) : wanted;
    for (let index = 0; index < found.length; index += 3) {
      const slice = found.slice(index, index + 3);
      this.#cluster.readCount += slice.length;
      yield slice;
    }
  }

  follow(name: string, fromSeq: number, listener: (message: EngineMessage) => void): EngineFollower {
    const stream = this.#cluster.streams.get(name);
    let isClosed = false;
    const hear = (message: EngineMessage): void => {
      if (!isClosed) listener(message);
    };
    for (const message of stream?.messages ?? [])
      if (message.seq >= fromSeq) queueMicrotask(() => hear(message));
    stream?.followers.add(hear);
    return {
      ready: Promise.resolve(),
      close: () => {
        isClosed = true;
        stream?.followers.delete(hear);
      },
    };
  }

  async purge(name: string, belowSeq: number, subject?: string): Promise<void> {
    const stream = await this.#read(name);
    if (stream === undefined) return;
    stream.messages = stream.messages.filter(
      (message) => message.seq >= belowSeq || (subject !== undefined && !matches(subject, message.subject)),
    );
  }

  onReconnect(): void {}

  async close(): Promise<void> {}

  async #read(name: string): Promise<Stream | undefined> {
    await undefined;
    if (this.#cluster.chance(this.#cluster.faults.readFails)) throw new StoreUnavailable("no answer in time");
    return this.#cluster.streams.get(name);
  }
}

function matches(pattern: string, subject: string): boolean {
  return pattern.endsWith(".>") ? subject.startsWith(pattern.slice(0, -1)) : pattern === subject;
}

function isFrom(message: EngineMessage, start: ScanStart): boolean {
  if (start === "last-per-subject") return true;
  return "seq" in start ? message.seq >= start.seq : message.storedMs >= start.storedMs;
}
