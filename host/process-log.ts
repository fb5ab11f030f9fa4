import { type DestinationStream, type Level, type Logger, pino } from "pino";
import type { ProcessLog } from "./log.ts";
import { redact, redactText } from "./redaction.ts";

export interface ProcessLogOptions {
  readonly level?: Level;
  /** `json` for machines (the default), `pretty` for people: one line, time and level first. */
  readonly form?: "json" | "pretty";
  /** Where lines go, as JSON; standard error when absent. */
  readonly destination?: DestinationStream;
}

/** The process's own log. Whatever callers pass, no key comes out of it (`host/redaction.ts`). */
export function createProcessLog(options: ProcessLogOptions = {}): ProcessLog {
  const end = options.destination ?? pino.destination({ dest: 2, sync: true });
  const destination =
    options.form === "pretty" ? { write: (line: string) => end.write(prettyLine(line)) } : end;
  const logger = pino({ level: options.level ?? "info", base: null }, destination);
  return {
    debug: (fields, text) => write(logger, "debug", fields, text),
    info: (fields, text) => write(logger, "info", fields, text),
    warn: (fields, text) => write(logger, "warn", fields, text),
    error: (fields, text) => write(logger, "error", fields, text),
  };
}

/** A JSON line of pino for people. What was text of somebody else stays quoted, so that it cannot pass for a line of ours. */
function prettyLine(json: string): string {
  const { level, time, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const words = Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const name = (pino.levels.labels[Number(level)] ?? String(level)).toUpperCase().padEnd(5);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach a terminal.
  const text = String(msg).replace(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");
  return `${new Date(Number(time)).toISOString()} ${name} ${text}${words.length > 0 ? `  ${words.join(" ")}` : ""}\n`;
}

/** Says nothing; for where there is nobody to read. */
export const silentLog: ProcessLog = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};

function write(
  logger: Logger,
  level: "debug" | "info" | "warn" | "error",
  fields: object,
  text: string,
): void {
  if (logger.isLevelEnabled(level)) logger[level](redact(fields) as object, redactText(text));
}
