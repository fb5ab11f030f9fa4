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
  /** When the credential stops being good, UTC ms; only of a token that says so. */
  readonly expiresMs?: number;
  /** Commands a second that this key may send; absent: as the service is set. */
  readonly ratePerSecond?: number;
}

/** Checks credentials. Answers undefined, and nothing more, for any that is not good. */
export interface KeyRing {
  /** An API key. */
  verify(key: string): Promise<Caller | undefined>;
  /** A JWT signed with an API key (docs/protocol.md 10.4). */
  verifyToken(token: string): Promise<Caller | undefined>;
  /** Whether what the caller once showed would still be taken: neither revoked, replaced nor expired. */
  isStillGood(caller: Caller): boolean;
  /** Takes over what another process has changed. What cannot be read changes nothing. */
  reload(): Promise<void>;
  /** Calls `listener` after any change of keys; the returned function ends it. */
  onChange(listener: () => void): () => void;
}

/** No key of ours holds a dot, every token does. */
export async function callerOf(credential: string | undefined, keys: KeyRing): Promise<Caller | undefined> {
  if (credential === undefined) return undefined;
  return credential.includes(".") ? await keys.verifyToken(credential) : await keys.verify(credential);
}

export function mayDo(caller: Caller, right: Right): boolean {
  return caller.rights.has("admin") || caller.rights.has(right);
}
