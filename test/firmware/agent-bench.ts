import type { Agent, AgentConsole, AgentEnv, AgentSettings } from "../../firmware-js/agent/env.ts";
import { decodeFrameText } from "../../protocol/frame-decoder.ts";
import { logArgsOf } from "../../protocol/sequencing.ts";
import { bundleAgent, SIMULATOR_FEATURES } from "../../scripts/build-firmware.mjs";
import { type AgentProgram, compileAgent } from "../../sim/board.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";

/** The minified text that the simulator runs, and the same with plain frames. */
export const agentText = await bundleAgent();
const programs: Record<Wire, AgentProgram> = {
  compact: compileAgent(agentText),
  plain: compileAgent(await bundleAgent([...SIMULATOR_FEATURES, "plain"])),
};
export type Wire = "compact" | "plain";

export function asciiJson(value: unknown): string | undefined {
  return JSON.stringify(value)?.replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

export interface BenchOptions {
  readonly settings?: AgentSettings;
  readonly wire?: Wire;
  readonly time?: VirtualTime;
  readonly boot?: string;
  readonly src?: string;
  /** 0 for a board whose clock is not set. */
  readonly utc?: () => number;
  readonly send?: (frame: string) => boolean;
  readonly print?: (method: string, args: unknown[]) => void;
  readonly setClock?: (utcMs: number) => void;
  /** What outlives a reset. */
  readonly storage?: NonNullable<AgentEnv["storage"]>;
  readonly program?: AgentProgram;
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
      storage: options.storage,
    };
    (options.program ?? programs[options.wire ?? "compact"])(env);
    if (env.agent === undefined) throw new Error("the agent did not hand itself out");
    this.agent = env.agent;
  }

  /** The frames sent so far, decoded; forgets them. */
  takeFrames(): Frame[] {
    return this.sent.splice(0).map(frameOf);
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
    args: {
      msg: unknown;
      level?: string;
      module?: string;
      stream?: string;
      timestamp?: number;
      uptime?: number;
    };
  }[];
}

/** A frame in either form, as the plain form says it. */
export function frameOf(text: string): Frame {
  const decoded = decodeFrameText(text);
  if (!decoded.ok) throw new Error(`the agent sent a bad frame: ${decoded.problem.text}\n${text}`);
  const { v, src, boot, ack, first, clock, now, commands } = decoded.value;
  return {
    v,
    ...(src !== undefined && { src }),
    boot: boot?.text ?? "",
    ack: ack ?? false,
    first: first ?? 0,
    ...(clock === "uptime" && { clock }),
    ...(now !== undefined && { now }),
    cmds: commands.map((command) => {
      const args = logArgsOf(command);
      if (!args.ok) throw new Error(`${args.problem.text}\n${text}`);
      const { msg, ...others } = args.value;
      return { cmd: command.method, id: command.id ?? 0, args: { msg: JSON.parse(msg), ...others } };
    }),
  };
}

export const seqsOf = (frame: Frame | undefined): number[] => (frame?.cmds ?? []).map((one) => one.id);
export const msgsOf = (frame: Frame | undefined): unknown[] => (frame?.cmds ?? []).map((one) => one.args.msg);
