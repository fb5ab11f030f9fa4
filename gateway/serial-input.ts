import { crc32 } from "node:zlib";
import type { Clock, Timer, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { ProcessLog } from "../host/log.ts";
import { encodeHello } from "../protocol/ack.ts";
import { decodeConsoleLine, encodeCall, isCallEcho } from "../protocol/console-line.ts";
import type { MsgJson } from "../protocol/entry.ts";
import { type Envelope, envelopeOf } from "../protocol/frame.ts";
import { isOwnSrc } from "../protocol/names.ts";
import {
  decodeFrameLine,
  decodeLine,
  encodeLine,
  type FrameItem,
  isPlainText,
  LINE_BYTES_MAX,
  type LineItem,
} from "../protocol/serial-line.ts";
import { decodeUtf8 } from "../protocol/utf8.ts";
import type { BoardLinks } from "./board-links.ts";
import type { DemandTurns, TurnTaker } from "./demand-turns.ts";
import { Fifo } from "./fifo.ts";
import type { Intake, Origin } from "./intake.ts";
import { LineSplitter } from "./line-splitter.ts";
import type { ByteLink } from "./link.ts";
import { ignoreStopping } from "./pauses.ts";
import { PromptWatch } from "./prompt-watch.ts";
import { encodeReply, type Reply } from "./reply.ts";
import type { SeldomLog } from "./seldom-log.ts";
import { SerialDownlink } from "./serial-downlink.ts";
import { sourceKey } from "./source-key.ts";
import type { Receipt, WallClock } from "./wall-clock.ts";
import { WireEcho } from "./wire-echo.ts";

export interface SerialInputOptions {
  readonly project: string;
  /** Source of the port; without it the first frame's `src`, until then the port's name (docs/protocol.md 7.8). */
  readonly source?: string;
  /** What is sent comes back on the same pair of wires. */
  readonly isHalfDuplex?: boolean;
  /** The board's console is at the other end; a frame may say so too (docs/protocol.md 12.11). */
  readonly isConsole?: boolean;
}

/** Bytes read and not yet taken; beyond it the port is not read, and the board feels it. */
const BACKLOG_BYTES_MAX = 256 * 1024;
/** Console lines handed in at once. */
const TEXT_LINES_MAX = 256;
/** Clause 7.7: the first when the port opens, the others while no frame has come. */
const HELLOS_MAX = 3;
const HELLO_PERIOD_MS = 1000;
/** A port that had frames and has none for this long hears a hello again: its board may have given up on us. */
const QUIET_MS = 10_000;
/** Put at the end of a line that was too long (docs/protocol.md 7.6). */
const CUT_MARK = " [cut]";

type KeyedOrigin = Required<Origin>;

/** What one read brought. As lines it would outlive collections of young objects, and cost several times as much as the bytes. */
interface Read {
  /** Undefined where the wire went: a cut line ends there. */
  readonly bytes: Uint8Array | undefined;
  readonly receipt: Receipt;
}

/** Lines that came together. */
interface Lines {
  /** One code unit a byte. */
  readonly lines: readonly string[];
  /** Of the next to be taken. */
  index: number;
  /** What they were cut out of, while it is there; a line is to be read in it only where it lies there as a whole. */
  bytes: Uint8Array | undefined;
  /** Of the next to be taken in `bytes`; below 0 where it begins before. */
  start: number;
  readonly receipt: Receipt;
}

/** One serial port: frames and console text on one wire, in their order (docs/protocol.md 7). */
export class SerialInput implements TurnTaker {
  readonly #link: ByteLink;
  readonly #intake: Intake;
  readonly #boards: BoardLinks;
  readonly #turns: DemandTurns;
  readonly #wallClock: WallClock;
  readonly #timers: Timers;
  readonly #counters: Counters;
  readonly #log: ProcessLog;
  readonly #seldomLog: SeldomLog;
  readonly #options: SerialInputOptions;
  readonly #downlink: SerialDownlink;
  readonly #echo: WireEcho | undefined;
  readonly #prompt: PromptWatch;

  readonly #backlog = new Fifo<Read>();
  #backlogBytes = 0;
  #paused = false;
  /** Its turn will come. */
  #isInLine = false;
  /** Of the read that is being taken. */
  #lines: Lines | undefined;
  /** Until what was handed in last is queued. */
  #waiting: Promise<void> | undefined;
  #stopping = false;
  #splitter: LineSplitter;
  #portName = "";
  #boundSrc: string | undefined;
  /** Under the name that it had last. */
  #lastOrigin: KeyedOrigin | undefined;
  /** The device went away since it was bound: the next frame may come from another board. */
  #mayRebind = true;
  /** Another one each time the port opens. */
  #wire: object = {};
  #hasChecksum = false;
  #hasFrame = false;
  /** Frames came since the last look. */
  #isTalking = false;
  #quietTimer: Timer | undefined;
  #helloCount = 0;
  #helloTimer: Timer | undefined;

  constructor(
    world: {
      readonly link: ByteLink;
      readonly intake: Intake;
      readonly boards: BoardLinks;
      readonly turns: DemandTurns;
      readonly clock: Clock;
      readonly wallClock: WallClock;
      readonly timers: Timers;
      readonly counters: Counters;
      readonly log: ProcessLog;
      readonly seldomLog: SeldomLog;
    },
    options: SerialInputOptions,
  ) {
    this.#link = world.link;
    this.#intake = world.intake;
    this.#boards = world.boards;
    this.#turns = world.turns;
    this.#wallClock = world.wallClock;
    this.#timers = world.timers;
    this.#counters = world.counters;
    this.#log = world.log;
    this.#seldomLog = world.seldomLog;
    this.#options = options;
    this.#echo = options.isHalfDuplex ? new WireEcho(world.clock, world.timers) : undefined;
    this.#prompt = new PromptWatch(world.clock, world.timers);
    this.#splitter = this.#newSplitter();
    this.#downlink = new SerialDownlink(world.link, world.counters, this.#echo ?? this.#prompt);
  }

  /** What its entries are filed under now. */
  get src(): string {
    return this.#options.source ?? this.#boundSrc ?? this.#portName;
  }

  start(): void {
    this.#link.start({
      onUp: (portName) => this.#up(portName),
      onBytes: (bytes) => {
        this.#echo?.heard();
        this.#prompt.heard(bytes);
        this.#read(bytes);
      },
      onDown: () => this.#down(),
    });
  }

  /** Reads no more and resolves when all that was read is queued. The wire stays open for acks until `close`. */
  async drain(): Promise<void> {
    this.#stopping = true;
    this.#helloTimer?.cancel();
    this.#quietTimer?.cancel();
    this.#link.pause();
    this.#endLine();
    while (this.#waiting !== undefined) await this.#waiting;
  }

  close(): Promise<void> {
    this.#prompt.stop();
    return this.#link.stop();
  }

  #up(portName: string): void {
    this.#portName = portName;
    this.#mayRebind = true;
    this.#wire = {};
    this.#hasFrame = false;
    this.#prompt.begin(this.#options.isConsole ?? false);
    this.#log.info({ port: this.#link.name, src: this.src }, "serial port open");
    this.#helloCount = 0;
    this.#hello();
    this.#quietTimer?.cancel();
    this.#quietTimer = this.#timers.every(QUIET_MS, () => this.#helloToQuiet());
  }

  #down(): void {
    this.#boards.lost(this.#wire);
    this.#prompt.begin(false);
    this.#helloTimer?.cancel();
    this.#quietTimer?.cancel();
    this.#endLine();
  }

  #hello(): void {
    this.#sendHello();
    this.#helloCount += 1;
    if (this.#helloCount >= HELLOS_MAX) return;
    this.#helloTimer = this.#timers.after(HELLO_PERIOD_MS, () => {
      if (!this.#hasFrame) this.#hello();
    });
  }

  /** A board on a shared wire that was not heard for a while prints text, and keeps what was not acked until a hello. */
  #helloToQuiet(): void {
    if (this.#hasFrame && !this.#isTalking) this.#sendHello();
    this.#isTalking = false;
  }

  #sendHello(): void {
    const json = encodeHello(this.#wallClock.utcMs());
    // Nobody said what is there: the second of three is a call, which only a prompt understands.
    const isCall = this.#prompt.isOn || (!this.#hasFrame && this.#helloCount === 1);
    this.#downlink.send("hello", isCall ? encodeCall(json) : encodeLine(json, this.#hasChecksum));
  }

  #newSplitter(): LineSplitter {
    return new LineSplitter((byteCount) =>
      this.#counters.add("serial_endless_line_discarded_bytes_total", byteCount),
    );
  }

  #read(bytes: Uint8Array): void {
    if (this.#stopping) return;
    const receipt = this.#wallClock.receipt();
    const isBusy = this.#waiting !== undefined || this.#backlog.count > 0;
    if (!isBusy && this.#turns.isTurnOf(this)) {
      this.#split({ bytes, receipt });
      this.#work();
    } else this.#keep({ bytes: new Uint8Array(bytes), receipt });
  }

  #endLine(): void {
    this.#keep({ bytes: undefined, receipt: this.#wallClock.receipt() });
  }

  #keep(read: Read): void {
    this.#backlog.push(read);
    this.#backlogBytes += read.bytes?.length ?? 0;
    if (this.#backlogBytes > BACKLOG_BYTES_MAX && !this.#paused) {
      this.#paused = true;
      this.#counters.add("serial_paused_total");
      this.#link.pause();
    }
    if (this.#waiting === undefined) this.#work();
  }

  /** What was read and kept may be taken now. */
  takeTurn(): void {
    this.#isInLine = false;
    if (this.#waiting === undefined) this.#work();
  }

  /** Takes lines until there are no more, or something has to wait for room. What came in one read goes into one commit. */
  #work(): void {
    try {
      for (let lines = this.#next(); lines !== undefined; lines = this.#next()) {
        const taken = this.#takeSome(lines);
        if (taken === undefined) continue;
        this.#waiting = taken.catch(ignoreStopping).then(() => {
          this.#waiting = undefined;
          this.#work();
        });
        return;
      }
    } catch (error) {
      ignoreStopping(error);
    } finally {
      // The next read may lie where they do.
      if (this.#lines !== undefined) this.#lines.bytes = undefined;
    }
  }

  /** Lines to be taken now; at a stop all that there are. */
  #next(): Lines | undefined {
    while (this.#lines === undefined) {
      const read = this.#backlog.peek();
      if (read === undefined) return undefined;
      if (!this.#stopping && !this.#turns.isTurnOf(this)) {
        if (!this.#isInLine) this.#turns.wait(this);
        this.#isInLine = true;
        return undefined;
      }
      this.#forget(read);
      this.#split(read);
    }
    return this.#lines;
  }

  #split({ bytes, receipt }: Read): void {
    const { lines, start } = bytes === undefined ? this.#splitter.end() : this.#splitter.push(bytes);
    if (bytes === undefined) this.#splitter = this.#newSplitter();
    this.#lines = lines.length === 0 ? undefined : { lines, index: 0, bytes, start, receipt };
  }

  /** Hands in console text up to a frame, and the frame. */
  #takeSome(read: Lines): Promise<void> | undefined {
    const { lines, receipt } = read;
    const texts: MsgJson[] = [];
    let frame: FrameItem | undefined;
    let line = "";
    while (read.index < lines.length && frame === undefined && texts.length < TEXT_LINES_MAX) {
      line = lines[read.index++] ?? "";
      frame = this.#wholeFrame(read, line) ?? this.#take(line, texts);
      read.start += line.length + 1;
    }
    if (read.index >= lines.length) this.#lines = undefined;
    const queued = texts.length > 0 ? this.#intake.text(this.#origin, texts, receipt) : undefined;
    if (frame === undefined) return queued;
    const frameBytes = line.length;
    const ofFrame = frame;
    return queued === undefined
      ? this.#frame(frame, frameBytes, receipt)
      : queued.then(() => this.#frame(ofFrame, frameBytes, receipt));
  }

  #forget({ bytes }: Read): void {
    this.#backlog.shift();
    this.#backlogBytes -= bytes?.length ?? 0;
    if (this.#paused && !this.#stopping && this.#backlogBytes < BACKLOG_BYTES_MAX / 2) {
      this.#paused = false;
      this.#link.resume();
    }
  }

  /** A line that is nothing but a frame, as nearly all frames come: read where it lies. */
  #wholeFrame({ bytes, start }: Lines, line: string): FrameItem | undefined {
    if (bytes === undefined || start < 0 || this.#prompt.isOn || this.#echo !== undefined) return undefined;
    const frame = decodeFrameLine(bytes, start, start + line.length, crc32);
    // A port that nobody called a console turns out to be one: then a line is to be read as one of it.
    return frame?.frame.isCalled ? undefined : frame;
  }

  /** Adds a line's console text to `texts` and gives its frame, which always ends the line. */
  #take(whole: string, texts: MsgJson[]): FrameItem | undefined {
    if (this.#echo?.isEcho(whole)) {
      this.#counters.add("serial_echo_lines_total");
      return undefined;
    }
    const line = whole.endsWith("\r") ? whole.slice(0, -1) : whole;
    const isCut = line.length > LINE_BYTES_MAX;
    // Nearly all console text.
    if (!isCut && !this.#prompt.isOn && isPlainText(line)) {
      if (line !== "") texts.push(`"${line}"`);
      return undefined;
    }
    if (isCut) {
      this.#counters.add("serial_cut_long_lines_total");
      this.#counters.add("serial_endless_line_discarded_bytes_total", line.length - LINE_BYTES_MAX);
    }
    for (const item of this.#decode(isCut ? line.slice(0, LINE_BYTES_MAX) : line)) {
      if (item.type === "frame") return item;
      if (item.type === "discarded") this.#counters.add(item.reason);
      else if (this.#prompt.isOn && isCallEcho(item.text)) this.#counters.add("serial_echo_lines_total");
      else texts.push(JSON.stringify(isCut ? item.text + CUT_MARK : item.text));
    }
    return undefined;
  }

  /** A port that nobody called a console turns out to be one by the first frame that says so. */
  #decode(line: string): readonly LineItem[] {
    if (this.#prompt.isOn) return decodeConsoleLine(line);
    const items = decodeLine(line);
    if (!items.some((item) => item.type === "frame" && item.frame.isCalled)) return items;
    this.#prompt.begin(true);
    return decodeConsoleLine(line);
  }

  #frame({ frame, hasChecksum }: FrameItem, sizeBytes: number, receipt: Receipt): Promise<void> | undefined {
    this.#hasFrame = true;
    this.#isTalking = true;
    this.#hasChecksum = hasChecksum;
    // Not the frame: it would be kept until its commit, and the last one for good.
    const envelope = envelopeOf(frame);
    const onReply = (reply: Reply): void => this.#reply(reply, envelope, hasChecksum);
    if (!this.#bind(frame.src)) {
      this.#counters.add("serial_foreign_source_frames_total");
      const { name } = this.#link;
      this.#seldomLog.warn(
        `foreign ${name}`,
        { port: name, src: this.src, foreign: frame.src },
        "a second source on a bound serial port is refused: give it a port of its own",
      );
      this.#intake.refuse(frame, `src: this port belongs to ${this.src}`, onReply);
      return undefined;
    }
    const origin = this.#origin;
    const link = {
      bootText: frame.boot?.text,
      wire: this.#wire,
      send: (json: string) => {
        this.#downlink.send(undefined, encodeDown(json, envelope, hasChecksum));
        return true;
      },
    };
    this.#boards.heard(origin.project, origin.src, link, origin.key);
    // A wire that is not read loses what comes next, text too: the board feels that its acks do not come.
    const arrival = { sizeBytes, isHeldBack: false };
    return this.#intake.frame(origin, frame, receipt, arrival, onReply);
  }

  /** What its entries are filed under now. */
  get #origin(): KeyedOrigin {
    const { src } = this;
    if (this.#lastOrigin?.src === src) return this.#lastOrigin;
    const { project } = this.#options;
    this.#lastOrigin = { project, src, key: sourceKey(project, src) };
    return this.#lastOrigin;
  }

  /** Clause 7.8: says whether a frame with this `src` may come from this port, and binds the port to the first. */
  #bind(src: string | undefined): boolean {
    if (src === undefined) return true;
    const { source } = this.#options;
    if (source !== undefined) return isOwnSrc(src, source);
    if (this.#boundSrc === undefined || this.#mayRebind) {
      this.#boundSrc = src;
      this.#mayRebind = false;
      return true;
    }
    return src === this.#boundSrc;
  }

  #reply(reply: Reply, to: Envelope, hasChecksum: boolean): void {
    const bytes = encodeReply(reply, to, this.#wallClock.utcMs());
    if (bytes === undefined) return;
    const line = encodeDown(decodeUtf8(bytes).text, to, hasChecksum);
    // A later ack says all that an earlier one of the same boot said.
    this.#downlink.send(reply.type === "ack" ? `ack ${reply.ack.boot.text}` : undefined, line);
  }
}

function encodeDown(json: string, { isCalled }: Envelope, hasChecksum: boolean): string {
  return isCalled ? encodeCall(json) : encodeLine(json, hasChecksum);
}
