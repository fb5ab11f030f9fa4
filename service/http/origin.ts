/**
 * Whether a WebSocket may be opened: browsers name the page's origin and send it from any site; other clients name none.
 * The page's host must be the one it talks to.
 */
export function isSameOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true;
  const originHost = URL.canParse(origin) ? new URL(origin).host : "";
  return originHost !== "" && originHost === host?.toLowerCase();
}
