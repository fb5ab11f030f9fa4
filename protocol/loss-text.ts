import type { Loss } from "./entry.ts";

/** A loss record in plain words, or undefined where `msg` is none (docs/protocol.md 1.8). */
export function lossText(msg: string): string | undefined {
  const loss = JSON.parse(msg) as Partial<Loss> | string;
  if (typeof loss === "string" || typeof loss.first !== "number" || typeof loss.last !== "number")
    return undefined;
  const count = loss.last - loss.first + 1;
  const lines = count === 1 ? `line ${loss.first} is` : `lines ${loss.first} to ${loss.last} (${count}) are`;
  const boot = loss.boot === undefined ? "" : ` of boot ${loss.boot}`;
  return `${lines} missing${boot}, lost at the ${loss.where ?? "?"}: ${loss.why ?? "not said"}`;
}
