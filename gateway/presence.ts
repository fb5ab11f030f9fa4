import { RecentTable } from "./recent-table.ts";

const ONLINE = /^"?(?:online|true|1)"?$/i;
const OFFLINE = /^"?(?:offline|false|0)"?$/i;
const JSON_FORM = /^\{\s*"online"\s*:\s*(true|false)\s*\}$/;

/** What a payload on a presence topic says, or undefined where it says neither (docs/protocol.md 8.7). */
export function parsePresence(payload: Uint8Array): boolean | undefined {
  if (payload.length > 64) return undefined;
  const text = Buffer.from(payload).toString("latin1").trim();
  if (ONLINE.test(text)) return true;
  if (OFFLINE.test(text)) return false;
  const json = JSON_FORM.exec(text)?.[1];
  return json === undefined ? undefined : json === "true";
}

/** Which boards are there, as far as they say. */
export class Presence {
  readonly #boards: RecentTable<boolean>;

  /** @param boardsMax are remembered; one that did not speak for long is forgotten first. */
  constructor(boardsMax: number) {
    this.#boards = new RecentTable(boardsMax);
  }

  /** Says whether that is news. */
  set(project: string, device: string, isOnline: boolean): boolean {
    const key = `${project} ${device}`;
    const before = this.#boards.get(key);
    this.#boards.set(key, isOnline);
    return before !== isOnline;
  }

  /** For `/metrics`. */
  get counts(): { readonly online: number; readonly offline: number } {
    let online = 0;
    for (const isOnline of this.#boards.values()) if (isOnline) online += 1;
    return { online, offline: this.#boards.count - online };
  }
}
