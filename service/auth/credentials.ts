/** The same words whatever is wrong with it (docs/protocol.md 10.4), each time with where it may stand. */
export const NO_GOOD_KEY = "no good API key: send one in the header x-api-key or as Authorization: Bearer";
export const NO_GOOD_KEY_SOCKET = `${NO_GOOD_KEY}, or in the query as x-api-key or jwt`;
export const NO_GOOD_KEY_FRAME =
  "no good API key: send one in the header x-api-key, as Authorization: Bearer, or in the frame's key";

/** Header names in lower case. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * The first credential that a request shows: header `x-api-key`, header `jwt`, `Authorization: Bearer`, then the query (docs/protocol.md 10.4). One
 * that is shown decides, good or not.
 * @param query only of a WebSocket: browsers can set no header there. Any other query ends up in other people's logs.
 */
export function shownKey(headers: RequestHeaders, query?: URLSearchParams): string | undefined {
  const header = headers["x-api-key"];
  if (typeof header === "string") return header;
  const { authorization, jwt } = headers;
  if (typeof jwt === "string") return jwt;
  const bearer =
    typeof authorization === "string" ? /^Bearer +(\S+) *$/i.exec(authorization)?.[1] : undefined;
  return bearer ?? query?.get("x-api-key") ?? query?.get("jwt") ?? undefined;
}
