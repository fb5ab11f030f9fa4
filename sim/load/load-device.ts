import type { Clock, Timers } from "../../host/clock.ts";
import { type AgentProgram, SimulatedBoard } from "../board.ts";
import type { DeviceWire, WireEvents } from "./device-wire.ts";
import type { LatencyTable } from "./latency-table.ts";
import type { LoadFaultName } from "./load-faults.ts";

/** Logging times kept, for the latency; more lines than that without an ack are not measured. */
const TIMES_MAX = 512;
/** Shares and times of the faults (`load-faults.ts`). */
const LOST_SHARE = 0.2;
const LATE_MS = 500;
const CLOCK_STEP_MS_MAX = 3_600_000;

export type ConsoleLevel = "log" | "debug" | "info" | "warn" | "error";

export interface LoadWorld {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly latency: LatencyTable;
}

export interface DeviceOptions {
  readonly index: number;
  /** Of the run; each start of the board adds its number. */
  readonly boot: string;
  readonly ringBytesMax: number;
  /** Where the wire does not say who the board is. */
  readonly src?: string;
  /** What it logs as a seq: text for the console, an object for a direct call. */
  readonly message: (seq: number, utcMs: number) => string | object;
  readonly level: (seq: number) => ConsoleLevel;
  readonly openWire: (events: WireEvents) => DeviceWire;
}

/** What one start of a board says of itself. */
export interface DeviceLife {
  readonly boot: string;
  readonly seq: number;
  readonly acked: number;
  readonly dropped: number;
}

/** One board of the load mode: the real agent over a wire of its own. */
export class LoadDevice {
  readonly index: number;
  readonly #options: DeviceOptions;
  readonly #world: LoadWorld;
  readonly #program: AgentProgram;
  readonly #wire: DeviceWire;
  /** Starts of the board that ended, with their memory. */
  readonly #over: DeviceLife[] = [];
  #life = 0;
  #board: SimulatedBoard;
  /** When the seqs behind the acked one were logged, monotonic ms. */
  #loggedMs: number[] = [];
  #ackedSeq = 0;
  /** The board's UTC while it logs, so that a line can say what its timestamp must be. */
  #logMs: number | undefined;
  #clockOffsetMs = 0;
  readonly #untilMs: Partial<Record<LoadFaultName, number>> = {};
  /** Frames on the long way, in their order; one timer for the first of them. */
  readonly #late: { readonly frame: string; readonly dueMs: number }[] = [];

