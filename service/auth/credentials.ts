/** The parts of a request that may show a key. */
export interface KeyPlaces {
  /** Header names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Only where the live seed allows it: a query ends up in other people's logs. */
  readonly query?: URLSearchParams;
}

/**
 * The first key that a request shows: header `x-api-key`, `Authorization: Bearer`, then the query where it is looked at
 * (docs/protocol.md 10.4). One that is shown decides, good or not.
 */
export function shownKey({ headers, query }: KeyPlaces): string | undefined {
  const header = headers["x-api-key"];
  if (typeof header === "string") return header;
  const { authorization } = headers;
  const bearer =
    typeof authorization === "string" ? /^Bearer +(\S+) *$/i.exec(authorization)?.[1] : undefined;
  return bearer ?? query?.get("x-api-key") ?? undefined;
}
