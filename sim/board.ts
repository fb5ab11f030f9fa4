import type { Agent, AgentConsole, AgentEnv, AgentSettings } from "../firmware-js/agent/env.ts";
import type { Clock, Timers } from "../host/clock.ts";

/** The compiled agent: the very text that runs on boards, a function of `env`. */
export type AgentProgram = (env: AgentEnv) => void;

/** Compiles the agent's text once; the result is called for each board. */
export function compileAgent(text: string): AgentProgram {
  const names = ["env", "console", "JSON", "setTimeout", "clearTimeout"];
  const body = new Function(...names, text) as (...values: unknown[]) => void;
  return (env) =>
    body(
      env,
      env.console,
      { stringify: env.stringify, parse: JSON.parse },
      (action: () => void, delayMs: number) => env.setTimeout(action, delayMs),
      (timer: unknown) => env.clearTimeout(timer),
    );
}

/** The wire of a simulated board. */
export interface BoardLink {
  /** @returns false when the link cannot take the frame now; it calls `agent.ready()` later. */
  send(frame: string): boolean;
  /** Console text of the board, for links that carry it. */
  print(line: string): void;
}

export interface BoardOptions {
  readonly boot: string;
  readonly src?: string;
  readonly settings?: AgentSettings;
  /** Whether the board knows UTC; otherwise it counts from its boot. */
  readonly knowsUtc: boolean;
  /** What its uptime begins at, ms: as of a board that has run for long. */
  readonly uptimeStartMs?: number;
  /** Told the gateway's UTC, where the board's clock can be set. */
  readonly setClock?: (utcMs: number) => void;
  /** What outlives a reset of the board. */
  readonly storage?: NonNullable<AgentEnv["storage"]>;
}

/** What an agent says of itself. */
export interface BoardStats {
  readonly seq: number;
  readonly acked: number;
  readonly ringBytes: number;
  /** Lines dropped by a full ring. */
  readonly dropped: number;
}

/** As a clock that counts ms in 32 bits. */
export const UPTIME_WRAP_MS = 2 ** 32;

/** A board that runs the real agent: a console, a clock since boot and a link. */
export class SimulatedBoard {
  readonly console: AgentConsole;
  readonly agent: Agent;
  /** Ms since boot, on the board's own clock. */
  readonly uptimeMs: () => number;

  constructor(
    world: { readonly clock: Clock; readonly timers: Timers },
    program: AgentProgram,
    link: BoardLink,
    options: BoardOptions,
  ) {
    const { clock, timers } = world;
    const bootMs = clock.monotonicMs() - (options.uptimeStartMs ?? 0);
    const print = (...args: unknown[]): void => link.print(args.map(textOf).join(" "));
    this.uptimeMs = () => Math.floor(clock.monotonicMs() - bootMs) % UPTIME_WRAP_MS;
    this.console = { log: print, info: print, warn: print, error: print, debug: print };
    const env: AgentEnv = {
      console: this.console,
      boot: options.boot,
      src: options.src,
      settings: options.settings,
      stringify: asciiStringify,
      uptime: this.uptimeMs,
      utc: () => (options.knowsUtc ? clock.wallMs() : 0),
      setTimeout: (action, delayMs) => timers.after(delayMs, action),
      clearTimeout: (timer) => (timer as ReturnType<Timers["after"]> | undefined)?.cancel(),
      send: (frame) => link.send(frame),
      setClock: options.setClock,
      storage: options.storage,
    };
    program(env);
    if (env.agent === undefined) throw new Error("the agent's text did not leave an agent in env");
    this.agent = env.agent;
  }

  get stats(): BoardStats {
    const { seq, acked, ringBytes, droppedOldest, droppedNewest } = this.agent.stats;
    return { seq, acked, ringBytes, dropped: droppedOldest + droppedNewest };
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
}

/** What Espruino's JSON.stringify gives natively: printable ASCII. */
export function asciiStringify(value: unknown): string | undefined {
  return JSON.stringify(value)?.replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
