import type { Clock } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { Answer } from "../protocol/answer.ts";
import { bad, type Decoded, Status } from "../protocol/decoded.ts";
import { type NewEntry, STREAM_UART } from "../protocol/entry.ts";
import { type EstimatedTime, entryFromLog } from "../protocol/entry-builder.ts";
import type { Frame } from "../protocol/frame.ts";
import type { LogArgs } from "../protocol/methods.ts";
import { isOwnSrc } from "../protocol/names.ts";
import { logArgsOf } from "../protocol/sequencing.ts";
import type { Committer } from "./committer.ts";
import { NO_REPLY, type OnReply } from "./reply.ts";
import type { SessionTable } from "./session-table.ts";
import type { Receipt } from "./source-session.ts";

/** Whose entries these are, as the link says it: never the payload alone. */
export interface Origin {
  readonly project: string;
  readonly src: string;
}

/** Where every input hands in what it read. */
export class Intake {
  readonly #clock: Clock;
  readonly #committer: Committer;
  readonly #sessions: SessionTable;
  readonly #counters: Counters;

  constructor(world: {
    readonly clock: Clock;
    readonly committer: Committer;
    readonly sessions: SessionTable;
    readonly counters: Counters;
  }) {
    this.#clock = world.clock;
    this.#committer = world.committer;
    this.#sessions = world.sessions;
    this.#counters = world.counters;
  }

  receipt(): Receipt {
    return { wallMs: this.#clock.wallMs(), monotonicMs: this.#clock.monotonicMs() };
  }

  /**
   * Takes a frame. Where its entries cannot be queued at once, it resolves when they are, so that the next of its link can follow;
   * `onReply` is called once, when they are durable.
   * @throws GatewayStopping when it was not taken, or rejects with it.
   */
  frame(origin: Origin, frame: Frame, receipt: Receipt, onReply: OnReply): Promise<void> | undefined {
    this.#counters.add("gateway_frames_total");
    const { project, src } = origin;
    const { boot } = frame;
    if (boot === undefined) return this.#plainFrame(origin, frame, receipt, onReply);
    const session = this.#sessions.get({ project, src, boot });
    if (session !== undefined) return session.receive(frame, receipt, onReply);
    onReply(NO_REPLY);
    return undefined;
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
   * Takes lines of console text, in their place among the frames of the source (docs/protocol.md 7.4). Where they cannot be queued at
   * once, it resolves when they are.
   * @throws GatewayStopping, or rejects with it.
   */
  text(origin: Origin, lines: readonly TextLine[]): Promise<void> | undefined {
    this.#counters.add("gateway_text_lines_total", lines.length);
    const entries = lines.map(
      ({ text, wallMs }): NewEntry => ({
        src: origin.src,
        stream: STREAM_UART,
        msg: JSON.stringify(text),
        timestamp: wallMs,
        received: wallMs,
        clock: "server",
      }),
    );
    return this.#committer.accept(origin.project, origin.src, entries, () => {});
  }

  /**
   * Takes one entry that is no frame: the text of an agentless source, or what the gateway saw itself. Resolves when queued;
   * `onDurable` is called once, when it is durable.
   * @throws GatewayStopping
   */
  note(origin: Origin, stream: string, text: string, onDurable: () => void): Promise<void> | undefined {
    const wallMs = this.#clock.wallMs();
    const entry: NewEntry = {
      src: origin.src,
      stream,
      msg: JSON.stringify(text),
      timestamp: wallMs,
      received: wallMs,
      clock: "server",
    };
    return this.#committer.accept(origin.project, origin.src, [entry], onDurable);
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
    return this.#committer.accept(origin.project, origin.src, entries, () => onReply(reply));
  }
}

/** One line of console text and when it came, UTC ms. */
export interface TextLine {
  readonly text: string;
  readonly wallMs: number;
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
