import { randomBytes } from "node:crypto";
import type { Random } from "./random.ts";

/** Randomness of the kernel. */
export const systemRandom: Random = {
  bytes: (size) => randomBytes(size),
  fraction: () => Math.random(),
};
