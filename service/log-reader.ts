import type { Clock, Timers } from "../host/clock.ts";
import type { AnswerPayload } from "../protocol/answer.ts";
import { bad, type Decoded, good, Status } from "../protocol/decoded.ts";
import type { Command, FrameForm } from "../protocol/frame.ts";
import { decodeListArgs, decodeSourcesArgs, type ListArgs } from "../protocol/methods.ts";
import type { SourceSummary } from "../protocol/source-summary.ts";
import { AnswerBudget } from "./answer-budget.ts";
import { AnswerBuffers } from "./answer-buffers.ts";
import { type Caller, mayDo } from "./auth/caller.ts";
import {
  FOLLOW_MS_MAX,
  follow,
  isUnfiltered,
  type Walk,
  type WalkQuery,
  walkBack,
  walkInTime,
  walkOn,
  writeWalk,
} from "./entry-walk.ts";
import { type LogStore, UnknownToken } from "./store/log-store.ts";
import { parseTerm } from "./term.ts";
import { placeOfTimeToken, timeToken } from "./time-token.ts";

const TOO_LARGE = "limit: the answers of this frame are too large together; ask in a frame of its own";

/** How long a frame may wait (all its commands share it), and how large its answers may grow. */
export interface Allowance {
  readonly budget: AnswerBudget;
  /** Of the frame and of its answers. */
  readonly form: FrameForm;
  /** Waiting has no sense any more: the caller has gone, or the service stops. */
  readonly ended: () => AbortSignal;
  /** On the monotonic clock. */
  readonly untilMs: number;
}

export interface LogReaderDependencies {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** `/v1/Log.List` (docs/protocol.md 4.2). */
export class LogReader {
  readonly #dependencies: LogReaderDependencies;
  readonly #buffers = new AnswerBuffers();

  constructor(dependencies: LogReaderDependencies) {
    this.#dependencies = dependencies;
  }

  /** For one frame, from now. */
  allowance(ended: () => AbortSignal, form: FrameForm): Allowance {
    return {
      budget: new AnswerBudget(),
      form,
      ended,
      untilMs: this.#dependencies.clock.monotonicMs() + FOLLOW_MS_MAX,
    };
  }

  /**
   * @param allowance of its frame, from `allowance()`.
   * @throws StoreUnavailable
   */
  async list(command: Command, caller: Caller, allowance: Allowance): Promise<Decoded<AnswerPayload>> {
    if (!mayDo(caller, "read")) return bad("this key has no right to read", Status.Forbidden);
    const args = decodeListArgs(command.args);
    if (!args.ok) return args;
    const { budget, form, ended, untilMs } = allowance;
    if (budget.isSpent) return bad(TOO_LARGE, Status.TooLarge);
    const query = queryOf(args.value, caller.project, command.args.limit !== undefined);
    if (!query.ok) return query;
    const { last, fields, order } = args.value;
    const isNewest = last !== undefined;
    if (order === "time") return await this.#listInTime(args.value, query.value, budget);
    try {
      if (form === "json" && !args.value.follow && isUnfiltered(query.value)) {
        const written = await this.#write(args.value, query.value, budget);
        if (written !== undefined) return good(written);
      }
      const walk = args.value.follow
        ? await this.#follow(query.value, isNewest, ended, untilMs)
        : await this.#walk(query.value, isNewest);
      const fitting = budget.cut(walk.entries, isNewest);
      const isCut = fitting.length < walk.entries.length;
      // A page of the plain kind is gone on from by the id of its last entry, as ever (docs/protocol.md 4.2).
      const isPlain = !isFiltered(args.value);
      const after = isPlain ? undefined : isCut ? fitting.at(-1)?.id : walk.highest;
      return good({ entries: fitting, fields, ...(after !== undefined && { after }) });
    } catch (error) {
      if (error instanceof UnknownToken) return bad(error.message);
      throw error;
    }
  }

