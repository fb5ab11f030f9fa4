import { type Level, parseLevel } from "../protocol/level.ts";
import type { Entry } from "./entry.ts";

/** What is shown; it lives in the page's URL, so that a link shows the same. */
export interface Filter {
  readonly sources: readonly string[];
  readonly level: Level | undefined;
  readonly stream: string;
  readonly module: string;
  readonly text: string;
  readonly isRegex: boolean;
  /** UTC ms. */
  readonly since: number | undefined;
  readonly until: number | undefined;
}

export const FILTER_NONE: Filter = {
  sources: [],
  level: undefined,
  stream: "",
  module: "",
  text: "",
  isRegex: false,
  since: undefined,
  until: undefined,
};

export function filterOfUrl(search: string): Filter {
  const query = new URLSearchParams(search);
  const time = (name: string): number | undefined => {
    const text = query.get(name) ?? "";
    return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  };
  return {
    sources: query.getAll("src"),
    level: parseLevel(query.get("level") ?? ""),
    stream: query.get("stream") ?? "",
    module: query.get("module") ?? "",
    text: query.get("text") ?? "",
    isRegex: query.get("regex") === "1",
    since: time("since"),
    until: time("until"),
  };
}

/** @param line the id of a line to show, in a link to it */
export function urlOfFilter(filter: Filter, line?: string): string {
  const query = serviceQuery(filter);
  query.delete("term");
  if (filter.text !== "") query.set("text", filter.text);
  if (filter.isRegex) query.set("regex", "1");
  if (line !== undefined) query.set("line", line);
  const text = query.toString();
  return text === "" ? "/" : `/?${text}`;
}

/** What the service filters itself. A regular expression that it does not know is the page's own business. */
export function serviceQuery(filter: Filter): URLSearchParams {
  const query = new URLSearchParams();
  for (const src of filter.sources) query.append("src", src);
  const { level, stream, module, text, isRegex, since, until } = filter;
  if (level !== undefined) query.set("level", level);
  if (stream !== "") query.set("stream", stream);
  if (module !== "") query.set("module", module);
  const term = isRegex ? patternTerm(filter) : text;
  if (term !== "") query.set("term", term);
  if (since !== undefined) query.set("since", String(since));
  if (until !== undefined) query.set("until", String(until));
  return query;
}

/** Longest pattern, and constructs, that the service takes (docs/protocol.md 4.2). */
const PATTERN_MAX = 250;
const PAGE_ONLY = /\(\?(?!:)|\\[1-9kpP]/;

function patternTerm(filter: Filter): string {
  const { text } = filter;
  const isForService = text !== "" && patternOf(filter) !== "wrong" && !isForPageAlone(filter);
  return isForService ? `/${text}/i` : "";
}

/** A regular expression that the service cannot look for. */
export function isForPageAlone(filter: Filter): boolean {
  const { text, isRegex } = filter;
  if (!isRegex || text === "" || patternOf(filter) === "wrong") return false;
  return text.length > PATTERN_MAX || PAGE_ONLY.test(text);
}

/** What marks matches in a text; undefined where nothing is searched, `wrong` where it is no regular expression. */
export function patternOf({ text, isRegex }: Filter): RegExp | "wrong" | undefined {
  if (text === "") return undefined;
  try {
    return isRegex
      ? new RegExp(text, "giu")
      : new RegExp(text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&"), "gi");
  } catch {
    return "wrong";
  }
}

/** What the page must decide itself of an entry that the service let through. */
export function passesHere(entry: Entry, filter: Filter): boolean {
  if (!filter.isRegex) return true;
  const pattern = patternOf(filter);
  if (pattern === undefined || pattern === "wrong") return true;
  return pattern.test(entry.text);
}
