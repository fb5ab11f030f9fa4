import { type JWTPayload, jwtVerify } from "jose";
import { RIGHTS, type Right } from "./caller.ts";

/** Longest token that is looked at. */
const TOKEN_CHARACTERS_MAX = 4096;
const PART = /^[\w-]+$/;
/** Header fields that would let a token choose its own key or rules. */
const HEADER_FIELDS_REFUSED = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"] as const;

/** What a good token says. */
export interface TokenClaims {
  /** UTC ms. */
  readonly expiresMs?: number;
  /** Only these of its key's rights. */
  readonly rights?: readonly Right[];
}

/** The key id in `iss` of what has a token's form; nothing of it is authenticated yet. Undefined for anything else. */
export function issuerOf(token: string): string | undefined {
  if (token.length > TOKEN_CHARACTERS_MAX) return undefined;
  const parts = token.split(".");
  if (parts.length !== 3 || !parts.every(isBase64Url)) return undefined;
  const header = objectOf(parts[0] ?? "");
  const claims = objectOf(parts[1] ?? "");
  if (header === undefined || claims === undefined) return undefined;
  if (HEADER_FIELDS_REFUSED.some((field) => field in header)) return undefined;
  return typeof claims.iss === "string" ? claims.iss : undefined;
}

/**
 * Checks signature and times. Callers have looked at the form first (`issuerOf`): jose alone takes spaces and padding.
 * @param hash SHA-256 of the API key, which is what HMAC makes of a key this long.
 */
export async function checkToken(
  token: string,
  hash: Uint8Array,
  nowMs: number,
): Promise<TokenClaims | undefined> {
  let claims: JWTPayload;
  try {
    // The algorithm is this program's choice, never the token's.
    claims = (await jwtVerify(token, hash, { algorithms: ["HS256"], currentDate: new Date(nowMs) })).payload;
  } catch {
    return undefined;
  }
  const rights = claims.rights;
  if (rights !== undefined && !(Array.isArray(rights) && rights.every(isRight))) return undefined;
  return {
    ...(claims.exp !== undefined && { expiresMs: claims.exp * 1000 }),
    ...(rights !== undefined && { rights: rights as Right[] }),
  };
}

function isRight(value: unknown): value is Right {
  return RIGHTS.some((right) => right === value);
}

/** The one way to write these bytes: no padding, no spaces, no stray bits. */
function isBase64Url(part: string): boolean {
  return PART.test(part) && Buffer.from(part, "base64url").toString("base64url") === part;
}

function objectOf(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
