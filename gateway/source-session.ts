import type { Counters } from "../host/counters.ts";
import type { Random } from "../host/random.ts";
import type { Answer } from "../protocol/answer.ts";
import { bad, type Problem, Status } from "../protocol/decoded.ts";
import { type Building, LossPlace, type NewEntry } from "../protocol/entry.ts";
import { type EstimatedTime, entryFromLine } from "../protocol/entry-builder.ts";
import { type EntryPart, EntryRun } from "../protocol/entry-run.ts";
import { type Boot, type Frame, type FrameLines, UTC_MS_MIN } from "../protocol/frame.ts";
import type { LogArgs } from "../protocol/methods.ts";
import { isOwnSrc } from "../protocol/names.ts";
import { PartJoiner } from "../protocol/part-joiner.ts";
import { nextLines, type Sequenced, sequence, type Verdict } from "../protocol/sequencing.ts";
import { answerOfVerdict, entryOfVerdict, type VerdictOrigin } from "../protocol/verdict-entry.ts";
import { Backoff } from "./backoff.ts";
import { BootRemarks } from "./boot-remarks.ts";
import { ClockMap } from "./clock-map.ts";
import type { Committer } from "./committer.ts";
import type { Pauses } from "./pauses.ts";
import { NO_REPLY, type OnReply, type Reply } from "./reply.ts";
import type { SourceHistories } from "./source-histories.ts";
import type { SourceHistory } from "./source-history.ts";
import { sourceKey } from "./source-key.ts";
import { asReceived } from "./unset-clock.ts";
import { type Uplink, UplinkUnavailable } from "./uplink.ts";
import type { Receipt, WallClock } from "./wall-clock.ts";

export interface SessionWorld {
  readonly pauses: Pauses;
  readonly random: Random;
  readonly uplink: Uplink;
  readonly committer: Committer;
  readonly counters: Counters;
  readonly histories: SourceHistories;
  readonly wallClock: WallClock;
}

export interface SessionIdentity {
  readonly project: string;
  readonly src: string;
  readonly boot: Boot;
}

/** A frame whose entries are on their way to the store: what is left to do for it, and none of what it held. */
interface Outstanding {
  readonly onReply: OnReply;
  readonly markAfter: number;
  readonly resend: boolean;
  readonly wantsAck: boolean;
  /** Its boot as it was written. */
  readonly boot: Boot;
  /** Of a frame whose commands are answered one by one. */
  readonly answers: readonly Answer[];
}

const NO_ANSWERS: readonly Answer[] = [];
const SETTLED = Promise.resolve();
const MARK_RETRY = { firstMs: 100, maxMs: 10_000 };
/** Stands for what the gateway itself gives up: nobody waits for an answer. */
const NO_FRAME: Frame = { v: 1, form: "json", clock: "utc", ack: false, commands: [], answerCount: 0 };

/**
 * One boot of one source (docs/protocol.md 6). Frames go through one at a time; the next is taken as soon as the one before
 * waits for its commit, and each is answered only when it and all before it are durable. How many may wait is bounded by the
 * committer, and before it by the inputs, which await `receive`.
 */
export class SourceSession {
  readonly #world: SessionWorld;
  readonly #identity: SessionIdentity;
  readonly #key: string;
  readonly #history: SourceHistory;
  readonly #clockMap = new ClockMap();
  readonly #remarks: BootRemarks;
  readonly #parts: PartJoiner;
  /** Seqs up to here were given to the committer; undefined until the service was asked. */
  #acceptedMark: number | undefined;
  /** Seqs up to here are durable: what an ack says. */
  #durableMark = 0;
  /** Highest seq that came behind a gap and was not taken; 0 where nothing is missed. */
  #missedUpTo = 0;
  /** The frame that waits for its turn or for room, last of all; never rejects. */
  #last: Promise<void> | undefined;
  #pendingCount = 0;
  /** Not answered yet. */
  #durable: Outstanding[] | undefined;
  /** Of the frame that is being taken, as is what `#origin` says of time. */
  #receipt: Receipt | undefined;
  /** One for all frames: it is read while a frame is taken, and not kept. */
  readonly #origin: Building<VerdictOrigin>;

