/** What a key may do (design: read, write, on behalf of others, everything). Admin includes the rest. */
export type Right = "read" | "write" | "on-behalf" | "admin";

export const RIGHTS: readonly Right[] = ["read", "write", "on-behalf", "admin"];

/** Who calls, once the credential has been checked. */
export interface Caller {
  /** The key's id: safe to log, unlike the key. */
  readonly keyId: string;
  readonly project: string;
  readonly rights: ReadonlySet<Right>;
  /** The one source it may log as, where the credential is a board's own. */
  readonly src?: string;
}

/** Checks credentials. Answers undefined, and nothing more, for any that is not good. */
export interface KeyRing {
  verify(key: string): Promise<Caller | undefined>;
}

export function mayDo(caller: Caller, right: Right): boolean {
  return caller.rights.has("admin") || caller.rights.has(right);
}
