import type { Counters } from "../host/counters.ts";
import type { Answer } from "../protocol/answer.ts";
import { bad, type Decoded, Status } from "../protocol/decoded.ts";
import { LossPlace, type MsgJson, type NewEntry, STREAM_UART } from "../protocol/entry.ts";
import { type EstimatedTime, entryFromLog } from "../protocol/entry-builder.ts";
import type { Boot, Frame } from "../protocol/frame.ts";
import type { LogArgs } from "../protocol/methods.ts";
import { isOwnSrc } from "../protocol/names.ts";
import { logArgsOf } from "../protocol/sequencing.ts";
import type { Committer } from "./committer.ts";
import { GatewayStopping, ignoreStopping } from "./pauses.ts";
import { NO_REPLY, type OnReply } from "./reply.ts";
import type { SessionTable } from "./session-table.ts";
import { lossOfCount } from "./spool/spool-loss.ts";
import type { LostOverRate, Throttle } from "./throttle.ts";
import type { Held, ThrottleLane } from "./throttle-lane.ts";
import { asReceived, textsReceived } from "./unset-clock.ts";
import type { Receipt, WallClock } from "./wall-clock.ts";

/** Whose entries these are, as the link says it: never the payload alone. */
export interface Origin {
  readonly project: string;
  readonly src: string;
  /** `sourceKey` of both, where it was made already. */
  readonly key?: string;
}

/** How something came. */
export interface Arrival {
  readonly sizeBytes: number;
  /** Its sender says nothing more while enough of what it said waits for an answer. */
  readonly isHeldBack: boolean;
}

/** Where every input hands in what it read. */
export class Intake {
  readonly #wallClock: WallClock;
  readonly #committer: Committer;
  readonly #sessions: SessionTable;
  readonly #counters: Counters;
  readonly #throttle: Throttle | undefined;

  /** @param world.throttle without one, sources bring as much as they like. */
  constructor(world: {
    readonly wallClock: WallClock;
    readonly committer: Committer;
    readonly sessions: SessionTable;
    readonly counters: Counters;
    readonly throttle?: Throttle;
  }) {
    this.#wallClock = world.wallClock;
    this.#committer = world.committer;
    this.#sessions = world.sessions;
    this.#counters = world.counters;
    this.#throttle = world.throttle;
    if (world.throttle !== undefined) world.throttle.onLost = (lost) => this.#tellLost(lost);
  }

  /**
   * Takes a frame. Where its entries cannot be queued at once, it resolves when they are, so that the next of its link can follow;
   * `onReply` is called once, when they are durable, or when the frame was not taken and will come again.
   * @throws GatewayStopping when it was not taken, or rejects with it.
   */
  frame(
    origin: Origin,
    frame: Frame,
    receipt: Receipt,
    arrival: Arrival,
    onReply: OnReply,
  ): Promise<void> | undefined {
    this.#counters.add("gateway_frames_total");
    const lane = this.#throttle?.lane(origin);
    // What was never sent here is no loss (8.10): such a frame says where to begin.
    if (lane === undefined || frame.joinsAt !== undefined)
      return this.#takeFrame(origin, frame, receipt, onReply);
    const count = weightOf(frame);
    const hasAcks = frame.boot !== undefined && frame.ack !== false;
    if (hasAcks || arrival.isHeldBack) {
      if (lane.take(count)) return this.#takeFrame(origin, frame, receipt, onReply);
      return this.#holdFrame(lane, origin, frame, receipt, arrival, onReply);
    }
    if (lane.takeOrLose(count)) return this.#takeFrame(origin, frame, receipt, onReply);
    this.#loseFrame(lane, frame, onReply);
    return undefined;
  }