  /** A page in which everything passes, written from where its entries lie; undefined where it is too large to be given whole. */
  async #write(args: ListArgs, query: WalkQuery, budget: AnswerBudget): Promise<AnswerPayload | undefined> {
    const buffer = this.#buffers.take();
    try {
      const form = { isNewest: args.last !== undefined, fields: args.fields };
      const { highest } = await writeWalk(this.#dependencies, query, form, buffer);
      if (!budget.takeWhole(buffer.length)) return undefined;
      const text = buffer.view().toString();
      return { text, ...(isFiltered(args) && highest !== undefined && { after: highest }) };
    } finally {
      this.#buffers.give(buffer);
    }
  }

  /** Over the whole range, by timestamp (docs/protocol.md 4.2): a view, in which an entry that comes late lands where its time is. */
  async #listInTime(args: ListArgs, query: WalkQuery, budget: AnswerBudget): Promise<Decoded<AnswerPayload>> {
    const { src, after, last, fields } = args;
    if (args.follow) return bad("follow: only in order of arrival");
    if (after !== undefined && last !== undefined) return bad("after: not with last in order of time");
    const beyond = after === undefined ? undefined : placeOfTimeToken(after, src);
    if (after !== undefined) {
      const problem = bad("after: not a token that order time gave for this project");
      if (beyond === undefined) return problem;
      try {
        // The id in a token tells the project it is of.
        await this.#dependencies.store.list({ project: query.project, src, after: beyond.id, limit: 1 });
      } catch (error) {
        if (error instanceof UnknownToken) return problem;
        throw error;
      }
    }
    const isNewest = last !== undefined;
    const walk = await walkInTime(this.#dependencies, query, { beyond, isNewest });
    const entries = budget.cut(walk.entries, isNewest);
    const place = entries.length < walk.entries.length ? entries.at(-1) : walk.place;
    return good({ entries, fields, ...(place !== undefined && { after: timeToken(place) }) });
  }

  /**
   * Who has logged (docs/protocol.md 4.7).
   * @throws StoreUnavailable
   */
  async sources(command: Command, caller: Caller): Promise<Decoded<readonly SourceSummary[]>> {
    if (!mayDo(caller, "read")) return bad("this key has no right to read", Status.Forbidden);
    const args = decodeSourcesArgs(command.args);
    if (!args.ok) return args;
    return good(await this.#dependencies.store.sources(caller.project));
  }

  #walk(query: WalkQuery, isNewest: boolean): Promise<Walk> {
    return isNewest ? walkBack(this.#dependencies, query) : walkOn(this.#dependencies, query);
  }

  /** The newest that are there; where there are none, whatever comes first. */
  async #follow(
    query: WalkQuery,
    isNewest: boolean,
    ended: () => AbortSignal,
    untilMs: number,
  ): Promise<Walk> {
    if (isNewest) {
      const walk = await walkBack(this.#dependencies, query);
      if (walk.entries.length > 0) return walk;
    }
    return await follow(this.#dependencies, query, ended(), untilMs);
  }
}

function isFiltered({ level, module, since, until, term }: ListArgs): boolean {
  return [level, module, since, until, term].some((argument) => argument !== undefined);
}

function queryOf(args: ListArgs, project: string, isLimitGiven: boolean): Decoded<WalkQuery> {
  const { src, after, limit, stream, last, level, module, since, until } = args;
  const term = args.term === undefined || args.term === "" ? undefined : parseTerm(args.term);
  if (term?.ok === false) return term;
  return good({
    project,
    filter: {
      src,
      ...(stream !== undefined && { stream }),
      ...(level !== undefined && { level }),
      ...(module !== undefined && { module }),
      ...(term !== undefined && { term: term.value }),
    },
    sinceMs: since ?? 0,
    untilMs: until ?? Number.POSITIVE_INFINITY,
    after,
    before: undefined,
    limit: last === undefined ? limit : isLimitGiven ? Math.min(last, limit) : last,
  });
}
