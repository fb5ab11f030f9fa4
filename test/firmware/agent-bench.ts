import type { Agent, AgentConsole, AgentEnv, AgentSettings } from "../../firmware-js/agent/env.ts";
import { bundleForEspruino } from "../../scripts/build-firmware.mjs";
import { VirtualTime } from "../../sim/virtual-time.ts";

/** The minified text that boards run. */
export const agentText = await bundleForEspruino("firmware-js/agent/agent.ts");
const run = new Function("env", agentText) as (env: AgentEnv) => void;

export function asciiJson(value: unknown): string | undefined {
  return JSON.stringify(value)?.replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

export interface BenchOptions {
  readonly settings?: AgentSettings;
  readonly time?: VirtualTime;
  readonly boot?: string;
  readonly src?: string;
  /** 0 for a board whose clock is not set. */
  readonly utc?: () => number;
  readonly send?: (frame: string) => boolean;
  readonly print?: (method: string, args: unknown[]) => void;
  readonly setClock?: (utcMs: number) => void;
}

/** A board in virtual time with the agent on it: what it printed and sent, in order. */
export class Bench {
  readonly time: VirtualTime;
  readonly printed: string[] = [];
  readonly sent: string[] = [];
  readonly console: AgentConsole;
  readonly agent: Agent;
  readonly boot: string;

  constructor(options: BenchOptions = {}) {
    const time = options.time ?? new VirtualTime();
    const startMs = time.monotonicMs();
    this.time = time;
    this.boot = options.boot ?? "7-c0ffee";
    const print =
      (method: string) =>
      (...args: unknown[]) => {
        this.printed.push(args.map(String).join(" "));
        options.print?.(method, args);
      };
    this.console = {
      log: print("log"),
      info: print("info"),
      warn: print("warn"),
      error: print("error"),
      debug: print("debug"),
    };
    const env: AgentEnv = {
      console: this.console,
      boot: this.boot,
      src: options.src,
      settings: options.settings,
      stringify: asciiJson,
      uptime: () => Math.floor(time.monotonicMs() - startMs),
      utc: options.utc ?? (() => 0),
      setTimeout: (action, delayMs) => time.after(delayMs, action),
      clearTimeout(timer) {
        // As Espruino does.
        if (timer === undefined) throw new Error("clearTimeout(undefined) not allowed");
        (timer as { cancel(): void }).cancel();
      },
      send: (frame) => {
        const taken = options.send?.(frame) ?? true;
        if (taken) this.sent.push(frame);
        return taken;
      },
      setClock: options.setClock,
    };
    run(env);
    if (env.agent === undefined) throw new Error("the agent did not hand itself out");
    this.agent = env.agent;
  }

  /** The frames sent so far, decoded; forgets them. */
  takeFrames(): Frame[] {
    return this.sent.splice(0).map((text) => JSON.parse(text) as Frame);
  }

  ack(seq: number, more: object = {}): void {
    this.agent.receive(JSON.stringify({ v: 1, boot: this.boot, ack: seq, ...more }));
  }
}

export interface Frame {
  readonly v: number;
  readonly src?: string;
  readonly boot: string;
  readonly ack: boolean;
  readonly first: number;
  readonly clock?: string;
  readonly now?: number;
  readonly cmds: {
    cmd: string;
    id: number;
    args: { msg: unknown; level?: string; stream?: string; timestamp?: number; uptime?: number };
  }[];
}

export const seqsOf = (frame: Frame | undefined): number[] => (frame?.cmds ?? []).map((one) => one.id);
export const msgsOf = (frame: Frame | undefined): unknown[] => (frame?.cmds ?? []).map((one) => one.args.msg);
