import Type, { type Static } from "typebox";
import { NAME_QUOTA_DEFAULTS, type NameQuotaOptions } from "../service/name-quota.ts";

const Names = Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000_000 }));

/** Distinct names that one key may use within a day. */
export const QuotaSchema = Type.Object(
  { sourcesPerKey: Names, streamsPerKey: Names },
  { additionalProperties: false },
);

export function nameQuota({
  sourcesPerKey,
  streamsPerKey,
}: Static<typeof QuotaSchema> = {}): NameQuotaOptions {
  return {
    sourcesPerKeyMax: sourcesPerKey ?? NAME_QUOTA_DEFAULTS.sourcesPerKeyMax,
    streamsPerKeyMax: streamsPerKey ?? NAME_QUOTA_DEFAULTS.streamsPerKeyMax,
  };
}
