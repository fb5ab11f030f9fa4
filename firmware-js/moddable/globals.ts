/**
 * What the core finds in the place of the globals of these names; the build puts it in. XS has `trace` and timers of its
 * own, and its `JSON` writes text that is not ASCII as it is.
 */
import Timer from "timer";
import type { AgentConsole } from "../agent/env.ts";

export function setTimeout(action: () => void, delayMs: number): unknown {
  return Timer.set(action, delayMs);
}

export function clearTimeout(timer: unknown): void {
  Timer.clear(timer as Timer);
}

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

const NOT_ASCII = /[^ -~]/g;

const asciiJson = {
  parse: globalThis.JSON.parse,
  /** Only printable ASCII goes on a wire (docs/protocol.md 7.1). */
  stringify(value: unknown): string {
    return (globalThis.JSON.stringify(value) as string | undefined)?.replace(NOT_ASCII, escaped) as string;
  },
};

function print(...values: unknown[]): void {
  trace(`${values.map(printed).join(" ")}\n`);
}

function printed(value: unknown): string {
  return typeof value === "object" && value && !(value instanceof Error)
    ? globalThis.JSON.stringify(value)
    : String(value);
}

const host = globalThis as { console?: AgentConsole };

/** An app on XS has no `console`: this becomes it. */
host.console ??= { log: print, debug: print, info: print, warn: print, error: print };
export const console = host.console;
export { asciiJson as JSON };
