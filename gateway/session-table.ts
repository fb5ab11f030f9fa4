import type { Counters } from "../host/counters.ts";
import { DEVICES_MAX_DEFAULT } from "./devices-max.ts";
import { RecentTable } from "./recent-table.ts";
import { sourceKey } from "./source-key.ts";
import { type SessionIdentity, type SessionWorld, SourceSession } from "./source-session.ts";

export interface SessionTableOptions {
  /** Sessions kept, some 1 KB each. A board that was forgotten costs one question to the service when it comes back. */
  readonly sessionsMax?: number;
  /** All of them wait for a commit: a frame is not taken for now. */
  readonly onFull?: () => void;
}

/** The sessions of all sources and boots, bounded: one that was not used for long goes first, but never one that waits for a commit. */
export class SessionTable {
  readonly #world: SessionWorld;
  readonly #counters: Counters;
  readonly #sessions: RecentTable<SourceSession>;
  readonly #onFull: () => void;
  readonly #sessionsMax: number;
  /** Of each source the boot heard last and its key: to put a key together for each frame and hash it costs more than the table. */
  readonly #keys = new Map<string, { readonly boot: string; readonly key: string }>();

  constructor(
    world: SessionWorld,
    { sessionsMax = DEVICES_MAX_DEFAULT, onFull = () => {} }: SessionTableOptions = {},
  ) {
    this.#world = world;
    this.#counters = world.counters;
    this.#sessions = new RecentTable(sessionsMax);
    this.#sessionsMax = sessionsMax;
    this.#onFull = onFull;
  }

  get count(): number {
    return this.#sessions.count;
  }

  /**
   * The session, new where there is none; undefined while the table is full of busy ones (the frame will come again).
   * @param source `sourceKey` of the identity, where the caller has made it already.
   */
  get(
    identity: SessionIdentity,
    source = sourceKey(identity.project, identity.src),
  ): SourceSession | undefined {
    const key = this.#keyOf(identity, source);
    const known = this.#sessions.get(key);
    if (known !== undefined) return known;
    if (this.#sessions.isFull && !this.#evict()) {
      this.#counters.add("gateway_sessions_full_frames_total");
      this.#onFull();
      return undefined;
    }
    const session = new SourceSession(this.#world, identity);
    this.#sessions.set(key, session);
    return session;
  }

  #keyOf({ project, src, boot }: SessionIdentity, source: string): string {
    const last = this.#keys.get(source);
    if (last?.boot === boot.text) return last.key;
    // A project has no space in it, a boot and a src may: their lengths keep the key unambiguous.
    const key = `${project} ${src.length} ${src} ${boot.text}`;
    if (last === undefined && this.#keys.size >= this.#sessionsMax) this.#keys.clear();
    this.#keys.set(source, { boot: boot.text, key });
    return key;
  }

  #evict(): boolean {
    const isEvicted = this.#sessions.evict((session) => session.isIdle);
    if (isEvicted) this.#counters.add("gateway_evicted_sessions_total");
    return isEvicted;
  }
}
