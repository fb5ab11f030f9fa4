import Type, { type Static } from "typebox";
import { UserError } from "./user-error.ts";

const DAY_MS = 86_400_000;
const MEGABYTE = 1_000_000;
/** Below this a store would hold little more than what it has not sealed yet. */
const MEGABYTES_MIN = 20;

/** How long the log is kept: by age, by what it takes on the disk, or both. For good where neither is said. */
export const KeepSchema = Type.Object(
  {
    days: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    mb: Type.Optional(Type.Number({ minimum: MEGABYTES_MIN })),
  },
  { additionalProperties: false },
);

/** As the store's options say it. */
export interface KeepOptions {
  readonly keepMs?: number;
  readonly keepBytes?: number;
}

export function keepOptions({ days, mb }: Static<typeof KeepSchema> = {}): KeepOptions {
  return {
    ...(days !== undefined && { keepMs: days * DAY_MS }),
    ...(mb !== undefined && { keepBytes: mb * MEGABYTE }),
  };
}

/** The flags `--keep-days` and `--keep-mb`. @throws UserError */
export function keepOfFlags(days: string | undefined, mb: string | undefined): Static<typeof KeepSchema> {
  return {
    ...(days !== undefined && { days: positive("--keep-days", days, 0) }),
    ...(mb !== undefined && { mb: positive("--keep-mb", mb, MEGABYTES_MIN) }),
  };
}

function positive(flag: string, text: string, min: number): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (value <= 0 || value < min)
    throw new UserError(`${flag}: must be a number ${min > 0 ? `from ${min} up` : "above 0"}, not ${text}`);
  return value;
}
