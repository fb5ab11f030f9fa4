import type { Clock, Timer, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import { RecentTable } from "./recent-table.ts";
import { type OpenGap, SourceHistory } from "./source-history.ts";

/** Sources that are remembered, some 300 bytes each. */
const SOURCES_MAX = 20_000;
/** Sources with an open gap that are watched; of one more the oldest is forgotten, and its gap stays one that no record tells of. */
const GAPPED_MAX = 10_000;
const LOOK_MS = 30_000;
/** A board that lives sends again within 30 s; one that started anew and is this silent as it was has lost what it held. */
const OVER_SILENCE_MS = 120_000;
/** A boot without a successor may still be out of reach; a week later nobody waits for it. */
const HORIZON_MS = 7 * 86_400_000;

export const WHY_OVER = "the board started anew before these came again";
export const WHY_SILENT = "the board was not heard again for a week";

export interface GivenUp {
  readonly project: string;
  readonly src: string;
  readonly boot: string;
  readonly last: number;
  readonly why: string;
}

/** The histories of all sources, and the gaps that nobody will fill any more. */
export class SourceHistories {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #counters: Counters;
  readonly #onGivenUp: (given: GivenUp) => void;
  readonly #histories = new RecentTable<SourceHistory>();
  readonly #gapped = new Set<SourceHistory>();
  #timer: Timer | undefined;

  constructor(
    world: { readonly clock: Clock; readonly timers: Timers; readonly counters: Counters },
    onGivenUp: (given: GivenUp) => void,
  ) {
    this.#clock = world.clock;
    this.#timers = world.timers;
    this.#counters = world.counters;
    this.#onGivenUp = onGivenUp;
  }

  of(project: string, src: string): SourceHistory {
    const key = `${project} ${src}`;
    const known = this.#histories.get(key);
    if (known !== undefined) return known;
    if (this.#histories.count >= SOURCES_MAX) this.#histories.evict();
    const history = new SourceHistory(project, src);
    this.#histories.set(key, history);
    return history;
  }

  /** The seqs above the mark of a boot up to `last` came in part: they must come again. Also said anew when it is heard again. */
  openGap(history: SourceHistory, boot: string, last: number): void {
    history.openGap(boot, last, this.#clock.monotonicMs());
    this.#gapped.add(history);
    if (this.#gapped.size > GAPPED_MAX) {
      const [oldest] = this.#gapped;
      if (oldest !== undefined) this.#forget(oldest);
    }
    this.#timer ??= this.#timers.every(LOOK_MS, () => this.#look());
  }

  closeGap(history: SourceHistory, boot: string): void {
    history.closeGap(boot);
    if (!history.hasGaps) this.#gapped.delete(history);
    if (this.#gapped.size === 0) this.stop();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    const now = this.#clock.monotonicMs();
    for (const history of [...this.#gapped]) {
      for (const gap of [...history.gaps]) {
        const why = whyOver(history, gap, now);
        if (why === undefined) continue;
        this.closeGap(history, gap.boot);
        const { project, src } = history;
        this.#onGivenUp({ project, src, boot: gap.boot, last: gap.last, why });
      }
    }
  }

  #forget(history: SourceHistory): void {
    this.#counters.add("gateway_forgotten_gaps_total", [...history.gaps].length);
    history.closeGaps();
    this.#gapped.delete(history);
  }
}

function whyOver(history: SourceHistory, gap: OpenGap, nowMs: number): string | undefined {
  const silentMs = nowMs - gap.heardMs;
  if (silentMs >= OVER_SILENCE_MS && history.isOver(gap)) return WHY_OVER;
  return silentMs >= HORIZON_MS ? WHY_SILENT : undefined;
}
