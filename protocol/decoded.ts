/** Why something from outside was refused, in words its sender can act on. */
export interface Problem {
  /** Clause 4.4 of docs/protocol.md; never 0. */
  readonly status: Status;
  /** Names the argument where there is one: `limit: must be an integer`. */
  readonly text: string;
  /** When to come again, where it is known: ms from now. */
  readonly retryAfterMs?: number;
}

export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: Problem };

/** Status values of an answer (docs/protocol.md 4.4). */
export const Status = {
  Ok: 0,
  BadArguments: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NoSuchMethod: 404,
  Gap: 409,
  TooLarge: 413,
  SlowDown: 429,
  OurFault: 500,
  Unavailable: 503,
} as const;
export type Status = (typeof Status)[keyof typeof Status];

export function good<T>(value: T): Decoded<T> {
  return { ok: true, value };
}

export function bad(text: string, status: Status = Status.BadArguments): { ok: false; problem: Problem } {
  return { ok: false, problem: { status, text } };
}
