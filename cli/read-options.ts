import { parseLevel } from "../protocol/level.ts";
import { PROJECT_DEFAULT } from "../protocol/names.ts";
import { nearestNames } from "../protocol/nearest-names.ts";
import { ApiClient, type ReadEntry, type ReadRequest } from "./api-client.ts";
import { type ApiOptions, findApi } from "./api-options.ts";
import type { FormatOptions } from "./entry-format.ts";
import { textOf } from "./entry-line.ts";
import type { ColourChoice } from "./style.ts";
import { parseTime } from "./time-argument.ts";
import { UserError } from "./user-error.ts";
import { visibleText } from "./visible-text.ts";

/** Options of everything that reads the log. */
export interface ReadOptions extends ApiOptions, FormatOptions {
  readonly project?: string;
  readonly stream?: string;
  readonly level?: string;
  readonly module?: string;
  readonly grep?: string;
  readonly since?: string;
  readonly until?: string;
  readonly after?: string;
  readonly color?: ColourChoice;
}

/** What was asked for, checked: what the service filters, and the rest. */
export interface Reading {
  readonly client: ApiClient;
  readonly request: ReadRequest;
  readonly pattern: RegExp | undefined;
  passes(entry: ReadEntry): boolean;
}

/** @throws UserError for an option that is wrong, and where there is no key */
export function readingOf(sources: readonly string[], options: ReadOptions, nowMs: number): Reading {
  const { stream, module, level, after } = options;
  if (level !== undefined && parseLevel(level) === undefined) {
    throw new UserError(`--level: ${level} is not one of debug, info, warn, error`);
  }
  const pattern = options.grep === undefined ? undefined : patternOf(options.grep);
  const since = options.since === undefined ? undefined : parseTime("--since", options.since, nowMs);
  const until = options.until === undefined ? undefined : parseTime("--until", options.until, nowMs);
  if (since !== undefined && until !== undefined && since >= until) {
    throw new UserError("--until: must be later than --since");
  }
  const client = new ApiClient(findApi(options), options.project ?? PROJECT_DEFAULT);
  return {
    client,
    request: {
      ...(sources.length > 0 && { src: sources }),
      ...(stream !== undefined && { stream }),
      ...(module !== undefined && { module }),
      ...(level !== undefined && { level }),
      ...(since !== undefined && { since }),
      ...(until !== undefined && { until }),
      ...(after !== undefined && { after }),
    },
    pattern,
    passes: (entry) => pattern === undefined || pattern.test(textOf(entry)),
  };
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text, "u");
  } catch (error) {
    throw new UserError(`--grep: ${error instanceof Error ? error.message : text}`);
  }
}

/** What to say of sources that have never logged, or nothing where all have. @throws ServiceAway and UserError */
export async function unknownSources(
  client: ApiClient,
  sources: readonly string[],
): Promise<string | undefined> {
  if (sources.length === 0) return undefined;
  const known = (await client.sources()).map(({ src }) => src);
  const unknown = sources.find((src) => !known.includes(src));
  if (unknown === undefined) return undefined;
  const near = nearestNames(unknown, known);
  const advice =
    near.length > 0
      ? `did you mean ${near.map(visibleText).join(", ")}?`
      : known.length === 0
        ? "nothing has logged yet"
        : `"boardlog sources" lists those that have logged`;
  return `no source is called ${JSON.stringify(unknown)}: ${advice}`;
}
