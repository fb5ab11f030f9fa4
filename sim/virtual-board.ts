import type { AgentConsole, AgentSettings } from "../firmware-js/agent/env.ts";
import { commandTopic, logTopic } from "../protocol/mqtt-topics.ts";
import { encodeLine } from "../protocol/serial-line.ts";
import {
  type AgentProgram,
  asciiStringify,
  type BoardLink,
  SimulatedBoard,
  UPTIME_WRAP_MS,
} from "./board.ts";
import { BoardClock } from "./board-clock.ts";
import { BootTruth } from "./boot-truth.ts";
import { DownlinkLines } from "./downlink-lines.ts";
import type { EventLog } from "./event-log.ts";
import type { PrintedText } from "./evidence.ts";
import type { FaultPlan } from "./fault-plan.ts";
import { ProcessLife } from "./process-life.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { SerialWire } from "./serial-wire.ts";
import type { BoardClient, TopicBroker } from "./topic-broker.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Longest line the board keeps of what comes down; more is dropped up to the next LF. */
const DOWNLINK_CHARS_MAX = 512;
const METHODS = ["log", "log", "log", "debug", "info", "warn", "error"] as const;
const WORDS = [
  "state=run",
  "rpm=4230",
  "too warm",
  "naïve Ω",
  "\u001b[31mred",
  'quote " and \\',
  "日本語",
  "{}",
];
/** Chance that the system under the app prints something beside what the app logs, on a wire that is the console's too. */
const SYSTEM_TEXT_SHARE = 0.3;
/** A clock that wraps does so this long after its board's start at the latest. */
const WRAP_WITHIN_MS = 25_000;
const ROM_LINES = ["ets Jun  8 2016 00:22:57", "rst:0x1 (POWERON_RESET)"] as const;

export const BoardKind = { OwnWire: "own-wire", SharedWire: "shared-wire", Mqtt: "mqtt" } as const;
export type BoardKind = (typeof BoardKind)[keyof typeof BoardKind];

export interface VirtualBoardOptions {
  readonly name: string;
  readonly project: string;
  readonly src: string;
  readonly kind: BoardKind;
  readonly settings: AgentSettings;
  readonly linesPerMinute: number;
  /** Serial: whether frames name the source. */
  readonly saysSrc: boolean;
  /** Its agent is built with `fold`, `levels`, `reserve`, `words` and `parts`. */
  readonly isFull: boolean;
}

export interface VirtualBoardWorld {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  /** Of what the system under the app prints. */
  readonly systemRandom: SeededRandom;
  readonly plan: FaultPlan;
  readonly events: EventLog;
  readonly program: AgentProgram;
  /** Where each boot's truth is filed. */
  readonly boots: BootTruth[];
  /** Console text that went out on a wire that carries it, and where. */
  readonly printed: PrintedText[];
  /** What of it a gateway heard as it was, in the order it came. */
  readonly heard: PrintedText[];
}

/** A board in virtual time, with an app that logs lines nobody else ever logs, and resets that lose all that is in RAM. */
export class VirtualBoard {
  readonly options: VirtualBoardOptions;
  readonly #world: VirtualBoardWorld;
  readonly #wire: SerialWire | undefined;
  readonly broker: TopicBroker | undefined;
  #life: ProcessLife;
  #board: SimulatedBoard | undefined;
  #client: BoardClient | undefined;
  #clock: BoardClock;
  #truth: BootTruth | undefined;
  #bootCount = 0;
  #lineCount = 0;
  #systemLineCount = 0;
  readonly #downlink = new DownlinkLines((json) => this.#board?.agent.receive(json), DOWNLINK_CHARS_MAX);
  #isSilent = false;
  /** What its agent keeps over a reset. */
  readonly #stored: (string | undefined)[] = [];
  isQuiet = false;

  constructor(
    world: VirtualBoardWorld,
    link: { readonly wire?: SerialWire; readonly broker?: TopicBroker },
    options: VirtualBoardOptions,
  ) {
    this.#world = world;
    this.#wire = link.wire;
    this.broker = link.broker;
    this.options = options;
    this.#life = new ProcessLife(world.time);
    this.#clock = this.#newClock();
  }

  get truth(): BootTruth | undefined {
    return this.#truth;
  }

  /** Nothing of this boot waits in the board any more. */
  get isDrained(): boolean {
    const stats = this.#board?.stats;
    return stats === undefined || (stats.ringBytes === 0 && stats.acked === stats.seq);
  }

