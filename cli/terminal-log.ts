import type { ProcessLog } from "../host/log.ts";
import { redact, redactText } from "../host/redaction.ts";
import type { Style } from "./style.ts";
import { visibleText } from "./visible-text.ts";

/** The process's own warnings, for somebody who watches the terminal: one line each, no JSON, no secrets. */
export function terminalLog(write: (line: string) => void, style: Style): ProcessLog {
  const say = (level: "warn" | "error", fields: object, text: string): void => {
    const words = Object.entries(redact(fields) as object).map(
      ([name, value]) => `${name}=${fieldText(value)}`,
    );
    const rest = words.length === 0 ? "" : style.dim(` (${words.join(", ")})`);
    write(`${style.level(level, `boardlog: ${visibleText(redactText(text))}`)}${rest}\n`);
  };
  return {
    debug: () => {},
    info: () => {},
    warn: (fields, text) => say("warn", fields, text),
    error: (fields, text) => say("error", fields, text),
  };
}

function fieldText(value: unknown): string {
  if (value instanceof Error) return visibleText(redactText(value.message));
  return visibleText(typeof value === "string" ? value : (JSON.stringify(value) ?? String(value)));
}
