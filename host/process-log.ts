import { type DestinationStream, type Level, type Logger, pino } from "pino";
import type { ProcessLog } from "./log.ts";
import { redact, redactText } from "./redaction.ts";

export interface ProcessLogOptions {
  readonly level?: Level;
  /** Where lines go, as JSON; standard error when absent. */
  readonly destination?: DestinationStream;
}

/** The process's own log. Whatever callers pass, no key comes out of it (`host/redaction.ts`). */
export function createProcessLog(options: ProcessLogOptions = {}): ProcessLog {
  const destination = options.destination ?? pino.destination({ dest: 2, sync: true });
  const logger = pino({ level: options.level ?? "info", base: null }, destination);
  return {
    debug: (fields, text) => write(logger, "debug", fields, text),
    info: (fields, text) => write(logger, "info", fields, text),
    warn: (fields, text) => write(logger, "warn", fields, text),
    error: (fields, text) => write(logger, "error", fields, text),
  };
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