  get state(): string {
    const stats = this.#board?.stats;
    return stats === undefined
      ? "off"
      : `boot ${this.#truth?.boot}: seq ${stats.seq}, acked ${stats.acked}, ring ${stats.ringBytes} B`;
  }

  start(): void {
    this.#boot();
  }

  /** Power off and on: RAM is gone. */
  reset(): void {
    if (this.#board === undefined) return;
    // In order, or by a power cut.
    if (this.options.isFull && this.#world.random.chance(0.5)) this.#board.agent.keep();
    this.#off();
    this.#world.events.add(this.options.name, "reset");
    this.#world.time.after(this.#world.random.between(50, 800), () => this.#boot());
  }

  /** The MQTT connection breaks. */
  cut(): void {
    this.#client?.cut();
  }

  /** The app logs nothing more, in this boot and the next. */
  silence(): void {
    this.#isSilent = true;
  }

  stepClock(byMs: number): void {
    this.#clock.step(byMs);
  }

  /** Reads the agent's counters into the truth. */
  account(): void {
    const stats = this.#board?.stats;
    const truth = this.#truth;
    if (stats === undefined || truth === undefined) return;
    truth.addOwn(stats.seq);
    truth.acked = stats.acked;
    truth.dropped = stats.dropped;
  }

  /** Its account is closed while it runs: what it would say of itself later (a lease that ends is logged) is not said. */
  end(): void {
    this.account();
    this.#life.kill();
  }

  /** What came down the wire. */
  hearBytes(bytes: Uint8Array): void {
    this.#downlink.hear(bytes);
  }

  #off(): void {
    this.account();
    if (this.#truth !== undefined) this.#truth.isAlive = false;
    this.#life.kill();
    this.#client?.end();
    this.#board = undefined;
    this.#downlink.forget();
  }

  #boot(): void {
    const { time, random, program, events, boots } = this.#world;
    const { name, project, src, kind, settings, saysSrc } = this.options;
    const life = new ProcessLife(time);
    this.#life = life;
    this.#clock = this.#newClock();
    this.#bootCount++;
    const boot = random.chance(0.5)
      ? `${name}-${this.#bootCount}`
      : `${1000 * (Number.parseInt(name.slice(1), 10) + 1) + this.#bootCount}`;
    const hasAcks = settings.ack !== false;
    this.#truth = new BootTruth({ project, src, boot, hasAcks });
    boots.push(this.#truth);
    events.add(name, `boots as ${boot}`);
    if (kind === BoardKind.SharedWire) for (const line of ROM_LINES) this.#print(line);
    const clock = this.#clock;
    const canSetClock = random.chance(0.5);
    const link: BoardLink =
      kind === BoardKind.Mqtt
        ? { send: (frame) => this.#client?.publish(Buffer.from(frame, "latin1")) ?? false, print: () => {} }
        : { send: (frame) => this.#sendLine(frame), print: (line) => this.#printShared(line) };
    const board = new SimulatedBoard({ clock, timers: life }, program, link, {
      boot,
      knowsUtc: true,
      settings,
      ...(this.#world.plan.has("clockWrap") && {
        uptimeStartMs: UPTIME_WRAP_MS - this.#world.systemRandom.between(0, WRAP_WITHIN_MS),
      }),
      ...(saysSrc && { src }),
      ...(canSetClock && { setClock: (utcMs) => clock.setWall(utcMs) }),
      storage: {
        read: (index) => this.#stored[index],
        write: (index, text) => {
          this.#stored[index] = text || undefined;
        },
      },
    });
    this.#board = board;
    if (kind === BoardKind.Mqtt) this.#client = this.#connect(board, life);
    this.#scheduleLines(board.console, life);
  }

  #connect(board: SimulatedBoard, life: ProcessLife): BoardClient | undefined {
    const { project, src } = this.options;
    const topics = { log: logTopic(project, src), command: commandTopic(project, src) };
    const ifAlive = (action: () => void): void => {
      if (life.isAlive) action();
    };
    return this.broker?.addClient(topics, {
      onConnected: () =>
        ifAlive(() => {
          board.agent.restart();
          board.agent.ready();
        }),
      onMessage: (payload) => ifAlive(() => board.agent.receive(Buffer.from(payload).toString("latin1"))),
      onWritable: () => ifAlive(() => board.agent.ready()),
    });
  }

  #sendLine(frame: string): boolean {
    const { random, plan } = this.#world;
    if (!this.isQuiet && random.chance(plan.amount("linkFull"))) {
      const board = this.#board;
      this.#life.after(random.between(1, 200), () => board?.agent.ready());
      return false;
    }
    this.#wire?.writeUp(encodeLine(frame, true));
    return true;
  }

  #printShared(line: string): void {
    if (this.options.kind === BoardKind.SharedWire) this.#print(line);
  }

