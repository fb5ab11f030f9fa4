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
  #rows: Row[] = [];
  /** The first entry of each source that tells its boot, and whether a reason stood before it. */
  readonly #firsts = new Map<string, { readonly entry: Entry; readonly hasReason: boolean }>();
  readonly #boots = new Map<string, string>();
  readonly #reasons = new Map<string, string>();

  get rows(): readonly Row[] {
    return this.#rows;
  }

  add(entry: Entry): void {
    if (entry.stream === STREAM_UART) {
      const reason = resetReason(entry.text);
      if (reason !== undefined) this.#reasons.set(entry.src, reason);
    }
    if (entry.boot !== undefined) {
      if (!this.#firsts.has(entry.src))
        this.#firsts.set(entry.src, { entry, hasReason: this.#reasons.has(entry.src) });
      const before = this.#boots.get(entry.src);
      if (before !== entry.boot) {
        this.#boots.set(entry.src, entry.boot);
        // The first boot that is in view began who knows when, unless its first line is here.
        if (before !== undefined || entry.seq === 1) {
          this.#rows.push({ type: "boot", entry, reason: this.#reasons.get(entry.src) });
        }
        this.#reasons.delete(entry.src);
      }
    }
    this.#rows.push({ type: "entry", entry });
  }

  addLiveMarker(): void {
    this.#rows.push({ type: "live" });
  }

  /**
   * Puts older entries before all that are there, without building those rows again.
   * @returns false where a divider at the seam changes by it: then all has to be built anew.
   */
  prepend(older: readonly Entry[]): boolean {
    const before = new RowBuilder();
    for (const entry of older) before.add(entry);
    for (const [src, { entry, hasReason }] of this.#firsts) {
      const known = before.#boots.get(src);
      if (before.#reasons.has(src)) return false;
      if (known === undefined) continue;
      if ((entry.seq === 1) !== (known !== entry.boot) || (hasReason && known === entry.boot)) return false;
    }
    this.#rows = before.#rows.concat(this.#rows);
    for (const [src, first] of before.#firsts) this.#firsts.set(src, first);
    for (const [src, boot] of before.#boots) if (!this.#boots.has(src)) this.#boots.set(src, boot);
    for (const [src, reason] of before.#reasons) if (!this.#reasons.has(src)) this.#reasons.set(src, reason);
    return true;
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
