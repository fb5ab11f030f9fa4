import Type, { type Static } from "typebox";
import type { Clock, Timer, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { Disk } from "../host/disk.ts";
import type { ProcessLog } from "../host/log.ts";
import { schemaDecoder } from "../protocol/schema-check.ts";
import { DEVICES_MAX_DEFAULT } from "./devices-max.ts";
import { RecentTable } from "./recent-table.ts";
import { type OpenGap, SourceHistory } from "./source-history.ts";
import { StateFile } from "./state-file.ts";

/** Sources with an open gap that are watched; of one more the oldest is forgotten, and its gap stays one that no record tells of. */
const GAPPED_MAX = 10_000;
const LOOK_MS = 30_000;
/** A board that lives sends again within 30 s; one that started anew and is this silent as it was has lost what it held. */
const OVER_SILENCE_MS = 120_000;
/** A boot without a successor may still be out of reach; a week later nobody waits for it. */
const HORIZON_MS = 7 * 86_400_000;

/** A gap that is filled sooner costs no write; one that a kill comes upon sooner is met anew when the board is. */
const SAVE_MS = 5_000;
/** How long gaps are open is written so often, at least: a kill makes that much be waited again. */
const AGE_SAVE_MS = 3_600_000;

const FileSchema = Type.Object({
  version: Type.Literal(1),
  /** Project, source, boot, highest seq that came, and for how long nothing of the boot was heard, ms. */
  gaps: Type.Array(
    Type.Tuple([Type.String(), Type.String(), Type.String(), Type.Integer(), Type.Number({ minimum: 0 })]),
  ),
});
const decodeFile = schemaDecoder(FileSchema);

export const WHY_OVER = "the board started anew before these came again";
export const WHY_SILENT = "the board was not heard again for a week";

export interface GivenUp {
  readonly project: string;
  readonly src: string;
  readonly boot: string;
  readonly last: number;
  readonly why: string;
}

/** The histories of all sources, and the gaps that nobody will fill any more; open gaps outlive the gateway. */
export class SourceHistories {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #counters: Counters;
  readonly #onGivenUp: (given: GivenUp) => Promise<boolean>;
  /** Absent where the gateway has no disk. */
  readonly #file: StateFile<Static<typeof FileSchema>> | undefined;
  readonly #histories: RecentTable<SourceHistory>;
  readonly #gapped = new Set<SourceHistory>();
  #timer: Timer | undefined;
  #saveTimer: Timer | undefined;
  /** What stands in the file, or is being written. */
  #savedCount = 0;
  #savedMs = 0;
  readonly #loaded: Promise<void>;
  #isStopped = false;

  /** @param onGivenUp stores the loss record; resolves with whether it is durable, or tried again later. */
  constructor(
    world: {
      readonly clock: Clock;
      readonly timers: Timers;
      readonly counters: Counters;
      readonly log: ProcessLog;
      readonly disk?: Disk;
    },
    onGivenUp: (given: GivenUp) => Promise<boolean>,
    /** Sources that are remembered, some 300 bytes each. */
    sourcesMax = DEVICES_MAX_DEFAULT,
  ) {
    this.#histories = new RecentTable(sourcesMax);
    this.#clock = world.clock;
    this.#timers = world.timers;
    this.#counters = world.counters;
    this.#onGivenUp = onGivenUp;
    if (world.disk !== undefined)
      this.#file = new StateFile(world, {
        name: "open-gaps.json",
        decode: decodeFile,
        state: () => this.#state(),
        unreadable: "lines that a board sent in part before are not called lost",
        unwritable: "lines that a board sent in part are not called lost",
      });
    this.#loaded = this.#load();
  }

  of(project: string, src: string): SourceHistory {
    const key = `${project} ${src}`;
    const known = this.#histories.get(key);
    if (known !== undefined) return known;
    const history = new SourceHistory(project, src);
    this.#histories.set(key, history);
    return history;
  }

  /** The seqs above the mark of a boot up to `last` came in part: they must come again. Also said anew when it is heard again. */
  openGap(history: SourceHistory, boot: string, last: number): void {
    this.#open(history, boot, last, this.#clock.monotonicMs());
  }

  closeGap(history: SourceHistory, boot: string): void {
    history.closeGap(boot);
    if (!history.hasGaps) this.#gapped.delete(history);
    if (this.#gapped.size === 0) this.#stopLooking();
    this.#saveSoon();
  }

  /** Resolves when the gaps that are open are written. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopLooking();
    this.#saveTimer?.cancel();
    await this.#loaded;
    await this.#file?.save();
  }

  #open(history: SourceHistory, boot: string, last: number, heardMs: number): void {
    history.openGap(boot, last, heardMs);
    this.#gapped.add(history);
    if (this.#gapped.size > GAPPED_MAX) {
      const [oldest] = this.#gapped;
      if (oldest !== undefined) this.#forget(oldest);
    }
    if (this.#isStopped) return;
    this.#timer ??= this.#timers.every(LOOK_MS, () => this.#look());
    this.#saveSoon();
  }

  #stopLooking(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    const now = this.#clock.monotonicMs();
    for (const history of [...this.#gapped]) {
      for (const gap of [...history.gaps]) {
        const why = whyOver(history, gap, now);
        if (why !== undefined && !gap.isGivenUp) void this.#giveUp(history, gap, why);
      }
    }
    if (now - this.#savedMs >= AGE_SAVE_MS) this.#saveSoon();
  }

  /** It stays open until its loss record is durable: a kill must not make it forgotten. */
  async #giveUp(history: SourceHistory, gap: OpenGap, why: string): Promise<void> {
    const { project, src } = history;
    const { boot, last } = gap;
    gap.isGivenUp = true;
    const isStored = await this.#onGivenUp({ project, src, boot, last, why });
    gap.isGivenUp = false;
    if (isStored && gap.last === last) this.closeGap(history, boot);
  }

  async #load(): Promise<void> {
    const file = await this.#file?.read();
    const now = this.#clock.monotonicMs();
    this.#savedCount = file?.gaps.length ?? 0;
    this.#savedMs = now;
    for (const [project, src, boot, last, silentMs] of file?.gaps ?? [])
      this.#open(this.of(project, src), boot, last, now - silentMs);
  }

  #saveSoon(): void {
    if (this.#file === undefined || this.#isStopped) return;
    this.#saveTimer ??= this.#timers.after(SAVE_MS, () => {
      this.#saveTimer = undefined;
      void this.#file?.save();
    });
  }

  #state(): Static<typeof FileSchema> | undefined {
    const now = this.#clock.monotonicMs();
    const gaps: Static<typeof FileSchema>["gaps"] = [];
    for (const { project, src, gaps: ofSource } of this.#gapped)
      for (const { boot, last, heardMs } of ofSource) gaps.push([project, src, boot, last, now - heardMs]);
    // Most open gaps are filled before anything is written.
    if (gaps.length === 0 && this.#savedCount === 0) return undefined;
    this.#savedCount = gaps.length;
    this.#savedMs = now;
    return { version: 1, gaps };
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