  #print(line: string): void {
    const { project, src } = this.options;
    const wire = this.#wire;
    const printed: PrintedText = { project, src, port: wire?.name ?? "", text: line };
    this.#world.printed.push(printed);
    wire?.writeUp(`${Buffer.from(line, "utf8").toString("latin1")}\r\n`, () =>
      this.#world.heard.push(printed),
    );
  }

  #scheduleLines(console: AgentConsole, life: ProcessLife): void {
    const { random, plan } = this.#world;
    life.after((random.fraction() * 2 * 60_000) / this.options.linesPerMinute, () => {
      if (this.#isSilent) return;
      const isBurst = !this.isQuiet && random.chance(plan.amount("burst"));
      if (this.options.isFull && !this.isQuiet && random.chance(0.05)) this.#lease();
      for (let count = isBurst ? 5 + random.below(20) : 1 + random.below(3); count > 0; count--) {
        this.#log(console);
        this.#systemSays();
      }
      this.#scheduleLines(console, life);
    });
  }

  /** As a radio's driver does it, past the agent. */
  #systemSays(): void {
    if (this.options.kind !== BoardKind.SharedWire) return;
    if (!this.#world.systemRandom.chance(SYSTEM_TEXT_SHARE)) return;
    this.#print(`I (${++this.#systemLineCount}) ${this.options.name} wifi: state: run -> auth`);
  }

  /** A gateway asks for another level for a while (docs/protocol.md 14.1). */
  #lease(): void {
    const { random } = this.#world;
    const lease = {
      v: 1,
      level: random.below(6),
      forMs: random.chance(0.2) ? 0 : random.between(1000, 15_000),
    };
    this.#board?.agent.receive(JSON.stringify(lease));
  }

  /** One line, with what it must be listed as; some come twice or more. */
  #log(console: AgentConsole): void {
    const { random, plan, time, events } = this.#world;
    const truth = this.#truth;
    const stats = this.#board?.stats;
    if (truth === undefined || stats === undefined) return;
    const method = random.pick(METHODS);
    const huge = !this.isQuiet && random.chance(plan.amount("hugeLine"));
    let text = `${this.options.name} line ${++this.#lineCount} ${random.pick(WORDS)}`;
    if (huge) text += random.pick(["x", "é", "𝄞", '"']).repeat(100 + random.below(1500));
    const value = !huge && random.chance(0.2) ? { n: this.#lineCount, text } : text;
    truth.addOwn(stats.seq);
    const target = typeof value === "string" ? console : (this.#board?.agent ?? console);
    const utcMs = this.#clock.wallMs();
    const uptimeMs = this.#board?.uptimeMs() ?? 0;
    // An object goes as an object by a direct call alone.
    target[method](value);
    // A line that is printed as text uses up no seq (docs/protocol.md 7.7); repeats of the one before are told of first.
    const seq = this.#board?.stats.seq;
    if (seq === undefined || seq === truth.seqLast) return;
    truth.addOwn(seq - 1);
    truth.lines.push({
      text: typeof value === "string" ? value : JSON.stringify(value),
      msg: asciiStringify(value) ?? "",
      level: method === "log" ? undefined : method,
      utcMs: utcMs === 0 ? undefined : utcMs,
      uptimeMs,
      trueMs: time.wallMs(),
    });
    events.add(this.options.name, `logs ${truth.boot} ${seq}`);
    if (!this.options.isFull || huge || !random.chance(0.1)) return;
    // Counted by the agent, and told of later; on a shared wire perhaps printed.
    for (let count = 1 + random.below(4); count > 0; count--) target[method](value);
  }

  #newClock(): BoardClock {
    const { random, plan, time } = this.#world;
    const drift = plan.amount("clockDrift") * 2e-3 * (random.fraction() - 0.5);
    return new BoardClock(time, { drift, knowsUtc: random.chance(0.4) });
  }
}
