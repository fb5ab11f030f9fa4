/** The build option `levels`: which modules there are, and the least level that goes (docs/protocol.md 14). */
import { settings } from "board";
import { MODULE_BYTES } from "./limits.ts";
import { stringify } from "./natives.ts";

/** Modules that a board knows at most: the app's own, and those that a lease names. */
const MODULES_MAX = 24;

/** A leased level, and the timer that ends it. */
interface Lease {
  readonly l: number;
  readonly t: unknown;
}

/** JSON of the names; a line's module is the place. The first is a line without, the second the agent's own. */
export const modules: string[] = WITH_LEVELS ? ["", '"boardlog"'] : (0 as never);
/** By module, for all in the first place (docs/protocol.md 14.2). */
export const leases: (Lease | undefined)[] = WITH_LEVELS ? [] : (0 as never);

/** The least level that goes, by the lease of the module, of all, or the setting; no level counts as info (docs/protocol.md 14.1). */
export function leastOf(module: number): number {
  const lease = leases[module] ?? leases[0];
  return module === 1 ? 0 : lease ? lease.l : (settings.level ?? 0);
}

/** The place of a module's name among all; -1 where it is one too many. */
export function moduleOf(name: string): number {
  let json = stringify(name);
  while (json.length > MODULE_BYTES - 6) {
    name = name.substr(0, name.length - 1);
    json = stringify(name);
  }
  let index = modules.indexOf(json);
  if (index < 0 && modules.length < MODULES_MAX) {
    index = modules.length;
    modules.push(json);
  }
  return index;
}
