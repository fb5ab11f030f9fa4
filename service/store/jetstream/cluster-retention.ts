import type { Clock } from "../../../host/clock.ts";
import type { Counters } from "../../../host/counters.ts";
import { BatchBody, encodeValue, seqOf } from "./cluster-value.ts";
import type { EngineMessage, StreamState } from "./message-engine.ts";
import type { ProjectLog } from "./project-log.ts";
import { seqOfTime } from "./seq-of-time.ts";
import { keptStream, keptSubject } from "./subject-names.ts";

/** Messages that go at a time. */
const SLICE_MAX = 5_000;
/** Of a project's messages, at least so many go in one step. */
const STEP_SHARE = 1 / 16;
/** Questions to the cluster under way at once. */
const AT_ONCE_MAX = 64;

export interface RetentionOptions {
  readonly keepMs: number | undefined;
  /** Bytes of one replica of all projects together. */
  readonly keepBytes: number | undefined;
}

/**
 * Takes what is too old, or more than there is room for, from the beginnings of the logs. What would be gone with the last message of
 * a subject (marks, totals, positions) is first copied to where it outlives it. Any number of processes may do the same at once.
 */
export class ClusterRetention {
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #options: RetentionOptions;

  constructor(
    { clock, counters }: { readonly clock: Clock; readonly counters: Counters },
    options: RetentionOptions,
  ) {
    this.#clock = clock;
    this.#counters = counters;
    this.#options = options;
  }

  get isNeeded(): boolean {
    return this.#options.keepMs !== undefined || this.#options.keepBytes !== undefined;
  }

  /** One round. @throws StoreUnavailable */
  async run(logs: readonly ProjectLog[]): Promise<void> {
    const { keepMs, keepBytes } = this.#options;
    if (keepMs !== undefined) {
      const untilMs = this.#clock.wallMs() - keepMs;
      for (const log of logs) await this.#expire(log, (await seqOfTime(log, untilMs)) ?? 0);
    }
    if (keepBytes !== undefined) await this.#makeRoom(logs, keepBytes);
  }

  /** From the log whose first message is the oldest, until all together are small enough. */
  async #makeRoom(logs: readonly ProjectLog[], keepBytes: number): Promise<void> {
    for (;;) {
      const states = await Promise.all(logs.map((log) => log.engine.state(log.stream)));
      const bytes = states.reduce((sum, state) => sum + (state?.byteCount ?? 0), 0);
      if (bytes <= keepBytes) return;
      const full = logs
        .flatMap((log, index) => {
          const state = states[index];
          return state === undefined || state.messageCount <= 1 ? [] : [{ log, state }];
        })
        .sort((left, right) => left.state.firstMs - right.state.firstMs);
      const [oldest, second] = full;
      if (oldest === undefined) return;
      await this.#expire(oldest.log, await this.#endOfStep(oldest, second?.state.firstMs, bytes - keepBytes));
    }
  }

  /** What goes at once: up to where another project has the oldest, but not message by message, and no more than is too much. */
  async #endOfStep(
    { log, state }: { readonly log: ProjectLog; readonly state: StreamState },
    otherFirstMs: number | undefined,
    excessBytes: number,
  ): Promise<number> {
    const { firstSeq, lastSeq, messageCount, byteCount } = state;
    const excess = Math.max(1, Math.ceil((excessBytes / Math.max(1, byteCount)) * messageCount));
    const untilOther =
      otherFirstMs === undefined ? lastSeq : ((await seqOfTime(log, otherFirstMs)) ?? lastSeq);
    const step = Math.max(untilOther - firstSeq, Math.ceil(messageCount * STEP_SHARE));
    return Math.min(firstSeq + Math.min(excess, step, SLICE_MAX), lastSeq);
  }

  /** Removes everything below the seq. */
  async #expire(log: ProjectLog, belowSeq: number): Promise<void> {
    const { engine, stream } = log;
    for (;;) {
      const state = await engine.state(stream);
      if (state === undefined || state.messageCount === 0 || state.firstSeq >= belowSeq) break;
      const endSeq = Math.min(belowSeq, state.firstSeq + SLICE_MAX);
      await this.#expireSlice(log, state.firstSeq, endSeq);
    }
    const first = await engine.state(stream);
    if (first === undefined) return;
    await log.deletions.update((known) => {
      const left = known.filter(({ through }) => seqOf(through) >= first.firstSeq);
      return left.length === known.length ? undefined : left;
    });
  }

  async #expireSlice(log: ProjectLog, firstSeq: number, endSeq: number): Promise<void> {
    const { engine, stream, names } = log;
    const subjects = new Set<string>();
    let entryCount = 0;
    for await (const messages of engine.scan(stream, names.all, { seq: firstSeq }, endSeq - 1)) {
      for (const message of messages) {
        subjects.add(message.subject);
        entryCount += log.read(message)?.entryCount ?? 0;
      }
    }
    const list = [...subjects];
    for (let start = 0; start < list.length; start += AT_ONCE_MAX) {
      const slice = list.slice(start, start + AT_ONCE_MAX);
      await Promise.all(slice.map((subject) => this.#keepLast(log, subject, endSeq)));
    }
    await engine.purge(stream, endSeq);
    this.#counters.add("store_expired_entries_total", entryCount);
  }

  /** Copies the last message of a subject that is about to go. */
  async #keepLast(log: ProjectLog, subject: string, endSeq: number): Promise<void> {
    const { engine, stream, prefix } = log;
    const keptAs = keptSubject(prefix, subject);
    for (;;) {
      // In this order: whoever copied a newer one meanwhile has changed what is expected.
      const keptSeq = (await engine.last(keptStream(prefix), keptAs))?.seq ?? 0;
      const last = await engine.last(stream, subject);
      if (last === undefined || last.seq >= endSeq) return;
      const outcome = await engine.publish(keptAs, await dataToKeep(log, last), keptSeq);
      if (outcome.type === "stored") return;
      if (outcome.type === "unknown") throw outcome.cause;
    }
  }
}

/** Of a source's message only its head. */
async function dataToKeep(log: ProjectLog, message: EngineMessage): Promise<Uint8Array> {
  const src = log.names.srcOf(message.subject);
  if (src === undefined || log.read(message) === undefined) return message.data;
  // The one that counts, where the last one does not.
  const standing = await log.standing(src);
  return standing === undefined ? message.data : encodeValue(standing.head, new BatchBody(), log.compressor);
}
