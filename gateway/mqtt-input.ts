import type { Counters } from "../host/counters.ts";
import { STREAM_DEFAULT, STREAM_PRESENCE } from "../protocol/entry.ts";
import { type Envelope, envelopeOf, type Frame } from "../protocol/frame.ts";
import { decodeFrame } from "../protocol/frame-decoder.ts";
import { checkSrc, isOwnSrc, isProject } from "../protocol/names.ts";
import { decodeUtf8, encodeUtf8 } from "../protocol/utf8.ts";
import type { BoardLinks } from "./board-links.ts";
import { DEVICES_MAX_DEFAULT } from "./devices-max.ts";
import type { Arrival, Intake, Origin } from "./intake.ts";
import type { LineSessions } from "./line-sessions.ts";
import { type Demand, type TopicLink, type TopicMessage, TopicOutcome } from "./link.ts";
import { parseLogLine } from "./log-line.ts";
import { ignoreStopping } from "./pauses.ts";
import { type Presence, parsePresence } from "./presence.ts";
import { encodeReply, type Reply } from "./reply.ts";
import type { SeldomLog } from "./seldom-log.ts";
import { sourceKey } from "./source-key.ts";
import { BOARD_ROUTES, TopicKind, type TopicRoute } from "./topic-route.ts";
import type { WallClock } from "./wall-clock.ts";

export interface MqttInputOptions {
  /** Only topics of this project are taken; without it, of any (the link has checked whose they are). */
  readonly project?: string;
  /** What is heard; boards with the agent where absent. */
  readonly routes?: readonly TopicRoute[];
  /** Topics whose meaning is kept, some 200 bytes each; beyond it all are read anew. */
  readonly topicsKnownMax?: number;
}

/** Longest text of one entry from an agentless source; what is beyond is cut, flagged and counted. */
const TEXT_BYTES_MAX = 65_536;
const CUT_MARK = " [cut]";

type Done = (outcome: TopicOutcome) => void;

/** A message whose topic is one of ours. `device` is absent where only the frame can say it (docs/protocol.md 8.8). */
interface Heard {
  readonly route: TopicRoute;
  readonly project: string;
  readonly device: string | undefined;
  /** Where `device` is known. */
  readonly board: Board | undefined;
  /** The topic alone says all of this. */
  readonly isWhole: boolean;
}

/** A board as its frames need it, made once for all of them. */
interface Board {
  readonly origin: Origin;
  readonly route: TopicRoute;
  readonly link: {
    bootText: string | undefined;
    readonly wire: object;
    readonly send: (json: string) => boolean;
  };
}

/** What boards publish: frames, presence, and the lines of those without the agent (docs/protocol.md 8). */
export class MqttInput {
  readonly #link: TopicLink;
  readonly #demand: Demand;
  readonly #intake: Intake;
  readonly #lines: LineSessions;
  readonly #presence: Presence;
  readonly #boards: BoardLinks;
  readonly #wallClock: WallClock;
  readonly #counters: Counters;
  readonly #seldomLog: SeldomLog;
  readonly #project: string | undefined;
  readonly #routes: readonly TopicRoute[];
  readonly #topicsKnownMax: number;
  readonly #known = new Map<string, Heard>();
  #stopping = false;

  constructor(
    world: {
      readonly link: TopicLink;
      readonly demand: Demand;
      readonly intake: Intake;
      readonly lines: LineSessions;
      readonly presence: Presence;
      readonly boards: BoardLinks;
      readonly wallClock: WallClock;
      readonly counters: Counters;
      readonly seldomLog: SeldomLog;
    },
    options: MqttInputOptions = {},
  ) {
    this.#topicsKnownMax = options.topicsKnownMax ?? DEVICES_MAX_DEFAULT;
    this.#link = world.link;
    this.#demand = world.demand;
    this.#intake = world.intake;
    this.#lines = world.lines;
    this.#presence = world.presence;
    this.#boards = world.boards;
    this.#wallClock = world.wallClock;
    this.#counters = world.counters;
    this.#seldomLog = world.seldomLog;
    this.#project = options.project;
    this.#routes = options.routes ?? BOARD_ROUTES;
  }

  /** @throws what the link throws when it cannot start. */
  start(): Promise<void> {
    return this.#link.start((message, done) => this.#receive(message, done), this.#demand);
  }

