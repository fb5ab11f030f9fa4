import type { Clock, Timers } from "../host/clock.ts";
import type { AnswerPayload } from "../protocol/answer.ts";
import { bad, type Decoded, good, Status } from "../protocol/decoded.ts";
import type { StoredEntry } from "../protocol/entry.ts";
import type { Command } from "../protocol/frame.ts";
import { decodeListArgs, type ListArgs } from "../protocol/methods.ts";
import { AnswerBudget } from "./answer-budget.ts";
import { type Caller, mayDo } from "./auth/caller.ts";
import { type ListQuery, type LogStore, UnknownToken } from "./store/log-store.ts";

/** Longest wait of `follow` (docs/protocol.md 4.2). All commands of a frame share it. */
export const FOLLOW_MS_MAX = 30_000;

const TOO_LARGE = "limit: the answers of this frame are too large together; ask in a frame of its own";

/** How long a frame may wait, and how large its answers may grow. */
export interface Allowance {
  readonly budget: AnswerBudget;
  /** Waiting has no sense any more: the caller has gone, or the service stops. */
  readonly ended: AbortSignal;
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
  readonly #store: LogStore;
  readonly #clock: Clock;
  readonly #timers: Timers;

  constructor({ store, clock, timers }: LogReaderDependencies) {
    this.#store = store;
    this.#clock = clock;
    this.#timers = timers;
  }

  /** For one frame, from now. */
  allowance(ended: AbortSignal): Allowance {
    return { budget: new AnswerBudget(), ended, untilMs: this.#clock.monotonicMs() + FOLLOW_MS_MAX };
  }

  /**
   * @param allowance of its frame, from `allowance()`.
   * @throws StoreUnavailable
   */
  async list(command: Command, caller: Caller, allowance: Allowance): Promise<Decoded<AnswerPayload>> {
    if (!mayDo(caller, "read")) return bad("this key has no right to read", Status.Forbidden);
    const args = decodeListArgs(command.args);
    if (!args.ok) return args;
    const { budget } = allowance;
    if (budget.isSpent) return bad(TOO_LARGE, Status.TooLarge);
    const query = queryOf(args.value, caller.project, command.args.limit !== undefined);
    try {
      const entries = args.value.follow
        ? await this.#follow(query, allowance)
        : await this.#store.list(query);
      const fitting = budget.cut(entries, query.newest ?? false);
      return good({ entries: fitting, fields: args.value.fields });
    } catch (error) {
      if (error instanceof UnknownToken) return bad(error.message);
      throw error;
    }
  }

  async #follow(query: ListQuery, { ended, untilMs }: Allowance): Promise<readonly StoredEntry[]> {
    let wake = (): void => {};
    const onEnded = (): void => wake();
    // Listening before looking: what comes in between is not missed.
    const unsubscribe = this.#store.subscribe(query.project, (entries) => {
      if (entries.some((entry) => isAskedFor(entry, query))) wake();
    });
    ended.addEventListener("abort", onEnded);
    const timer = this.#timers.after(Math.max(0, untilMs - this.#clock.monotonicMs()), onEnded);
    try {
      for (;;) {
        const news = new Promise<void>((resolve) => {
          wake = resolve;
        });
        const entries = await this.#store.list(query);
        if (entries.length > 0 || ended.aborted || this.#clock.monotonicMs() >= untilMs) return entries;
        await news;
      }
    } finally {
      timer.cancel();
      ended.removeEventListener("abort", onEnded);
      unsubscribe();
    }
  }
}

function isAskedFor(entry: StoredEntry, { src, stream }: ListQuery): boolean {
  return entry.src === src && (stream === undefined || entry.stream === stream);
}

function queryOf(args: ListArgs, project: string, isLimitGiven: boolean): ListQuery {
  const { src, after, limit, stream, last } = args;
  return {
    project,
    src,
    limit: last === undefined ? limit : isLimitGiven ? Math.min(last, limit) : last,
    ...(last !== undefined && { newest: true }),
    ...(after !== undefined && { after }),
    ...(stream !== undefined && { stream }),
  };
}
