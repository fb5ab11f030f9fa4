import type { Counters } from "../host/counters.ts";
import { type SessionIdentity, type SessionWorld, SourceSession } from "./source-session.ts";

/** Sessions kept, as many as there may be connections; some 1 KB each. A board that was forgotten costs one question to the service when it comes back. */
const SESSIONS_MAX = 20_000;

interface Seat {
  readonly session: SourceSession;
  /** Used since the table was last searched for room. */
  isRecent: boolean;
}

/**
 * The sessions of all sources and boots, bounded: one that was not used for long goes first, but never one that still waits for a
 * commit. Which was used last is not kept for each frame: one that was used since the last search for room gets a second chance.
 */
export class SessionTable {
  readonly #world: SessionWorld;
  readonly #counters: Counters;
  readonly #sessionsMax: number;
  readonly #sessions = new Map<string, Seat>();

  constructor(world: SessionWorld, options: { readonly sessionsMax?: number } = {}) {
    this.#world = world;
    this.#counters = world.counters;
    this.#sessionsMax = options.sessionsMax ?? SESSIONS_MAX;
  }

  get count(): number {
    return this.#sessions.size;
  }

  /** The session, new where there is none; undefined while the table is full of busy ones (the frame will come again). */
  get(identity: SessionIdentity): SourceSession | undefined {
    const { project, src, boot } = identity;
    // A project has no space in it, a boot and a src may: their lengths keep the key unambiguous.
    const key = `${project} ${src.length} ${src} ${boot.text}`;
    const known = this.#sessions.get(key);
    if (known !== undefined) {
      known.isRecent = true;
      return known.session;
    }
    if (this.#sessions.size >= this.#sessionsMax && !this.#evict()) {
      this.#counters.add("gateway_sessions_full_frames_total");
      return undefined;
    }
    const session = new SourceSession(this.#world, identity);
    this.#sessions.set(key, { session, isRecent: false });
    return session;
  }

  #evict(): boolean {
    // Twice round at most: the first time may only take chances away.
    let left = 2 * this.#sessions.size;
    for (const [key, seat] of this.#sessions) {
      if (left-- === 0) return false;
      this.#sessions.delete(key);
      if (!seat.isRecent && seat.session.isIdle) {
        this.#counters.add("gateway_evicted_sessions_total");
        return true;
      }
      seat.isRecent = false;
      this.#sessions.set(key, seat);
    }
    return false;
  }
}
