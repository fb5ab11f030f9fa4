import assert from "node:assert/strict";
import type { Clock } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { Answer } from "../protocol/answer.ts";
import { bad, type Decoded, type Problem, Status } from "../protocol/decoded.ts";
import { LossPlace, type NewEntry, STREAM_DEFAULT } from "../protocol/entry.ts";
import { type EstimatedTime, entryFromLog, lossEntry } from "../protocol/entry-builder.ts";
import type { Boot, Command, Frame } from "../protocol/frame.ts";
import { LOG_METHOD, logArgsOf, type Sequenced, sequence, type Verdict } from "../protocol/sequencing.ts";
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
  async writeBoot(frame: Frame, boot: Boot, src: string, caller: Caller): Promise<BootWritten> {
    const { project } = caller;
    return await this.#bootQueue.run(`${project}\n${boot.text}\n${src}`, async () => {
      const mark = await this.#store.mark(project, src, boot.text);
      const within = this.#withinQuota(withOneSource(frame, src), src, caller);
      const sequenced = sequence(boot, within, mark);
      const entries = this.#entriesOf(sequenced.verdicts, frame, boot, src);
      if (entries.length > 0) await this.append(project, entries);
      this.#count(sequenced);
      return { sequenced, answers: answersOf(sequenced, frame.commands) };
    });
  }

  #quotaOf(caller: Caller, src: string, stream = STREAM_DEFAULT): Decoded<undefined> {
    const quota = this.#nameQuota.take(caller, src, stream);
    if (!quota.ok) this.#counters.add("service_over_quota_entries_total");
    return quota;
  }

  /** The same frame, where commands to one stream too many are refused. */
  #withinQuota(frame: Frame, src: string, caller: Caller): Frame {
    const commands = frame.commands.map((command) => {
      if (command.problem !== undefined || command.method !== LOG_METHOD) return command;
      const { log, ...rest } = command;
      const stream = log === undefined ? command.args.stream : log.stream;
      const quota = this.#quotaOf(caller, src, typeof stream === "string" ? stream : undefined);
      return quota.ok ? command : { ...rest, problem: quota.problem };
    });
    return { ...frame, commands };
  }

  #entriesOf(verdicts: readonly Verdict[], frame: Frame, boot: Boot, src: string): NewEntry[] {
    const received = this.#clock.wallMs();
    const origin = { src, boot: boot.text, received, ...estimateOf(frame, received) };
    const entries: NewEntry[] = [];
    for (const verdict of verdicts) {
      if (verdict.type === "entry") entries.push(entryFromLog(verdict.args, { ...origin, seq: verdict.id }));
      else if (verdict.type === "drop") {
        const reason = { where: LossPlace.Agent, why: verdict.why };
        entries.push(lossEntry(src, verdict.lost, reason, received, verdict.id));
      } else if (verdict.type === "lost") {
        entries.push(lossEntry(src, verdict.lost, { where: LossPlace.Link, why: verdict.why }, received));
      } else if (verdict.type === "refused") {
        // Its seq is used up, so the mark must move past it durably.
        const lost = { boot: boot.text, first: verdict.id, last: verdict.id };
        const reason = { where: LossPlace.Service, why: `refused: ${verdict.problem.text}` };
        entries.push(lossEntry(src, lost, reason, received, verdict.id));
      }
    }
    return entries;
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
  return { ...(command.id !== undefined && { id: command.id }), status: problem.status, text: problem.text };
}

/** The answer to a command that is done, or that failed with its whole frame. */
export function settled(command: Command, problem?: Problem): Answer {
  if (problem !== undefined) return refusal(command, problem);
  return { ...(command.id !== undefined && { id: command.id }), status: Status.Ok };
}

/** Seqs belong to a source and a boot (docs/protocol.md 1.5): a command on behalf of another source cannot be one of them. */
function withOneSource(frame: Frame, src: string): Frame {
  const isOther = ({ args }: Command): boolean =>
    typeof args.src === "string" && args.src !== src && args.src !== frame.src;
  if (!frame.commands.some(isOther)) return frame;
  const { problem } = bad("src: not of another source in a frame with boot");
  return { ...frame, commands: frame.commands.map((c) => (isOther(c) ? { ...c, problem } : c)) };
}

/** Clauses 3.4 and 5.4. All verdicts but `lost` belong to one command each, in order. */
function answersOf({ verdicts }: Sequenced, commands: readonly Command[]): Answer[] {
  const ofCommands = verdicts.filter((verdict) => verdict.type !== "lost");
  return commands.map((command, index) => {
    const verdict = ofCommands[index];
    assert(verdict !== undefined, "a verdict for each command");
    if (verdict.type === "refused" || verdict.type === "aside") return refusal(command, verdict.problem);
    if (verdict.type !== "gap") return settled(command);
    const text = `id: after a gap; seq ${verdict.expected} is expected next`;
    return refusal(command, { status: Status.Gap, text });
  });
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
