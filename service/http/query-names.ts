import { unknownArgument } from "../../protocol/unknown-argument.ts";

const CREDENTIALS = ["x-api-key", "jwt"];
const SOURCE = ["src", "deviceId"];
const FILTERS = ["stream", "level", "module", "term"];
const LIVE = [...FILTERS, "last", "after", ...CREDENTIALS];

/** What the query of each route may hold (docs/protocol.md 2.3): it is checked by, and `/openapi.json` is made of, these lists. */
export const QueryNames = {
  /** `POST /v1/Log.List` and the like. */
  args: ["id", "src"],
  logs: ["start", "end", ...SOURCE, ...FILTERS, "page", "perPage"],
  entries: [...SOURCE, ...FILTERS, "since", "until", "limit", "before", "after", "order", "follow"],
  sources: [],
  rates: [...SOURCE, ...FILTERS, "since", "until", "buckets", "before", "after"],
  live: [...SOURCE, ...LIVE],
  /** The path says of which source. */
  liveOfDevice: LIVE,
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** Where `src` may stand more than once. */
const MANY_SOURCES: readonly (readonly string[])[] = [QueryNames.entries, QueryNames.rates];

/** What is wrong with the names in a query, if anything. Of two values of one name either would be another answer than was asked for. */
export function wrongName(query: URLSearchParams, known: readonly string[]): string | undefined {
  const seen = new Set<string>();
  for (const name of query.keys()) {
    if (!known.includes(name)) return unknownArgument(name, known);
    if (seen.has(name) && !(name === "src" && MANY_SOURCES.includes(known))) return `${name}: only once here`;
    seen.add(name);
  }
  return undefined;
}
