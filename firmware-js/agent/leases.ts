/** The build option `levels`: a level from the gateway, for a time (docs/protocol.md 14). */
import { tell } from "./hook.ts";
import { leases, moduleOf } from "./levels.ts";
import { METHODS } from "./limits.ts";
import { after, cancel } from "./natives.ts";

/** Words for the least level of a lease (docs/protocol.md 14.1). */
const LEAST = WITH_LEVELS ? ["all"].concat(METHODS.slice(1), "none") : (0 as never);
const LEASE_MS_MAX = 86400000;
/** Of module `boardlog`, level info, and printed where the wire is not the agent's. */
const OWN_KIND = 17;

/** A lease begins or ends, and the log says so, here as at the gateway. @returns false for one that cannot be taken. */
export function lease(level: number, forMs: number, name: string | undefined): boolean {
  const index = name ? moduleOf(name) : 0;
  const before = leases[index];
  const isGood = index >= 0 && LEAST[level] && (forMs ? forMs <= LEASE_MS_MAX : before);
  if (isGood) {
    const whose = name ? `level of ${name}` : "level";
    const end = (): void => {
      leases[index] = undefined;
      tell(OWN_KIND, `${whose} as set`);
    };
    if (before) {
      cancel(before.t);
    }
    if (forMs > 0) {
      leases[index] = { l: level, t: after(end, forMs) };
      tell(OWN_KIND, `${whose} ${LEAST[level]} for ${forMs / 1000} s`);
    } else {
      end();
    }
  }
  return !!isGood || !forMs;
}
