import assert from "node:assert/strict";
import type { Clock } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import { redactText } from "../host/redaction.ts";
import type { Answer } from "../protocol/answer.ts";
import { bad, type Decoded, type Problem, Status } from "../protocol/decoded.ts";
import { LossPlace, type NewEntry, STREAM_DEFAULT } from "../protocol/entry.ts";
import { type EstimatedTime, entryFromLog } from "../protocol/entry-builder.ts";
import type { Boot, Command, Frame } from "../protocol/frame.ts";
import type { LogArgs } from "../protocol/methods.ts";
import { PartJoiner } from "../protocol/part-joiner.ts";
import { logArgsOf, type Sequenced, sequence, type Verdict } from "../protocol/sequencing.ts";
import { answerOfVerdict, entryOfVerdict } from "../protocol/verdict-entry.ts";
import type { Caller } from "./auth/caller.ts";
import type { EntryAppender } from "./entry-appender.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { sourceOf } from "./log-source.ts";
import type { NameQuota } from "./name-quota.ts";
import type { LogStore } from "./store/log-store.ts";

export interface LogWriterDependencies {
  readonly store: LogStore;
  readonly appender: EntryAppender;
  readonly nameQuota: NameQuota;
  readonly clock: Clock;
  readonly counters: Counters;
}

/** What became of the `Log.Log` commands of a frame with `boot`. */
export interface BootWritten {
  readonly sequenced: Sequenced;
  /** One for each command of the frame, in order. */
  readonly answers: readonly Answer[];
}

/** `/v1/Log.Log` (docs/protocol.md 4.1, 6). */
export class LogWriter {
  readonly #store: LogStore;
  readonly #appender: EntryAppender;
  readonly #nameQuota: NameQuota;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #bootQueue = new KeyedQueue();

  constructor({ store, appender, nameQuota, clock, counters }: LogWriterDependencies) {
    this.#store = store;
    this.#appender = appender;
    this.#nameQuota = nameQuota;
    this.#clock = clock;
    this.#counters = counters;
  }

  /** The entry of one command of a frame without `boot` (docs/protocol.md 3.7), or the answer to a bad one. */
  entryOf(command: Command, frame: Frame, caller: Caller): NewEntry | Answer {
    const args = logArgsOf(command);
    if (!args.ok) return refusal(command, args.problem);
    const src = sourceOf(caller, frame.src, args.value.src);
    if (!src.ok) return refusal(command, src.problem);
    const quota = this.#quotaOf(caller, src.value, args.value.stream);
    if (!quota.ok) return refusal(command, quota.problem);
    const received = this.#clock.wallMs();
    return entryFromLog(args.value, { src: src.value, received, ...estimateOf(frame, received) });
  }

  /**
   * One append, begun before this returns: frames of one connection keep their order.
   * @throws StoreUnavailable
   */
  async append(project: string, entries: readonly NewEntry[]): Promise<void> {
    await this.#appender.append([{ project, entries }]);
  }

  /**
   * The commands of a frame with `boot`, against the mark that stands; frames of one boot wait for each other.
   * @throws StoreUnavailable
   */
  async writeBoot(received: Frame, boot: Boot, src: string, caller: Caller): Promise<BootWritten> {
    const { project } = caller;
    // Frames stand alone here: a line whose parts are not all in one is refused, and its loss recorded.
    const frame = new PartJoiner({ tornMax: 0 }).join(received);
    return await this.#bootQueue.run(`${project}\n${boot.text}\n${src}`, async () => {
      const mark = await this.#store.mark(project, src, boot.text);
      const sequenced = sequence(boot, frame, mark, (args) => this.#problemOf(args, frame, src, caller));
      const entries = this.#entriesOf(sequenced.verdicts, frame, boot, src);
      if (entries.length > 0) await this.append(project, entries);
      this.#count(sequenced);
      const answers = sequenced.verdicts.flatMap((verdict) => answerOfVerdict(verdict, boot.text) ?? []);
      assert.equal(answers.length, frame.commands.length, "an answer for each command");
      return { sequenced, answers };
    });
  }

  #quotaOf(caller: Caller, src: string, stream = STREAM_DEFAULT): Decoded<undefined> {
    const quota = this.#nameQuota.take(caller, src, stream);
    if (!quota.ok) this.#counters.add("service_over_quota_entries_total");
    return quota;
  }

  #problemOf(
    { src: other, stream }: LogArgs,
    frame: Frame,
    src: string,
    caller: Caller,
  ): Problem | undefined {
    // Seqs belong to a source and a boot (docs/protocol.md 1.5): a command on behalf of another source cannot be one of them.
    if (other !== undefined && other !== src && other !== frame.src)
      return bad("src: not of another source in a frame with boot").problem;
    const quota = this.#quotaOf(caller, src, stream);
    return quota.ok ? undefined : quota.problem;
  }

  #entriesOf(verdicts: readonly Verdict[], frame: Frame, boot: Boot, src: string): NewEntry[] {
    const received = this.#clock.wallMs();
    const place = LossPlace.Service;
    const origin = { src, boot: boot.text, place, received, ...estimateOf(frame, received) };
    return verdicts.flatMap((verdict) => entryOfVerdict(verdict, origin) ?? []);
  }

  #count({ verdicts }: Sequenced): void {
    for (const verdict of verdicts) {
      if (verdict.type === "duplicate") this.#counters.add("service_duplicate_entries_total");
      else if (verdict.type === "gap") this.#counters.add("service_gap_commands_total");
      else if (verdict.type === "refused") this.#counters.add("service_refused_entries_total");
      else if (verdict.type === "lost" || verdict.type === "drop") {
        this.#counters.add("service_lost_entries_total", verdict.lost.last - verdict.lost.first + 1);
      }
    }
  }
}

export function refusal(command: Command, problem: Problem): Answer {
  // Whoever puts a key where a name belongs does not get it back in words that are kept.
  const text = redactText(problem.text);
  const { status, retryAfterMs } = problem;
  return {
    ...(command.id !== undefined && { id: command.id }),
    status,
    text,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}

/** The answer to a command that is done, or that failed with its whole frame. */
export function settled(command: Command, problem?: Problem): Answer {
  if (problem !== undefined) return refusal(command, problem);
  const { id } = command;
  return id === undefined ? { status: Status.Ok } : { id, status: Status.Ok };
}

/** A board that sent its uptime with the frame needs no gateway to have its entries dated (docs/protocol.md 1.7, 3.6). */
function estimateOf(
  frame: Frame,
  receivedMs: number,
): { readonly estimate?: (uptimeMs: number) => EstimatedTime } {
  const { clock, now } = frame;
  if (clock !== "uptime" || now === undefined) return {};
  return {
    estimate: (uptimeMs) => {
      const timestamp = Math.round(receivedMs - (now - uptimeMs));
      return { timestamp: Math.min(Math.max(0, timestamp), Number.MAX_SAFE_INTEGER) };
    },
  };
}
