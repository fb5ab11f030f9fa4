import Type, { type Static } from "typebox";
import { SOURCE_RATE_DEFAULT, type SourceRate } from "../gateway/throttle.ts";

/** What one board may bring: over time, and at once after a quiet time. */
export const SourceRateSchema = Type.Object(
  {
    entriesPerSecond: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1_000_000 })),
    burstEntries: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000_000 })),
  },
  { additionalProperties: false },
);

export function sourceRate(given: Static<typeof SourceRateSchema> = {}): SourceRate {
  return { ...SOURCE_RATE_DEFAULT, ...given };
}