  constructor(world: SessionWorld, identity: SessionIdentity) {
    this.#world = world;
    this.#identity = identity;
    this.#key = sourceKey(identity.project, identity.src);
    this.#history = world.histories.of(identity.project, identity.src);
    this.#remarks = new BootRemarks(world.counters, this.#history, identity.boot.text);
    this.#origin = {
      src: identity.src,
      boot: identity.boot.text,
      place: LossPlace.Gateway,
      received: 0,
      estimate: this.#estimate,
    };
    this.#parts = new PartJoiner({ onCut: () => world.counters.add("gateway_cut_entries_total") });
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
    // Nearly always nobody is before it, and nothing has to be asked: then no promise is made, and no closure.
    const acceptedMark = this.#last === undefined ? this.#acceptedMark : undefined;
    if (acceptedMark === undefined) return this.#follow(this.#takeInTurn(frame, receipt, onReply));
    let taken: Promise<void> | undefined;
    try {
      taken = this.#take(frame, receipt, onReply, acceptedMark);
    } catch (error) {
      this.#pendingCount -= 1;
      throw error;
    }
    return taken === undefined ? undefined : this.#follow(taken);
  }

  /**
   * What is missing up to `last` will not come: a loss record says so. Resolves when that is durable.
   * @throws GatewayStopping
   */
  giveUp(
    last: number,
    reason: { readonly where: LossPlace; readonly why: string },
    receipt: Receipt,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pendingCount += 1;
      const give = async (): Promise<void> => {
        await this.#last;
        const mark = this.#acceptedMark ?? (await this.#askMark(undefined));
        this.#acceptedMark = mark;
        // The gap is closed once its record is durable.
        this.#missedUpTo = 0;
        const lost = { boot: this.#identity.boot.text, first: mark + 1, last };
        const verdicts: Verdict[] = last > mark ? [{ type: "lost", lost, ...reason }] : [];
        const sequenced = { verdicts, mark: Math.max(mark, last), resend: false };
        await this.#store(sequenced, NO_FRAME, receipt, () => resolve(), mark);
      };
      this.#follow(give()).catch(reject);
    });
  }

  /** What comes next waits until it is taken. */
  #follow(taken: Promise<void>): Promise<void> {
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
    return this.#take(frame, receipt, onReply, this.#acceptedMark);
  }

  #take(frame: Frame, receipt: Receipt, onReply: OnReply, acceptedMark: number): Promise<void> | undefined {
    if (frame.clock === "uptime" && frame.now !== undefined) {
      this.#clockMap.observe(frame.now, receipt.monotonicMs, frame.first);
    }
    const lines = nextLines(frame, acceptedMark);
    if (lines !== undefined) return this.#storeLines(lines, frame, receipt, onReply);
    const joined = this.#parts.join(frame);
    const sequenced = sequence(this.#identity.boot, joined, acceptedMark, this.#problemOf);
    return this.#store(sequenced, joined, receipt, onReply, acceptedMark);
  }

  #store(
    { verdicts, mark, resend }: Sequenced,
    frame: Frame,
    receipt: Receipt,
    onReply: OnReply,
    markBefore: number,
  ): Promise<void> | undefined {
    this.#receipt = receipt;
    this.#origin.received = receipt.wallMs;
    let entries: NewEntry[] = [];
    for (const verdict of verdicts) {
      const entry = entryOfVerdict(verdict, this.#origin);
      // Most frames of most boards have one, which waits for its commit: the first push would make room for 17.
      if (entry !== undefined && entries.length === 0) entries = [entry];
      else if (entry !== undefined) entries.push(entry);
      this.#count(verdict);
      this.#remarks.see(verdict, markBefore);
    }
    this.#remarks.addTo(entries, frame, receipt, mark > markBefore);
    this.#watchGap(verdicts, mark, resend);
    if (resend) this.#world.counters.add("gateway_resend_requests_total");
    return this.#offer(asReceived(entries, receipt), {
      onReply,
      markAfter: mark,
      resend,
      wantsAck: wantsAck(frame),
      boot: frame.boot ?? this.#identity.boot,
      answers: frame.ack === undefined ? answersOf(verdicts, this.#identity.boot.text) : NO_ANSWERS,
    });
  }

  /** The same for lines that come right behind the mark, without a verdict for each. */
  #storeLines(
    lines: FrameLines,
    frame: Frame,
    receipt: Receipt,
    onReply: OnReply,
  ): Promise<void> | undefined {
    this.#receipt = receipt;
    this.#origin.received = receipt.wallMs;
    const mark = lines.seqFirst + lines.count - 1;
    this.#remarks.seeLines(lines);
    const remarks: NewEntry[] = [];
    this.#remarks.addTo(remarks, frame, receipt, true);
    this.#watchGap([], mark, false);
    return this.#offer(this.#entriesOf(lines, remarks, receipt), {
      onReply,
      markAfter: mark,
      resend: false,
      wantsAck: wantsAck(frame),
      boot: frame.boot ?? this.#identity.boot,
      answers: NO_ANSWERS,
    });
  }

  /** In columns, as they came, where all have the board's own UTC and nothing is to be said behind them. */
  #entriesOf(lines: FrameLines, remarks: readonly NewEntry[], receipt: Receipt): EntryPart {
    if (remarks.length === 0 && lines.timeAt(0) >= UTC_MS_MIN) {
      const { src, boot } = this.#identity;
      return new EntryRun(lines, { src, boot: boot.text, received: receipt.wallMs });
    }
    const entries = new Array<NewEntry>(lines.count);
    for (let index = 0; index < lines.count; index++)
      entries[index] = entryFromLine(lines, index, this.#origin);
    entries.push(...remarks);
    return asReceived(entries, receipt);
  }

  #offer(entries: EntryPart, outstanding: Outstanding): Promise<void> | undefined {
    const { committer } = this.#world;
    const { project, src } = this.#identity;
    const { markAfter } = outstanding;
    const waits = committer.accept(project, src, entries, () => this.#becameDurable(outstanding), this.#key);
    if (waits === undefined) {
      this.#acceptedMark = markAfter;
      return undefined;
    }
    return waits.then(() => {
      this.#acceptedMark = markAfter;
    });
  }

  readonly #estimate = (uptimeMs: number): EstimatedTime | undefined => {
    const { wallMs = 0, monotonicMs = 0, isWallSet: isSet = false } = this.#receipt ?? {};
    return this.#clockMap.map(uptimeMs, { wallMinusMonotonicMs: wallMs - monotonicMs, isSet });
  };

  /** Nobody logs on behalf of another over a board's link (docs/protocol.md 4.1). */
  readonly #problemOf = ({ src: other }: LogArgs): Problem | undefined => {
    const { src } = this.#identity;
    if (other === undefined || isOwnSrc(other, src)) return undefined;
    return bad(`src: ${other} is not the source of this link (${src})`, Status.Forbidden).problem;
  };

  #count(verdict: Verdict): void {
    const { counters } = this.#world;
    switch (verdict.type) {
      case "entry":
        return;
      case "drop":
        counters.add("gateway_lost_on_board_seqs_total", verdict.lost.last - verdict.lost.first + 1);
        return;
      case "lost":
        if (verdict.where === LossPlace.Link)
          counters.add("gateway_lost_on_link_seqs_total", verdict.lost.last - verdict.lost.first + 1);
        return;
      case "refused":
        counters.add("gateway_refused_seqs_total");
        return;
      case "duplicate":
        counters.add("gateway_duplicate_seqs_total");
        return;
      case "gap":
        counters.add("gateway_gap_seqs_total");
        return;
      case "aside":
        counters.add("gateway_bad_commands_total");
    }
  }

  /** Clause 6.11: what was missed must come again, or be called lost in the end. */
  #watchGap(verdicts: readonly Verdict[], mark: number, isMissing: boolean): void {
    if (!isMissing && this.#missedUpTo === 0) return;
    const { histories } = this.#world;
    const { text } = this.#identity.boot;
    for (const verdict of verdicts)
      if (verdict.type === "gap") this.#missedUpTo = Math.max(this.#missedUpTo, verdict.id);
    if (mark < this.#missedUpTo) histories.openGap(this.#history, text, this.#missedUpTo);
    else {
      this.#missedUpTo = 0;
      histories.closeGap(this.#history, text);
    }
  }

  #becameDurable(outstanding: Outstanding): void {
    if (this.#durable !== undefined) {
      this.#durable.push(outstanding);
      return;
    }
    // Mostly it is one: pushed, it would make room for 17.
    this.#durable = [outstanding];
    // Later, so that frames stored by one commit get one ack. `queueMicrotask` makes an object that hooks may watch.
    void SETTLED.then(this.#reply);
  }

  readonly #reply = (): void => {
    const durable = this.#durable ?? [];
    this.#durable = undefined;
    this.#pendingCount -= durable.length;
    for (const { markAfter } of durable) this.#durableMark = Math.max(this.#durableMark, markAfter);
    // Mostly it is one, so it is looked through without a function for each question.
    let lastAck: Outstanding | undefined;
    let resend = false;
    for (const outstanding of durable) {
      if (outstanding.wantsAck) lastAck = outstanding;
      if (outstanding.resend && outstanding.markAfter === this.#durableMark) resend = true;
    }
    const nowMs = this.#world.wallClock.monotonicMs();
    for (const outstanding of durable) {
      const reply = this.#replyTo(outstanding, lastAck, resend);
      if (reply.type !== "none") this.#clockMap.acked(this.#durableMark, nowMs);
      outstanding.onReply(reply);
    }
  };

  #replyTo(outstanding: Outstanding, lastAck: Outstanding | undefined, resend: boolean): Reply {
    const { answers, boot } = outstanding;
    if (answers.length > 0) return { type: "answers", answers };
    if (outstanding !== lastAck) return NO_REPLY;
    return { type: "ack", ack: { boot, seq: this.#durableMark, ...(resend && { resend }) } };
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
        this.#clockMap.beganAt(mark);
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

function answersOf(verdicts: readonly Verdict[], boot: string): readonly Answer[] {
  return verdicts.flatMap((verdict) => answerOfVerdict(verdict, boot) ?? []);
}

/** Clauses 5.1 and 5.5: a question is acked also where it does not ask for it. */
function wantsAck(frame: Frame): boolean {
  if (frame.ack !== undefined) return frame.ack;
  return frame.commands.length === 0 && frame.answerCount === 0;
}