  /** Apart from `frame`, whose every call would make the closures that are needed here. */
  #holdFrame(
    lane: ThrottleLane,
    origin: Origin,
    frame: Frame,
    receipt: Receipt,
    arrival: Arrival,
    onReply: OnReply,
  ): Promise<void> | undefined {
    const count = weightOf(frame);
    const isContinued = (frame.commands[0]?.part?.number ?? 1) > 1;
    const take = (): Promise<void> | undefined => this.#takeFrame(origin, frame, receipt, onReply);
    return this.#hold(lane, { count, isContinued }, arrival, take, () => onReply(NO_REPLY));
  }

  /** Answers a frame whose sender has no right to it; nothing is stored. */
  refuse(frame: Frame, reason: string, onReply: OnReply): void {
    if (frame.ack !== undefined || frame.commands.length === 0) {
      onReply(NO_REPLY);
      return;
    }
    const answers = frame.commands.map((command) => answerOf(command.id, Status.Forbidden, reason));
    onReply({ type: "answers", answers });
  }

  /**
   * Takes lines of console text that came together, as the JSON texts that they are stored as, in their place among the frames of the
   * source (docs/protocol.md 7.4). Where they cannot be queued at once, it resolves when they are.
   * @throws GatewayStopping, or rejects with it.
   */
  text(origin: Origin, lines: readonly MsgJson[], receipt: Receipt): Promise<void> | undefined {
    this.#counters.add("gateway_text_lines_total", lines.length);
    const lane = this.#throttle?.lane(origin);
    if (lane?.takeOrLose(lines.length) === false) {
      this.#lose(lane, lines.length);
      return undefined;
    }
    const { project, src, key } = origin;
    const run = textsReceived(src, STREAM_UART, lines, receipt);
    return this.#committer.accept(project, src, run, () => {}, key);
  }

  /**
   * Takes one entry that is no frame: the text of an agentless source, or what the gateway saw itself. Resolves when queued;
   * `onDurable` is called once, when it is durable.
   * @throws GatewayStopping
   */
  note(
    origin: Origin,
    { stream, text }: { readonly stream: string; readonly text: string },
    arrival: Arrival,
    onDurable: () => void,
  ): Promise<void> | undefined {
    const take = (): Promise<void> | undefined => this.#takeNote(origin, stream, text, onDurable);
    const lane = this.#throttle?.lane(origin);
    if (lane === undefined) return take();
    if (arrival.isHeldBack && !lane.take(1))
      return this.#hold(lane, { count: 1, isContinued: false }, arrival, take, onDurable);
    if (arrival.isHeldBack || lane.takeOrLose(1)) return take();
    this.#lose(lane, 1);
    onDurable();
    return undefined;
  }

  #takeNote(origin: Origin, stream: string, text: string, onDurable: () => void): Promise<void> | undefined {
    const run = textsReceived(origin.src, stream, [JSON.stringify(text)], this.#wallClock.receipt());
    return this.#committer.accept(origin.project, origin.src, run, onDurable);
  }

  #takeFrame(origin: Origin, frame: Frame, receipt: Receipt, onReply: OnReply): Promise<void> | undefined {
    const { project, src, key } = origin;
    const { boot } = frame;
    if (boot === undefined) return this.#plainFrame(origin, frame, receipt, onReply);
    const session = this.#sessions.get({ project, src, boot }, key);
    if (session !== undefined) return session.receive(frame, receipt, onReply);
    onReply(NO_REPLY);
    return undefined;
  }

  /**
   * Keeps what came over its source's rate until its time comes (docs/protocol.md 5.7).
   * @returns where the sender is held back, when it was taken.
   */
  #hold(
    lane: ThrottleLane,
    of: Pick<Held, "count" | "isContinued">,
    { sizeBytes, isHeldBack }: Arrival,
    take: () => Promise<void> | undefined,
    onNotTaken: () => void,
  ): Promise<void> | undefined {
    this.#counters.add("gateway_held_frames_total");
    let isHeld = false;
    const taken = new Promise<void>((resolve, reject) => {
      const run = (): void => {
        try {
          resolve(take());
        } catch (error) {
          reject(error);
        }
      };
      const drop = (): void => reject(new GatewayStopping());
      isHeld = lane.hold({ ...of, sizeBytes, run, drop }, !isHeldBack);
    });
    if (!isHeld) {
      this.#counters.add("gateway_over_rate_frames_total");
      onNotTaken();
      return undefined;
    }
    if (isHeldBack) return taken;
    taken.catch(ignoreStopping);
    return undefined;
  }

  #loseFrame(lane: ThrottleLane, { boot, ack, commands }: Frame, onReply: OnReply): void {
    const seq = Math.max(0, ...commands.map(({ id = 0 }) => id));
    if (boot === undefined && ack === undefined && commands.length > 0) {
      this.#counters.add("gateway_over_rate_refused_commands_total", commands.length);
      const reason = "slow down: too many entries of this source";
      const answers = commands.map(({ id }) => answerOf(id, Status.SlowDown, reason));
      onReply({ type: "answers", answers });
      return;
    }
    if (commands.length > 0)
      this.#lose(lane, commands.length, boot !== undefined && seq > 0 ? { boot, seq } : undefined);
    onReply(NO_REPLY);
  }

  #lose(lane: ThrottleLane, count: number, upTo?: { readonly boot: Boot; readonly seq: number }): void {
    this.#counters.add("gateway_over_rate_lost_entries_total", count);
    lane.lose(count, upTo);
  }

  /** Clause 5.7: a record of what came too fast. */
  #tellLost({ project, src, count, upTo }: LostOverRate): void {
    const why = this.#throttle?.why ?? "";
    const receipt = this.#wallClock.receipt();
    const session = upTo === undefined ? undefined : this.#sessions.get({ project, src, boot: upTo.boot });
    // Without a session only their number can be told.
    const rest = count + (session === undefined ? (upTo?.count ?? 0) : 0);
    try {
      if (rest > 0) {
        const entries = asReceived([lossOfCount(src, rest, { why, receivedMs: receipt.wallMs })], receipt);
        this.#committer.accept(project, src, entries, () => {})?.catch(ignoreStopping);
      }
      if (upTo !== undefined)
        session?.giveUp(upTo.seq, { where: LossPlace.Gateway, why }, receipt)?.catch(ignoreStopping);
    } catch (error) {
      ignoreStopping(error);
    }
  }

  /** Clause 3.7: without `boot` entries are taken as they come. */
  #plainFrame(origin: Origin, frame: Frame, receipt: Receipt, onReply: OnReply): Promise<void> | undefined {
    const entries: NewEntry[] = [];
    const answers: Answer[] = [];
    for (const command of frame.commands) {
      const args = ownArgs(origin, logArgsOf(command));
      if (args.ok) {
        entries.push(
          entryFromLog(args.value, {
            src: origin.src,
            received: receipt.wallMs,
            estimate: (uptimeMs) => estimateOf(frame, uptimeMs, receipt),
          }),
        );
        answers.push(answerOf(command.id, Status.Ok));
      } else {
        this.#counters.add("gateway_bad_commands_total");
        answers.push(answerOf(command.id, args.problem.status, args.problem.text));
      }
    }
    const reply =
      frame.ack === false || answers.length === 0 ? NO_REPLY : ({ type: "answers", answers } as const);
    const received = asReceived(entries, receipt);
    return this.#committer.accept(origin.project, origin.src, received, () => onReply(reply));
  }
}

/** What a frame counts in its source's rate. */
function weightOf(frame: Frame): number {
  return frame.lines?.count ?? Math.max(1, frame.commands.length);
}

function answerOf(id: number | undefined, status: Status, text?: string): Answer {
  return { ...(id !== undefined && { id }), status, ...(text !== undefined && { text }) };
}

/** Clause 4.1: nobody logs on behalf of another over a board's link. */
function ownArgs(origin: Origin, args: Decoded<LogArgs>): Decoded<LogArgs> {
  if (!args.ok || args.value.src === undefined || isOwnSrc(args.value.src, origin.src)) return args;
  return bad(`src: ${args.value.src} is not the source of this link (${origin.src})`, Status.Forbidden);
}

/** A frame without boot maps its own uptimes by its own `now`. */
function estimateOf(frame: Frame, uptimeMs: number, receipt: Receipt): EstimatedTime | undefined {
  if (frame.clock !== "uptime" || frame.now === undefined) return undefined;
  return { timestamp: Math.max(0, receipt.wallMs - (frame.now - uptimeMs)) };
}
