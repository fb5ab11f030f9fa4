import { bad, type Decoded, good } from "../protocol/decoded.ts";
import type { StoredEntry } from "../protocol/entry.ts";
import { LinearPattern, TEXT_MAX } from "./linear-pattern.ts";

/** Longest term, in characters. */
const TERM_MAX = 258;
/** A pattern as JavaScript writes one, with any of its flags. What else stands behind a second slash makes a path: `/usr/bin`. */
const PATTERN = /^\/(.+)\/([dgimsuvy]*)$/s;

/** What a reader looks for in the text of entries. */
export interface Term {
  /** As it was asked for. */
  readonly text: string;
  matches(entry: Pick<StoredEntry, "msg">): boolean;
}

/**
 * Reads a term: part of the text in any case of letters, or `/pattern/`, or `/pattern/i` (docs/protocol.md 4.2).
 * The text of a string is the string, that of an object or array its JSON.
 */
export function parseTerm(term: string): Decoded<Term> {
  if (term.length > TERM_MAX) return bad(`term: must be at most ${TERM_MAX} characters`);
  const [, pattern, flags] = PATTERN.exec(term) ?? [];
  if (pattern === undefined) {
    const lower = term.toLowerCase();
    return good({
      text: term,
      matches: (entry) => textOf(entry).slice(0, TEXT_MAX).toLowerCase().includes(lower),
    });
  }
  if (flags !== "" && flags !== "i") return bad("term: i is the only flag of a pattern there is");
  const parsed = LinearPattern.parse(pattern, flags === "i");
  if (!parsed.ok) return bad(`term: ${parsed.problem.text}`);
  return good({ text: term, matches: (entry) => parsed.value.test(textOf(entry)) });
}

function textOf({ msg }: Pick<StoredEntry, "msg">): string {
  return msg.startsWith('"') ? (JSON.parse(msg) as string) : msg;
}