  constructor(world: LoadWorld, program: AgentProgram, options: DeviceOptions) {
    this.index = options.index;
    this.#options = options;
    this.#world = world;
    this.#program = program;
    this.#wire = options.openWire({
      onUp: () => {
        this.#board.agent.restart();
        this.#board.agent.ready();
      },
      onReady: () => this.#board.agent.ready(),
      onCommand: (json) => this.#board.agent.receive(json),
      onHeard: () => this.#measure(),
    });
    this.#board = this.#start();
  }

  get isConnected(): boolean {
    return this.#wire.isUp;
  }

  /** The broker does not know its login. */
  get isRefused(): boolean {
    return this.#wire.isRefused;
  }

  get connectCount(): number {
    return this.#wire.connectCount;
  }

  /** Every start of the board, the present one last. */
  get lives(): readonly DeviceLife[] {
    return [...this.#over, this.#lifeNow()];
  }

  /** Lines logged so far, and those that no ack came for and may still come. */
  get counts(): {
    readonly logged: number;
    readonly acked: number;
    readonly dropped: number;
    readonly waiting: number;
  } {
    const now = this.#lifeNow();
    const sum = (name: "seq" | "acked" | "dropped"): number =>
      this.#over.reduce((total, life) => total + life[name], now[name]);
    return { logged: sum("seq"), acked: sum("acked"), dropped: sum("dropped"), waiting: now.seq - now.acked };
  }

  /** Since the oldest line that no ack came for was logged, ms; 0 without one. */
  get lagMs(): number {
    const [oldestMs] = this.#loggedMs;
    return oldestMs === undefined ? 0 : this.#world.clock.monotonicMs() - oldestMs;
  }

  connect(): void {
    this.#wire.start();
  }

  /** The app logs some lines at once. */
  log(count: number): void {
    const { clock } = this.#world;
    const utcMs = clock.wallMs() + this.#clockOffsetMs;
    this.#logMs = utcMs;
    // Looked at once: a look at the agent ends the frame that it fills.
    const before = this.#board.stats.seq;
    for (let seq = before + 1; seq <= before + count; seq++) {
      const message = this.#options.message(seq, utcMs);
      const level = this.#options.level(seq);
      if (typeof message === "string") this.#board.console[level](message);
      else this.#board.agent[level](message);
      if (this.#loggedMs.length < TIMES_MAX) this.#loggedMs.push(clock.monotonicMs());
    }
    this.#logMs = undefined;
  }

  /** The board falls over and starts again: what it had in memory is gone. */
  #crash(): void {
    this.#over.push(this.#lifeNow());
    this.#board.agent.stop();
    this.#life++;
    this.#loggedMs = [];
    this.#ackedSeq = 0;
    this.#board = this.#start();
    this.#wire.cut();
  }

  /** @param forMs how long, where the fault lasts */
  fault(name: LoadFaultName, forMs: number): void {
    if (name === "cut") this.#wire.cut();
    else if (name === "outage") this.#wire.cut(forMs);
    else if (name === "crash") this.#crash();
    else if (name === "clock") this.#clockOffsetMs = Math.round((Math.random() * 2 - 1) * CLOCK_STEP_MS_MAX);
    else this.#untilMs[name] = this.#world.clock.monotonicMs() + forMs;
  }

  keepAlive(): void {
    this.#wire.keepAlive();
  }

  end(): void {
    this.#wire.end();
  }

  #lifeNow(): DeviceLife {
    const { seq, acked, dropped } = this.#board.stats;
    return { boot: this.#boot, seq, acked, dropped };
  }

  get #boot(): string {
    return `${this.#options.boot}-${this.#life}`;
  }

  #start(): SimulatedBoard {
    const { clock, timers } = this.#world;
    const { ringBytesMax, src } = this.#options;
    const life = this.#life;
    return new SimulatedBoard(
      {
        clock: {
          wallMs: () => this.#logMs ?? clock.wallMs() + this.#clockOffsetMs,
          monotonicMs: () => clock.monotonicMs(),
        },
        timers,
      },
      this.#program,
      { send: (frame) => life === this.#life && this.#send(frame), print: () => {} },
      { boot: this.#boot, knowsUtc: true, settings: { ringBytesMax }, ...(src !== undefined && { src }) },
    );
  }

  #send(frame: string): boolean {
    if (this.#has("loss") && Math.random() < LOST_SHARE) return true;
    const lastDueMs = this.#late.at(-1)?.dueMs;
    if (this.#has("delay") || lastDueMs !== undefined) {
      // A line keeps its order: what comes behind late frames waits for the last of them, and no longer.
      const dueMs = this.#has("delay") ? this.#world.clock.monotonicMs() + LATE_MS : (lastDueMs ?? 0);
      this.#late.push({ frame, dueMs });
      if (lastDueMs === undefined) this.#sendLate();
      return true;
    }
    if (!this.#wire.send(frame)) return false;
    if (this.#has("twice")) this.#wire.send(frame);
    return true;
  }

  #sendLate(): void {
    const { clock, timers } = this.#world;
    const [first] = this.#late;
    if (first === undefined) return;
    timers.after(Math.max(0, first.dueMs - clock.monotonicMs()), () => {
      const nowMs = clock.monotonicMs();
      for (let next = this.#late[0]; next !== undefined && next.dueMs <= nowMs; next = this.#late[0]) {
        this.#late.shift();
        this.#wire.send(next.frame);
      }
      this.#sendLate();
    });
  }

  #has(name: LoadFaultName): boolean {
    const untilMs = this.#untilMs[name];
    return untilMs !== undefined && this.#world.clock.monotonicMs() < untilMs;
  }

  /** From the call to `console.log` to the ack that says it is durable. */
  #measure(): void {
    const { acked } = this.#board.stats;
    const count = acked - this.#ackedSeq;
    if (count <= 0) return;
    this.#ackedSeq = acked;
    const nowMs = this.#world.clock.monotonicMs();
    for (const loggedMs of this.#loggedMs.splice(0, count)) this.#world.latency.add(nowMs - loggedMs);
  }
}

export function deviceName(index: number): string {
  return `load-${index}`;
}
