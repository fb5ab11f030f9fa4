import { createHash, type Hash } from "node:crypto";

export interface SimEvent {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
}

/** What happened in a run, in order. Its hash is the same for the same seed (invariant 20); the events are kept on demand. */
export class EventLog {
  readonly #nowMs: () => number;
  readonly #hash: Hash = createHash("sha256");
  readonly #kept: SimEvent[] | undefined;
  count = 0;

  constructor(nowMs: () => number, options: { readonly keepsEvents: boolean }) {
    this.#nowMs = nowMs;
    this.#kept = options.keepsEvents ? [] : undefined;
  }

  add(who: string, what: string): void {
    const atMs = this.#nowMs();
    this.count++;
    this.#hash.update(`${atMs} ${who} ${what}\n`);
    this.#kept?.push({ atMs, who, what });
  }

  get events(): readonly SimEvent[] {
    return this.#kept ?? [];
  }

  /** Ends the log. */
  digest(): string {
    return this.#hash.digest("hex").slice(0, 16);
  }
}
