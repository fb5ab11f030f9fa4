import type { Clock } from "../host/clock.ts";
import { type Decoded, good, Status } from "../protocol/decoded.ts";
import type { Caller } from "./auth/caller.ts";

export interface NameQuotaOptions {
  /** Distinct sources that one key may log as within a day. */
  readonly sourcesPerKeyMax: number;
  /** Distinct streams that one key may log to within a day, of all its sources together. */
  readonly streamsPerKeyMax: number;
}

export const NAME_QUOTA_DEFAULTS: NameQuotaOptions = { sourcesPerKeyMax: 50_000, streamsPerKeyMax: 1_000 };

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

interface Names {
  readonly sources: Set<string>;
  readonly streams: Set<string>;
  readonly sinceMs: number;
}

/**
 * Keeps a program that makes up names without end from filling the index of sources: past a number of distinct names in a day,
 * those of a key that are not among them are refused. What is remembered is bounded by the same numbers.
 */
export class NameQuota {
  readonly #clock: Clock;
  readonly #options: NameQuotaOptions;
  /** By key; bounded by the number of keys. */
  readonly #names = new Map<string, Names>();

  constructor(clock: Clock, options: Partial<NameQuotaOptions> = {}) {
    this.#clock = clock;
    this.#options = { ...NAME_QUOTA_DEFAULTS, ...options };
  }

  /** Takes the names of an entry, or says which of them is one too many. */
  take({ keyId }: Caller, src: string, stream: string): Decoded<undefined> {
    const nowMs = this.#clock.monotonicMs();
    let names = this.#names.get(keyId);
    if (names === undefined || nowMs - names.sinceMs >= DAY_MS) {
      names = { sources: new Set(), streams: new Set(), sinceMs: nowMs };
      this.#names.set(keyId, names);
    }
    const { sourcesPerKeyMax, streamsPerKeyMax } = this.#options;
    const isNewSource = !names.sources.has(src);
    const isNewStream = !names.streams.has(stream);
    if (isNewSource && names.sources.size >= sourcesPerKeyMax)
      return tooMany("src", sourcesPerKeyMax, "sources", names.sinceMs + DAY_MS - nowMs);
    if (isNewStream && names.streams.size >= streamsPerKeyMax)
      return tooMany("stream", streamsPerKeyMax, "streams", names.sinceMs + DAY_MS - nowMs);
    if (isNewSource) names.sources.add(src);
    if (isNewStream) names.streams.add(stream);
    return good(undefined);
  }
}

/** All names of a key are forgotten at once, a day after its first. */
function tooMany(argument: string, max: number, what: string, retryAfterMs: number): Decoded<undefined> {
  const hours = Math.ceil(retryAfterMs / HOUR_MS);
  const text = `${argument}: this key has logged to ${max} ${what} within a day; new names are taken again in ${hours} h; ask for a larger quota, or reuse names`;
  return { ok: false, problem: { status: Status.SlowDown, text, retryAfterMs } };
}
