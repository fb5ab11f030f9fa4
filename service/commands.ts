import { NEVER_ENDED } from "../host/abortable.ts";
import type { Clock, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { ProcessLog } from "../host/log.ts";
import type { Ack } from "../protocol/ack.ts";
import type { Answer } from "../protocol/answer.ts";
import { type Problem, Status } from "../protocol/decoded.ts";
import type { NewEntry } from "../protocol/entry.ts";
import type { Boot, Command, Frame } from "../protocol/frame.ts";
import { DELETE_METHOD, decodeDeleteArgs, LIST_METHOD, SOURCES_METHOD } from "../protocol/methods.ts";
import { LOG_METHOD } from "../protocol/sequencing.ts";
import { type Caller, mayDo } from "./auth/caller.ts";
import { NO_GOOD_KEY_FRAME } from "./auth/credentials.ts";
import type { EntryAppender } from "./entry-appender.ts";
import { type Allowance, LogReader } from "./log-reader.ts";
import { sourceOf } from "./log-source.ts";
import { type BootWritten, LogWriter, refusal, settled } from "./log-writer.ts";
import type { NameQuota } from "./name-quota.ts";
import { OutageLog } from "./outage-log.ts";
import { type RateLimiter, slowDownText } from "./rate-limiter.ts";
import { type LogStore, reasonOf, StoreBusy, StoreUnavailable } from "./store/log-store.ts";

/** What a frame gets. */
export type FrameResult =
  /** An answer for each command, in order (docs/protocol.md 3.4). */
  | { readonly type: "answers"; readonly answers: readonly Answer[] }
  /** One cumulative ack (docs/protocol.md 5.1). */
  | { readonly type: "ack"; readonly ack: Ack; readonly nowMs: number }
  /** `"ack":false`: the sender does not listen (docs/protocol.md 3.6). */
  | { readonly type: "none" };

export interface CommandsDependencies {
  readonly store: LogStore;
  readonly appender: EntryAppender;
  readonly nameQuota: NameQuota;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counters: Counters;
  readonly log: ProcessLog;
  readonly limiter: RateLimiter;
}

const NO_KEY: Problem = {
  status: Status.Unauthorized,
  text: NO_GOOD_KEY_FRAME,
};
/** What sees, or takes away, what stands before it in its frame. */
export const READING_METHODS: readonly string[] = [LIST_METHOD, SOURCES_METHOD, DELETE_METHOD];

/** Runs the commands of frames, however they came. Never throws for what is in a frame. */
export class Commands {
  readonly #store: LogStore;
  readonly #writer: LogWriter;
  readonly #reader: LogReader;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #log: ProcessLog;
  readonly #limiter: RateLimiter;
  readonly #outage: OutageLog;

  constructor(dependencies: CommandsDependencies) {
    this.#store = dependencies.store;
    this.#writer = new LogWriter(dependencies);
    this.#reader = new LogReader(dependencies);
    this.#clock = dependencies.clock;
    this.#counters = dependencies.counters;
    this.#log = dependencies.log;
    this.#limiter = dependencies.limiter;
    this.#outage = new OutageLog(dependencies);
  }

  /**
   * Entries of frames are appended in the order of the calls, unless a `Log.List` stands before them in their frame.
   * @param caller undefined where no good key was shown.
   * @param ended gives what ends waiting (`follow`): the caller has gone, or the service stops.
   */
  async runFrame(
    frame: Frame,
    caller: Caller | undefined,
    ended: () => AbortSignal = () => NEVER_ENDED,
  ): Promise<FrameResult> {
    this.#counters.add("service_frames_total");
    if (caller === undefined) {
      this.#counters.add("service_unauthorized_frames_total");
      return { type: "answers", answers: frame.commands.map((command) => refusal(command, NO_KEY)) };
    }
    const retryAfterMs = this.#limiter.take(caller, frame.commands.length);
    if (retryAfterMs > 0) {
      this.#counters.add("service_rate_limited_frames_total");
      const problem: Problem = { status: Status.SlowDown, text: slowDownText(retryAfterMs), retryAfterMs };
      return { type: "answers", answers: frame.commands.map((command) => refusal(command, problem)) };
    }
    const allowance = this.#reader.allowance(ended, frame.form);
    if (frame.boot !== undefined) return await this.#runBootFrame(frame, frame.boot, caller, allowance);
    return { type: "answers", answers: await this.#runInOrder(frame, caller, allowance) };
  }

  /** A frame without `boot`: neighbouring `Log.Log` commands go in one append, and a `Log.List` sees what stands before it. */
  async #runInOrder(frame: Frame, caller: Caller, allowance: Allowance): Promise<Answer[]> {
    const answers: (Answer | undefined)[] = [];
    let waiting: { readonly index: number; readonly command: Command; readonly entry: NewEntry }[] = [];
    const flush = async (): Promise<void> => {
      const batch = waiting;
      waiting = [];
      if (batch.length === 0) return;
      const entries = batch.map(({ entry }) => entry);
      const problem = await this.#problemOf(() => this.#writer.append(caller.project, entries));
      for (const { index, command } of batch) answers[index] = settled(command, problem);
    };
    for (const [index, command] of frame.commands.entries()) {
      if (command.problem !== undefined) answers[index] = refusal(command, command.problem);
      else if (command.method === LOG_METHOD) {
        const entry = this.#writer.entryOf(command, frame, caller);
        if ("status" in entry) answers[index] = entry;
        else waiting.push({ index, command, entry });
      } else if (READING_METHODS.includes(command.method)) {
        await flush();
        answers[index] = await this.#runOther(command, caller, allowance);
      } else answers[index] = await this.#runOther(command, caller, allowance);
    }
    await flush();
    return answers.filter((answer) => answer !== undefined);
  }

  async #runBootFrame(frame: Frame, boot: Boot, caller: Caller, allowance: Allowance): Promise<FrameResult> {
    const src = sourceOf(caller, frame.src);
    let written: BootWritten | undefined;
    let problem: Problem | undefined;
    if (!src.ok) problem = src.problem;
    else {
      problem = await this.#problemOf(async () => {
        written = await this.#writer.writeBoot(frame, boot, src.value, caller);
      });
    }
    if (written !== undefined && frame.ack === false) return { type: "none" };
    if (written !== undefined && frame.ack === true) {
      const { mark, resend } = written.sequenced;
      return {
        type: "ack",
        ack: { boot, seq: mark, ...(resend && { resend }) },
        nowMs: this.#clock.wallMs(),
      };
    }
    const answers: Answer[] = [];
    for (const [index, command] of frame.commands.entries()) {
      if (command.problem !== undefined) answers.push(refusal(command, command.problem));
      else if (command.method !== LOG_METHOD) answers.push(await this.#runOther(command, caller, allowance));
      else answers.push(written?.answers[index] ?? settled(command, problem));
    }
    return { type: "answers", answers };
  }

  /** Any command but `Log.Log`. */
  async #runOther(command: Command, caller: Caller, allowance: Allowance): Promise<Answer> {
    if (command.method === SOURCES_METHOD) {
      let answer: Answer | undefined;
      const problem = await this.#problemOf(async () => {
        const listed = await this.#reader.sources(command, caller);
        answer = listed.ok ? { ...settled(command), result: listed.value } : refusal(command, listed.problem);
      });
      return answer ?? settled(command, problem);
    }
    if (command.method === DELETE_METHOD) return await this.#delete(command, caller);
    if (command.method !== LIST_METHOD) {
      const text = `cmd: no such method: ${JSON.stringify(command.method.slice(0, 100))}`;
      return refusal(command, { status: Status.NoSuchMethod, text });
    }
    let answer: Answer | undefined;
    const problem = await this.#problemOf(async () => {
      const listed = await this.#reader.list(command, caller, allowance);
      answer = listed.ok ? { ...settled(command), payload: listed.value } : refusal(command, listed.problem);
    });
    return answer ?? settled(command, problem);
  }

  /** docs/protocol.md 4.9. */
  async #delete(command: Command, caller: Caller): Promise<Answer> {
    if (!mayDo(caller, "admin"))
      return refusal(command, {
        status: Status.Forbidden,
        text: "this key has no right to delete: admin is needed",
      });
    const args = decodeDeleteArgs(command.args);
    if (!args.ok) return refusal(command, args.problem);
    const { src, stream } = args.value;
    const problem = await this.#problemOf(async () => {
      const count = await this.#store.delete(caller.project, src, stream);
      this.#counters.add("service_deleted_entries_total", count);
      this.#log.info({ keyId: caller.keyId, src, stream, count }, "entries were deleted");
    });
    return settled(command, problem);
  }

  /** Runs an action on the store and says what went wrong, in words for the caller. */
  async #problemOf(action: () => Promise<void>): Promise<Problem | undefined> {
    try {
      await action();
      return undefined;
    } catch (error) {
      if (error instanceof StoreBusy) {
        this.#counters.add("service_store_busy_total");
        return { status: Status.SlowDown, text: "slow down: too much waits for the disk; try again soon" };
      }
      if (error instanceof StoreUnavailable) {
        this.#counters.add("service_store_unavailable_total");
        this.#outage.met(error);
        return {
          status: Status.Unavailable,
          text: `${reasonOf(error)}; keep the entries and try again`,
        };
      }
      this.#counters.add("service_failures_total");
      this.#log.error({ error }, "a command failed");
      return { status: Status.OurFault, text: "the service failed; see its own log" };
    }
  }
}
