import type { Clock } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import { encodeLevelLease, type LevelLease } from "../protocol/level-lease.ts";
import { DEVICES_MAX_DEFAULT } from "./devices-max.ts";
import { RecentTable } from "./recent-table.ts";
import { sourceKey } from "./source-key.ts";

/** Modules of one board with a lease of their own; a further one takes the place of the oldest. */
const LEASES_MAX = 32;

interface Lease {
  readonly lease: LevelLease;
  /** Monotonic ms. */
  readonly endsAtMs: number;
}

interface Board {
  wire: object | undefined;
  bootText: string | undefined;
  send: (json: string) => boolean;
  /** By module, "" for all. */
  readonly leases: Map<string, Lease>;
}

/** The way back to each board, and the level leases that it has (docs/protocol.md 14). */
export class BoardLinks {
  readonly #clock: Clock;
  readonly #counters: Counters;
  /** By project and source. */
  readonly #boards: RecentTable<Board>;

  constructor(
    world: { readonly clock: Clock; readonly counters: Counters },
    /** Some 300 bytes for each that is remembered; beyond it the one not heard for longest goes, with its leases. */
    { boardsMax = DEVICES_MAX_DEFAULT }: { readonly boardsMax?: number } = {},
  ) {
    this.#clock = world.clock;
    this.#counters = world.counters;
    this.#boards = new RecentTable(boardsMax);
  }

  /**
   * A frame came from the board. Its leases go down again where the link is new or the board has started anew (14.4).
   * @param wire stands for the link: another one is another link. @param send says whether the link is up.
   */
  heard(
    project: string,
    src: string,
    from: {
      readonly bootText: string | undefined;
      readonly wire: object;
      readonly send: (json: string) => boolean;
    },
    key = sourceKey(project, src),
  ): void {
    const known = this.#boards.get(key);
    if (known === undefined) {
      this.#boards.set(key, { ...from, leases: new Map() });
    } else if (known.wire !== from.wire || known.bootText !== from.bootText) {
      Object.assign(known, from);
      if (known.leases.size > 0) this.#repeat(known);
    }
  }

  /** The link is gone: nobody is reached over it until it is heard from again. */
  lost(wire: object): void {
    for (const board of this.#boards.values()) if (board.wire === wire) board.wire = undefined;
  }

  /** The board said goodbye, or its broker did in its place. */
  gone(project: string, src: string): void {
    const board = this.#boards.get(sourceKey(project, src));
    if (board !== undefined) board.wire = undefined;
  }

  /** Sends the lease and keeps it until it ends. @returns undefined where the board was never heard here. */
  setLevel(project: string, src: string, lease: LevelLease): { readonly isReached: boolean } | undefined {
    const board = this.#boards.get(sourceKey(project, src));
    if (board === undefined) return undefined;
    const name = lease.module ?? "";
    board.leases.delete(name);
    // A lease that is ended goes down again too, for a board that was away when it ended.
    board.leases.set(name, { lease, endsAtMs: this.#clock.monotonicMs() + lease.forMs });
    const [oldest] = board.leases.keys();
    if (board.leases.size > LEASES_MAX && oldest !== undefined) board.leases.delete(oldest);
    const isReached = this.#send(board, lease);
    if (isReached && lease.forMs === 0) board.leases.delete(name);
    return { isReached };
  }

  #repeat(board: Board): void {
    const now = this.#clock.monotonicMs();
    for (const [name, { lease, endsAtMs }] of board.leases) {
      if (endsAtMs <= now && lease.forMs > 0) board.leases.delete(name);
      else if (this.#send(board, { ...lease, forMs: Math.max(0, endsAtMs - now) }) && lease.forMs === 0)
        board.leases.delete(name);
    }
  }

  #send(board: Board, lease: LevelLease): boolean {
    const isSent = board.wire !== undefined && board.send(encodeLevelLease(lease));
    this.#counters.add(isSent ? "gateway_leases_sent_total" : "gateway_leases_waiting_total");
    return isSent;
  }
}
