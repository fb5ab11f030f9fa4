import type { Counters } from "../host/counters.ts";
import type { Random } from "../host/random.ts";
import type { Answer } from "../protocol/answer.ts";
import { bad, type Problem, Status } from "../protocol/decoded.ts";
import { LossPlace, type NewEntry } from "../protocol/entry.ts";
import { entryFromLog, lossEntry } from "../protocol/entry-builder.ts";
import type { Boot, Frame } from "../protocol/frame.ts";
import type { LogArgs } from "../protocol/methods.ts";
import { isOwnSrc } from "../protocol/names.ts";
import { sequence, type Verdict } from "../protocol/sequencing.ts";
import { Backoff } from "./backoff.ts";
import { ClockMap } from "./clock-map.ts";
import type { Committer } from "./committer.ts";
import type { Pauses } from "./pauses.ts";
import { NO_REPLY, type OnReply, type Reply } from "./reply.ts";
import { type Uplink, UplinkUnavailable } from "./uplink.ts";

export interface SessionWorld {
  readonly pauses: Pauses;
  readonly random: Random;
  readonly uplink: Uplink;
  readonly committer: Committer;
  readonly counters: Counters;
}

export interface SessionIdentity {
  readonly project: string;
  readonly src: string;
  readonly boot: Boot;
}

/** Where a frame came from and when: who sent it, the gateway's wall clock (UTC ms) and monotonic clock (ms). */
export interface Receipt {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

/** A frame whose entries are on their way to the store. */
interface Outstanding {
  readonly order: number;
  readonly frame: Frame;
  readonly onReply: OnReply;
  readonly markAfter: number;
  readonly resend: boolean;
  readonly answers: readonly Answer[];
}

const MARK_RETRY = { firstMs: 100, maxMs: 10_000 };

/**
 * One boot of one source (docs/protocol.md 6). Frames go through one at a time; the next is taken as soon as the one before
 * waits for its commit, and each is answered only when it and all before it are durable. How many may wait is bounded by the
 * committer, and before it by the inputs, which await `receive`.
 */
export class SourceSession {
  readonly #world: SessionWorld;
  readonly #identity: SessionIdentity;
  readonly #clockMap = new ClockMap();
  /** Seqs up to here were given to the committer; undefined until the service was asked. */
  #acceptedMark: number | undefined;
  /** Seqs up to here are durable: what an ack says. */
  #durableMark = 0;
  /** The frame that waits for its turn or for room, last of all; never rejects. */
  #last: Promise<void> | undefined;
  #pendingCount = 0;
  #order = 0;
  readonly #durable: Outstanding[] = [];

  constructor(world: SessionWorld, identity: SessionIdentity) {
    this.#world = world;
    this.#identity = identity;
  }

  /** Nothing waits here: the session can be forgotten, for all it knows is stored. */
  get isIdle(): boolean {
    return this.#pendingCount === 0;
  }

  /**
   * Takes a frame of this boot. Where it cannot at once, it resolves when the entries are queued; `onReply` is called once, when they are
   * durable.
   * @throws GatewayStopping when it was not taken, or rejects with it.
   */
  receive(frame: Frame, receipt: Receipt, onReply: OnReply): Promise<void> | undefined {
    this.#pendingCount += 1;
    let taken: Promise<void> | undefined;
    try {
      // Nearly always nobody is before it, and nothing has to be asked: then no promise is made.
      taken =
        this.#last === undefined && this.#acceptedMark !== undefined
          ? this.#take(frame, receipt, onReply, this.#acceptedMark)
          : this.#takeInTurn(frame, receipt, onReply);
    } catch (error) {
      this.#pendingCount -= 1;
      throw error;
    }
    if (taken === undefined) return undefined;
    const last = taken
      .catch(() => {
        this.#pendingCount -= 1;
      })
      .then(() => {
        if (this.#last === last) this.#last = undefined;
      });
    this.#last = last;
    return taken;
  }

  async #takeInTurn(frame: Frame, receipt: Receipt, onReply: OnReply): Promise<void> {
    await this.#last;
    this.#acceptedMark ??=
      frame.joinsAt === undefined ? await this.#askMark(frame.first) : this.#joinAt(frame.joinsAt);
    await this.#take(frame, receipt, onReply, this.#acceptedMark);
  }

  #take(frame: Frame, receipt: Receipt, onReply: OnReply, acceptedMark: number): Promise<void> | undefined {
    const { committer, counters } = this.#world;
    const { project, src, boot } = this.#identity;
    if (frame.clock === "uptime" && frame.now !== undefined) {
      this.#clockMap.observe(frame.now, receipt.monotonicMs);
    }
    const { verdicts, mark, resend } = sequence(boot, frame, acceptedMark);
    const entries: NewEntry[] = [];
    const answers: Answer[] = [];
    for (const verdict of verdicts) {
      const answer = this.#carryOut(verdict, receipt, entries);
      if (answer !== undefined) answers.push(answer);
    }
    if (resend) counters.add("gateway_resend_requests_total");
    const order = this.#order++;
    const outstanding: Outstanding = { order, frame, onReply, markAfter: mark, resend, answers };
    const waits = committer.accept(project, src, entries, () => this.#becameDurable(outstanding));
    const settle = (): void => {
      this.#acceptedMark = mark;
    };
    if (waits !== undefined) return waits.then(settle);
    settle();
    return undefined;
  }

