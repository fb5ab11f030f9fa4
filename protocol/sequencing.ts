import { bad, type Decoded, good, type Problem, Status } from "./decoded.ts";
import { LossPlace, type SeqRange, STREAM_LOSS } from "./entry.ts";
import type { Boot, Command, Frame, FrameLines } from "./frame.ts";
import { type JsonObject, parseJson } from "./json-parser.ts";
import { decodeLogArgs, type LogArgs } from "./methods.ts";

export const LOG_METHOD = "/v1/Log.Log";

/**
 * What the receiver does with one command of a frame with `boot` (docs/protocol.md 6). All but `lost` belong to one command each,
 * in the order of the commands.
 */
export type Verdict =
  /** Store it as this seq. */
  | { readonly type: "entry"; readonly id: number; readonly args: LogArgs }
  /** The board dropped `lost`: store it as a loss record that uses its last seq. */
  | { readonly type: "drop"; readonly id: number; readonly lost: SeqRange; readonly why: string }
  /** Already covered. `args` where the command is an entry, and no drop notice. */
  | { readonly type: "duplicate"; readonly id: number; readonly args?: LogArgs }
  /** After a gap that the board can still fill. */
  | { readonly type: "gap"; readonly id: number; readonly expected: number }
  /** `lost` cannot come any more: store a loss record. Belongs to no command. */
  | { readonly type: "lost"; readonly lost: SeqRange; readonly where: LossPlace; readonly why: string }
  /** Not a good `Log.Log`. Its seq is used up, so that a board does not send it for ever. */
  | { readonly type: "refused"; readonly id: number; readonly problem: Problem }
  /** Has no seq to use up: without an id, no `Log.Log`, or wrong and behind the mark. Only to be answered. */
  | { readonly type: "aside"; readonly id: number | undefined; readonly problem: Problem };

export interface Sequenced {
  readonly verdicts: readonly Verdict[];
  /** The mark once everything here is durable. */
  readonly mark: number;
  /** Something between the mark and what was received is missing, and the board may still have it. */
  readonly resend: boolean;
}

export const WHY_BELOW_FIRST = "the board no longer held these when it was heard again";
export const WHY_NO_ACKS = "did not arrive over a link without acks";

/**
 * Orders the `Log.Log` commands of a frame with `boot`, its parts put together (`PartJoiner`), against the mark that stands. Pure: the caller stores what it says in one
 * transaction, then moves its mark, then answers.
 * @param problemOf what is wrong with args that are good as such: a source or stream that this sender may not use.
 */
export function sequence(
  boot: Boot,
  frame: Frame,
  markBefore: number,
  problemOf?: (args: LogArgs) => Problem | undefined,
): Sequenced {
  let verdicts: Verdict[] = [];
  let mark = markBefore;
  let resend = false;
  let idHighest = 0;

  // Clause 6.5 counts whether or not the frame brings entries.
  if (frame.first !== undefined && frame.first - 1 > mark) {
    verdicts.push(lostOnLink(boot, mark + 1, frame.first - 1, WHY_BELOW_FIRST));
    mark = frame.first - 1;
  }

  for (const command of frame.commands) {
    const { id } = command;
    const args = checkedArgsOf(command, problemOf);
    // An id out of order (3.8) is no seq either: the entry may still come in its place.
    if (id === undefined || isOtherMethod(command) || id <= idHighest || (id <= mark && !args.ok)) {
      const { problem } = args.ok ? bad("id: required") : args;
      verdicts.push({ type: "aside", id, problem });
      continue;
    }
    idHighest = id;
    const drop = args.ok ? dropNotice(args.value, id) : undefined;
    if (id <= mark) {
      const isLine = args.ok && drop === undefined && !command.isTorn;
      verdicts.push({ type: "duplicate", id, ...(isLine && { args: args.value }) });
      continue;
    }
    const start = drop?.first ?? id;
    if (start > mark + 1 || command.isTorn) {
      if (frame.ack === false) {
        if (start - 1 > mark) verdicts.push(lostOnLink(boot, mark + 1, start - 1, WHY_NO_ACKS));
        mark = Math.max(mark, start - 1);
      } else {
        verdicts.push({ type: "gap", id, expected: mark + 1 });
        resend = true;
        continue;
      }
    }
    if (drop !== undefined) {
      const lost = { boot: boot.text, first: mark + 1, last: id };
      verdicts.push({ type: "drop", id, lost, why: drop.why });
    } else if (args.ok) {
      const verdict: Verdict = { type: "entry", id, args: args.value };
      // Most frames of most boards have one entry: the first push would make room for 17.
      if (verdicts.length === 0) verdicts = [verdict];
      else verdicts.push(verdict);
    } else verdicts.push({ type: "refused", id, problem: args.problem });
    mark = id;
  }
  return { verdicts, mark, resend };
}

/**
 * The lines of a frame that are all to be stored as they are, since the mark stands right before them: what `sequence` would say of nearly
 * every frame, without a verdict for each. Undefined where there is more to be said.
 */
export function nextLines({ lines }: Frame, mark: number): FrameLines | undefined {
  return lines?.seqFirst === mark + 1 ? lines : undefined;
}

function lostOnLink(boot: Boot, first: number, last: number, why: string): Verdict {
  return { type: "lost", lost: { boot: boot.text, first, last }, where: LossPlace.Link, why };
}

function checkedArgsOf(
  command: Command,
  problemOf: ((args: LogArgs) => Problem | undefined) | undefined,
): Decoded<LogArgs> {
  const args = logArgsOf(command);
  const problem = args.ok ? problemOf?.(args.value) : undefined;
  return problem === undefined ? args : { ok: false, problem };
}

/** Reads a drop notice (docs/protocol.md 6.4), or says undefined for any other entry. */
function dropNotice(args: LogArgs, id: number): { readonly first: number; readonly why: string } | undefined {
  if (args.stream !== STREAM_LOSS || !args.msg.startsWith("{")) return undefined;
  const parsed = parseJson(args.msg);
  if (!parsed.ok) return undefined;
  const { first, last, where, why } = parsed.value as JsonObject;
  if (where !== LossPlace.Agent || last !== id) return undefined;
  if (typeof first !== "number" || !Number.isSafeInteger(first) || first < 1 || first > id) return undefined;
  return { first, why: typeof why === "string" ? why : "not said" };
}

function isOtherMethod(command: Command): boolean {
  return command.problem === undefined && command.method !== LOG_METHOD;
}

/** The args of a `Log.Log` command, or why it is none: its own problem, another method (404), bad args. */
export function logArgsOf(command: Command): Decoded<LogArgs> {
  if (command.log !== undefined) return good(command.log);
  if (command.problem !== undefined) return { ok: false, problem: command.problem };
  if (isOtherMethod(command)) {
    return bad(`cmd: ${command.method} is not served here, only ${LOG_METHOD}`, Status.NoSuchMethod);
  }
  return decodeLogArgs(command.args);
}