  /** Takes nothing more; what comes from now on must come again. */
  drain(): void {
    this.#stopping = true;
  }

  close(): Promise<void> {
    return this.#link.stop();
  }

  #receive(message: TopicMessage, done: Done): void {
    if (this.#stopping) {
      done(TopicOutcome.Stopped);
      return;
    }
    const heard = this.#heard(message);
    if (heard === undefined) {
      this.#discard("mqtt_bad_topic_messages_total", TopicOutcome.Refused, done);
      return;
    }
    if (message.retained && heard.route.kind !== TopicKind.Presence) {
      this.#seldomLog.warn(
        `retained ${message.topic}`,
        { topic: message.topic },
        "a retained log message is refused: publish without the retain flag",
      );
      this.#discard("mqtt_retained_messages_total", TopicOutcome.Refused, done);
      return;
    }
    try {
      const waits = this.#take(heard, message, done);
      if (waits !== undefined) this.#watch(waits, done);
    } catch (error) {
      stopped(error, done);
    }
  }

  #take(heard: Heard, message: TopicMessage, done: Done): Promise<void> | undefined {
    const { kind } = heard.route;
    if (kind === TopicKind.Frames) return this.#frame(heard, message, done);
    if (kind === TopicKind.Presence) return this.#presenceOf(heard, message, done);
    return this.#text(heard, message, done);
  }

  #watch(waits: Promise<void>, done: Done): void {
    waits.catch((error: unknown) => stopped(error, done));
  }

  /** Boards publish on the same topics again and again: each is read once. Who sent it may matter, where the topic does not say. */
  #heard(message: TopicMessage): Heard | undefined {
    const known = this.#known.get(message.topic);
    if (known !== undefined) return known;
    const heard = this.#read(message);
    if (heard?.isWhole === true) {
      if (this.#known.size >= this.#topicsKnownMax) this.#known.clear();
      this.#known.set(message.topic, heard);
    }
    return heard;
  }

  #read({ topic, sender }: TopicMessage): Heard | undefined {
    for (const route of this.#routes) {
      const values = route.template.match(topic);
      if (values === undefined) continue;
      const project = values.project ?? this.#project ?? sender?.project;
      if (project === undefined || !isProject(project)) return undefined;
      if (this.#project !== undefined && project !== this.#project) return undefined;
      const device = values.device ?? sender?.device;
      if (device !== undefined && !checkSrc(device).ok) return undefined;
      if (device === undefined && route.kind !== TopicKind.Frames) return undefined;
      const isWhole = values.device !== undefined && (values.project ?? this.#project) !== undefined;
      const board = device === undefined ? undefined : this.#board(route, { project, src: device });
      return { route, project, device, board, isWhole };
    }
    return undefined;
  }

  #board(route: TopicRoute, origin: Origin): Board {
    const send = (json: string): boolean => this.#sendDown(route, origin, encodeUtf8(json));
    const key = sourceKey(origin.project, origin.src);
    return { origin: { ...origin, key }, route, link: { bootText: undefined, wire: this.#link, send } };
  }

  /** What a frame is of: its topic says it, or else it does. */
  #boardOf({ route, project, board }: Heard, { src }: Frame): Board | undefined {
    if (board !== undefined || src === undefined || !checkSrc(src).ok) return board;
    return this.#board(route, { project, src });
  }

  #frame(heard: Heard, message: TopicMessage, done: Done): Promise<void> | undefined {
    const decoded = decodeFrame(message.payload);
    const board = decoded.ok ? this.#boardOf(heard, decoded.value) : undefined;
    if (!decoded.ok || board === undefined) {
      const { topic } = message;
      const problem = decoded.ok ? "src: required on this topic" : decoded.problem.text;
      this.#seldomLog.warn(`bad ${topic}`, { topic, problem }, "no frame in what a board published");
      this.#discard("mqtt_bad_frames_total", TopicOutcome.Done, done);
      return undefined;
    }
    const frame = decoded.value;
    const { origin, link } = board;
    // Clause 8.6: this sender waits for our ack and not for its broker's.
    const isAckedEarly = frame.boot !== undefined && !this.#link.senderWaits;
    // Not the frame: it would be kept until its commit, and of each board the last one for good.
    const envelope = envelopeOf(frame);
    const onReply = (reply: Reply): void => {
      if (reply.type !== "none") this.#answer(board, envelope, reply);
      if (!isAckedEarly) done(TopicOutcome.Done);
    };
    if (frame.src !== undefined && !isOwnSrc(frame.src, origin.src)) {
      this.#counters.add("mqtt_foreign_source_frames_total");
      this.#intake.refuse(frame, `src: ${origin.src} may log as itself only`, onReply);
      if (isAckedEarly) done(TopicOutcome.Done);
      return undefined;
    }
    link.bootText = frame.boot?.text;
    this.#boards.heard(origin.project, origin.src, link, origin.key);
    const receipt = this.#wallClock.receipt();
    const waits = this.#intake.frame(origin, frame, receipt, this.#arrival(message), onReply);
    if (!isAckedEarly) return waits;
    if (waits !== undefined) return waits.then(() => done(TopicOutcome.Done));
    done(TopicOutcome.Done);
    return undefined;
  }

  /** A board on a connection of its own feels it when its publishes are not answered; one that shares a connection does not. */
  #arrival({ payload, sender }: TopicMessage): Arrival {
    const isHeldBack = this.#link.senderWaits && sender?.device !== undefined;
    return { sizeBytes: payload.length, isHeldBack };
  }

  #answer({ route, origin }: Board, to: Envelope, reply: Reply): void {
    const bytes = encodeReply(reply, to, this.#wallClock.utcMs());
    if (bytes !== undefined && !this.#sendDown(route, origin, bytes))
      this.#counters.add("mqtt_unanswerable_frames_total");
  }

  /** False where the route has no way back. */
  #sendDown(route: TopicRoute, { project, src }: Origin, bytes: Uint8Array): boolean {
    // A name of the form //host/device answers to its last part (8.2).
    const topic = route.answers?.fill({ project, device: src.replace(/^\/\/[^/]*\//, "") });
    if (topic === undefined) return false;
    this.#link.publish(topic, bytes);
    return true;
  }

  async #text({ route, project, device = "" }: Heard, message: TopicMessage, done: Done): Promise<void> {
    const onDurable = (): void => done(TopicOutcome.Done);
    const { payload } = message;
    const isCut = payload.length > TEXT_BYTES_MAX;
    if (isCut) this.#counters.add("mqtt_cut_texts_total");
    const whole = decodeUtf8(isCut ? payload.subarray(0, TEXT_BYTES_MAX) : payload).text;
    const text = isCut ? whole + CUT_MARK : whole.replace(/\r?\n$/, "");
    if (text === "") {
      this.#discard("mqtt_empty_messages_total", TopicOutcome.Done, done);
      return;
    }
    const origin = { project, src: device };
    const line = route.kind === TopicKind.Text ? undefined : parseLogLine(text, route.kind);
    if (line !== undefined) {
      this.#counters.add("mqtt_log_lines_total");
      const arrival = this.#arrival(message);
      await this.#lines.line(origin, line, { ...arrival, isRepeat: message.isRepeat === true }, onDurable);
      return;
    }
    this.#counters.add(
      route.kind === TopicKind.Text ? "mqtt_texts_total" : "mqtt_unnumbered_log_lines_total",
    );
    await this.#intake.note(origin, { stream: STREAM_DEFAULT, text }, this.#arrival(message), onDurable);
  }

  async #presenceOf({ project, device = "" }: Heard, message: TopicMessage, done: Done): Promise<void> {
    const isOnline = parsePresence(message.payload);
    if (isOnline === undefined) {
      this.#discard("mqtt_bad_presence_messages_total", TopicOutcome.Done, done);
      return;
    }
    if (!isOnline) this.#boards.gone(project, device);
    const isNews = this.#presence.set(project, device, isOnline);
    // What the broker kept is how things stand, and no event.
    if (!isNews || message.retained) {
      done(TopicOutcome.Done);
      return;
    }
    const origin = { project, src: device };
    const note = { stream: STREAM_PRESENCE, text: isOnline ? "online" : "offline" };
    await this.#intake.note(origin, note, this.#arrival(message), () => done(TopicOutcome.Done));
  }

  #discard(counter: string, outcome: TopicOutcome, done: Done): void {
    this.#counters.add(counter);
    done(outcome);
  }
}

function stopped(error: unknown, done: Done): void {
  ignoreStopping(error);
  done(TopicOutcome.Stopped);
}
