import type { Checker } from "../evidence.ts";

/** Invariant 10. */
export const spoolBounded: Checker = {
  invariant: 10,
  promise: "a spool's bytes stay within its limit",
  check: ({ spools }) =>
    spools
      .filter(({ bytesMost, bytesMax }) => bytesMost > bytesMax)
      .map(({ gateway, bytesMost, bytesMax }) => `${gateway}: ${bytesMost} bytes, the limit is ${bytesMax}`),
};
