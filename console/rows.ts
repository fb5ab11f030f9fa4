import { STREAM_UART } from "../protocol/entry.ts";
import type { Entry } from "./entry.ts";

/** What the log is drawn from, each of the same height. */
export type Row =
  | { readonly type: "entry"; readonly entry: Entry }
  | { readonly type: "boot"; readonly entry: Entry; readonly reason: string | undefined }
  | { readonly type: "live" };

/** Lines of a board's own console that say why it started, newest firmware first: ESP32, ESP8266, Espruino and the like. */
const RESET_WORDS = [
  /rst:0x[0-9a-f]+ \(([A-Z0-9_]+)\)/i,
  /rst cause:\s*(\d+)/i,
  /reset (?:reason|cause)[:= ]+([\w -]{1,40})/i,
  /(Guru Meditation Error[^.]{0,60}|panic[^.]{0,40}|watchdog[^.]{0,40})/i,
];

/** Turns entries into rows as they come: a divider where a source begins a new boot. */
export class RowBuilder {
  readonly rows: Row[] = [];
  readonly #boots = new Map<string, string>();
  readonly #reasons = new Map<string, string>();

  add(entry: Entry): void {
    if (entry.stream === STREAM_UART) {
      const reason = resetReason(entry.text);
      if (reason !== undefined) this.#reasons.set(entry.src, reason);
    }
    if (entry.boot !== undefined) {
      const before = this.#boots.get(entry.src);
      if (before !== entry.boot) {
        this.#boots.set(entry.src, entry.boot);
        // The first boot that is in view began who knows when, unless its first line is here.
        if (before !== undefined || entry.seq === 1) {
          this.rows.push({ type: "boot", entry, reason: this.#reasons.get(entry.src) });
        }
        this.#reasons.delete(entry.src);
      }
    }
    this.rows.push({ type: "entry", entry });
  }

  addLiveMarker(): void {
    this.rows.push({ type: "live" });
  }
}

/** Why a board started, where the line says it. */
export function resetReason(text: string): string | undefined {
  for (const words of RESET_WORDS) {
    const found = words.exec(text)?.[1];
    if (found !== undefined) return found.trim();
  }
  return undefined;
}
