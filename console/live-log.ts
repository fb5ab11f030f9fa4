import { type Level, parseLevel } from "../protocol/level.ts";

/** What the page shows of an entry. */
export interface ShownEntry {
  readonly id: string;
  readonly src: string;
  readonly stream: string;
  readonly text: string;
  /** RFC 3339. */
  readonly timestamp: string;
  readonly level: Level | undefined;
}

export type LiveState = "connecting" | "live" | "away" | "refused";

export interface LiveHandler {
  state(state: LiveState): void;
  entry(entry: ShownEntry): void;
}

const RECONNECT_MS = 1000;
const HISTORY_COUNT = 200;

/** Follows the live socket of a project with a key, from the newest lines on; takes up where it broke. Returns its end. */
export function followLog(project: string, key: string, handler: LiveHandler): () => void {
  let socket: WebSocket | undefined;
  let timer = 0;
  let after: string | undefined;
  let isEnded = false;

  const open = (): void => {
    handler.state("connecting");
    const url = new URL(`/v1/ws/projects/${project}/logs`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    // A page cannot set headers on a WebSocket: the query is the way the protocol gives (docs/protocol.md 10.4).
    url.searchParams.set("x-api-key", key);
    if (after === undefined) url.searchParams.set("last", String(HISTORY_COUNT));
    else url.searchParams.set("after", after);
    socket = new WebSocket(url);
    socket.onopen = () => handler.state("live");
    socket.onmessage = (event) => {
      const entry = entryOf(String(event.data));
      if (entry === undefined) return;
      after = entry.id;
      handler.entry(entry);
    };
    socket.onclose = () => {
      if (isEnded) return;
      handler.state("away");
      timer = window.setTimeout(open, RECONNECT_MS);
    };
  };

  open();
  return () => {
    isEnded = true;
    clearTimeout(timer);
    socket?.close();
  };
}

function entryOf(text: string): ShownEntry | undefined {
  const data = (JSON.parse(text) as { readonly result?: { readonly data: LiveData } }).result?.data;
  if (data === undefined) return undefined;
  return {
    id: data.id,
    src: data.deviceId,
    stream: data.metadata.stream,
    text: data.message,
    timestamp: data.timestamp,
    level: parseLevel(data.level),
  };
}

/** Golioth's schema (docs/protocol.md 11). */
interface LiveData {
  readonly id: string;
  readonly deviceId: string;
  readonly message: string;
  readonly timestamp: string;
  readonly level: string;
  readonly metadata: { readonly stream: string };
}

/** Whether the service knows the key. */
export async function isKeyGood(key: string): Promise<boolean> {
  const response = await fetch("/v1/Log.List", {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": key },
    body: JSON.stringify({ src: "sign-in", limit: 1 }),
  });
  return response.ok;
}