  /** Puts what a verdict stores into `entries` and says what its command is answered. */
  #carryOut(verdict: Verdict, receipt: Receipt, entries: NewEntry[]): Answer | undefined {
    const { counters } = this.#world;
    const { src, boot } = this.#identity;
    switch (verdict.type) {
      case "entry": {
        const { id, args } = verdict;
        if (args.src !== undefined && !isOwnSrc(args.src, src)) {
          const { problem } = bad(
            `src: ${args.src} is not the source of this link (${src})`,
            Status.Forbidden,
          );
          return this.#refuse(id, problem, receipt, entries);
        }
        entries.push(this.#entry(id, args, receipt));
        return { id, status: Status.Ok };
      }
      case "drop": {
        const { id, lost, why } = verdict;
        entries.push(lossEntry(src, lost, { where: LossPlace.Agent, why }, receipt.wallMs, id));
        counters.add("gateway_lost_on_board_seqs_total", lost.last - lost.first + 1);
        return { id, status: Status.Ok };
      }
      case "lost": {
        const { lost, why } = verdict;
        entries.push(lossEntry(src, lost, { where: LossPlace.Link, why }, receipt.wallMs));
        counters.add("gateway_lost_on_link_seqs_total", lost.last - lost.first + 1);
        return undefined;
      }
      case "refused":
        return this.#refuse(verdict.id, verdict.problem, receipt, entries);
      case "duplicate":
        counters.add("gateway_duplicate_seqs_total");
        return { id: verdict.id, status: Status.Ok };
      case "gap":
        counters.add("gateway_gap_seqs_total");
        return {
          id: verdict.id,
          status: Status.Gap,
          text: `id: ${verdict.expected} is expected next of boot ${boot.text}`,
        };
      case "aside":
        counters.add("gateway_bad_commands_total");
        return {
          ...(verdict.id !== undefined && { id: verdict.id }),
          status: verdict.problem.status,
          text: verdict.problem.text,
        };
    }
  }

  #entry(seq: number, args: LogArgs, receipt: Receipt): NewEntry {
    const { src, boot } = this.#identity;
    return entryFromLog(args, {
      src,
      boot: boot.text,
      seq,
      received: receipt.wallMs,
      estimate: (uptimeMs) => {
        const timestamp = this.#clockMap.utcMs(uptimeMs, receipt.wallMs - receipt.monotonicMs);
        return timestamp === undefined ? undefined : { timestamp };
      },
    });
  }

  /** A command that is wrong uses up its seq, so that the board does not send it for ever; the loss is recorded. */
  #refuse(id: number, problem: Problem, receipt: Receipt, entries: NewEntry[]): Answer {
    const { src, boot } = this.#identity;
    const lost = { boot: boot.text, first: id, last: id };
    const reason = { where: LossPlace.Gateway, why: `refused: ${problem.text}` };
    entries.push(lossEntry(src, lost, reason, receipt.wallMs, id));
    this.#world.counters.add("gateway_refused_seqs_total");
    return { id, status: problem.status, text: problem.text };
  }

  #becameDurable(outstanding: Outstanding): void {
    this.#durable.push(outstanding);
    // Later, so that frames stored by one commit get one ack.
    if (this.#durable.length === 1) queueMicrotask(() => this.#reply());
  }

  #reply(): void {
    const durable = this.#durable.splice(0);
    for (const { markAfter } of durable) this.#durableMark = Math.max(this.#durableMark, markAfter);
    this.#pendingCount -= durable.length;
    const lastAck = durable.findLast(({ frame }) => wantsAck(frame));
    const resend = durable.some(
      (outstanding) => outstanding.resend && outstanding.markAfter === this.#durableMark,
    );
    for (const outstanding of durable) outstanding.onReply(this.#replyTo(outstanding, lastAck, resend));
  }

  #replyTo(outstanding: Outstanding, lastAck: Outstanding | undefined, resend: boolean): Reply {
    const { frame, answers } = outstanding;
    if (answers.length > 0 && frame.ack === undefined) return { type: "answers", answers };
    if (!wantsAck(frame) || outstanding !== lastAck) return NO_REPLY;
    const { boot } = this.#identity;
    return {
      type: "ack",
      ack: { boot: frame.boot ?? boot, seq: this.#durableMark, ...(resend && { resend }) },
    };
  }

  #joinAt(seq: number): number {
    this.#durableMark = seq - 1;
    return seq - 1;
  }

  async #askMark(first: number | undefined): Promise<number> {
    const { uplink, pauses, random, counters } = this.#world;
    const { project, src, boot } = this.#identity;
    const backoff = new Backoff(random, MARK_RETRY);
    for (;;) {
      try {
        const mark = await uplink.mark(project, src, boot.text, first);
        this.#durableMark = mark;
        return mark;
      } catch (error) {
        if (!(error instanceof UplinkUnavailable)) throw error;
        counters.add("gateway_uplink_unavailable_total");
        await pauses.pause(backoff.takeMs());
        pauses.throwIfEnded();
      }
    }
  }
}

/** Clauses 5.1 and 5.5: a question is acked also where it does not ask for it. */
function wantsAck(frame: Frame): boolean {
  if (frame.ack !== undefined) return frame.ack;
  return frame.commands.length === 0 && frame.answerCount === 0;
}
