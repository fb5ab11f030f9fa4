import type { Checker } from "../evidence.ts";
import { FORGED } from "../intruder.ts";

/** Invariant 18, at the service's door for gateways. */
export const onlyAuthorised: Checker = {
  invariant: 18,
  promise: "without authorisation nothing changes but counters",
  check: ({ intrusions, listed }) => {
    const problems: string[] = [];
    for (const { what, httpStatus } of intrusions) {
      if (httpStatus !== undefined && httpStatus !== 401 && httpStatus !== 403)
        problems.push(`${what} was answered ${httpStatus}`);
    }
    for (const [project, entries] of listed) {
      for (const { src, seq, msg } of entries) {
        if (msg.includes(FORGED)) problems.push(`a forged line is listed: ${project} ${src} seq ${seq}`);
      }
    }
    return problems;
  },
};
