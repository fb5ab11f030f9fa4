import { bad, type Decoded, good, Status } from "../protocol/decoded.ts";
import { isOwnSrc } from "../protocol/names.ts";
import { type Caller, mayDo } from "./auth/caller.ts";

/**
 * Who logs: the args' `src`, else the frame's, else the caller's own; and whether the caller may log as that source
 * (docs/protocol.md 4.1).
 */
export function sourceOf(caller: Caller, frameSrc?: string, argsSrc?: string): Decoded<string> {
  if (!mayDo(caller, "write")) return bad("this key has no right to write", Status.Forbidden);
  const named = argsSrc ?? frameSrc ?? caller.src;
  if (named === undefined) return bad("src: required, in the frame or in the args: whose entry is it?");
  // A board may write its name as an address; it is stored under the one name.
  if (caller.src !== undefined && isOwnSrc(named, caller.src)) return good(caller.src);
  if (mayDo(caller, "on-behalf")) return good(named);
  const own = caller.src === undefined ? "" : `; it logs as ${JSON.stringify(caller.src)} alone`;
  return bad(
    `src: this key has no right to log on behalf of another source (on-behalf)${own}`,
    Status.Forbidden,
  );
}
