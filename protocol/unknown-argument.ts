import { nearestNames } from "./nearest-names.ts";

/** Characters of a wrong name that are shown. */
const SHOWN_MAX = 60;

/** What to say of an argument that there is none of (docs/protocol.md 2.3): its name, and the one that was meant or all that there are. */
export function unknownArgument(name: string, known: readonly string[]): string {
  const shown = /^[\w\-.[\]]+$/.test(name) ? name : JSON.stringify(name);
  const [near] = nearestNames(name, known);
  const advice =
    near !== undefined
      ? `did you mean ${near}?`
      : known.length > 0
        ? `there are ${known.join(", ")}`
        : "there are none here";
  return `${shown.slice(0, SHOWN_MAX)}: no such argument; ${advice}`;
}
