/**
 * What a bundle is built with; esbuild puts true or false in, and what is off leaves no byte behind
 * (docs/agent.md, "Build options").
 */
declare const WITH_PLAIN: boolean;
declare const WITH_SHARED: boolean;
declare const WITH_CLOCK: boolean;
declare const WITH_FOLD: boolean;
declare const WITH_LEVELS: boolean;
declare const WITH_RESERVE: boolean;
declare const WITH_WORDS: boolean;
declare const WITH_PARTS: boolean;
declare const WITH_DIRECT: boolean;
declare const WITH_STOP: boolean;
declare const WITH_UNACKED: boolean;
declare const WITH_LAB: boolean;
/** The port is a console (docs/protocol.md 7.9); no option. */
declare const WITH_CONSOLE: boolean;
/** The link takes more than it has sent on, so that acks may come late (docs/protocol.md 5.6); no option. */
declare const WITH_LATE: boolean;

/** What every place that runs the agent has under these names; in the simulator they are each board's own. */
declare const console: import("./agent/env.ts").AgentConsole;
declare function setTimeout<Args extends unknown[]>(
  action: (...args: Args) => void,
  delayMs: number,
  ...args: Args
): unknown;
/** Throws on Espruino when given undefined. */
declare function clearTimeout(timer: unknown): void;
