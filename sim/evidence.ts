import type { StoredEntry } from "../protocol/entry.ts";
import type { BootTruth } from "./boot-truth.ts";
import type { FaultPlan } from "./fault-plan.ts";
import type { Intrusion } from "./intruder.ts";
import type { SpoolRecording } from "./spool-watch.ts";

/** What a live reader heard from one life of the store. */
export interface TailRecord {
  readonly project: string;
  /** The newest id when it began, empty where there was none; undefined where that could not be had. */
  after: string | undefined;
  readonly entries: StoredEntry[];
  /** It heard to the end of the run. */
  isLast: boolean;
}

/** What somebody got who followed continuation tokens all along, through every crash. */
export interface FollowerRecord {
  readonly project: string;
  /** Undefined: the whole project. */
  readonly src: string | undefined;
  readonly entries: StoredEntry[];
}

/** A promise that was seen broken while the run was on, by the invariant it belongs to. */
export interface Violation {
  readonly invariant: number;
  readonly text: string;
}

/** Console text on a wire. */
export interface PrintedText {
  readonly project: string;
  readonly src: string;
  /** Of the gateway: what it is filed under until a frame says the source. */
  readonly port: string;
  readonly text: string;
}

/** All that the checkers judge by, collected when everything has come to rest. */
export interface Evidence {
  readonly plan: FaultPlan;
  readonly boots: readonly BootTruth[];
  /** By project, in the order of ids. */
  readonly listed: ReadonlyMap<string, readonly StoredEntry[]>;
  /** By project and source, as the pages of each source give them. */
  readonly bySource: ReadonlyMap<string, readonly StoredEntry[]>;
  /** The store's mark of each boot. */
  readonly marks: ReadonlyMap<string, number>;
  /** Highest seq that a gateway acked, by boot. */
  readonly ackedByGateway: ReadonlyMap<string, number>;
  readonly tails: readonly TailRecord[];
  readonly followers: readonly FollowerRecord[];
  /** Tokens of followers that the store did not take. */
  readonly refusedTokens: readonly string[];
  /** The listing after the store was opened again, twice. */
  readonly reopened: readonly ReadonlyMap<string, readonly StoredEntry[]>[];
  /** What the check of the store found wrong in the end. */
  readonly storeProblems: readonly string[];
  /** Of each spool, what it held when it was opened, and opened again after a crash while opening. */
  readonly reopenedSpools: readonly (readonly (readonly string[])[])[];
  readonly spools: readonly SpoolRecording[];
  readonly intrusions: readonly Intrusion[];
  readonly printed: readonly PrintedText[];
  /** What of it a gateway has read as it was printed, in the order of its coming. */
  readonly heard: readonly PrintedText[];
  readonly counters: Readonly<Record<string, number>>;
  /** False: it refused to open on what a fault damaged. */
  readonly isStoreOpen: boolean;
  /** Why queues did not drain, or undefined. */
  readonly stuck: string | undefined;
  /** Of the gateway that started most often. */
  readonly gatewayStarts: number;
  /** Two gateways may carry one boot. */
  readonly isShared: boolean;
  /** A full spool turns the oldest lines into loss records. */
  readonly evicts: boolean;
  readonly gatewayClockStepped: boolean;
  /** When faults stopped, UTC ms on the clock that is never wrong. */
  readonly quietMs: number;
  readonly seen: readonly Violation[];
}

/** One promise, and how it is judged. */
export interface Checker {
  /** Its number in the list of invariants (docs/simulator.md). */
  readonly invariant: number;
  readonly promise: string;
  /** Every way it was broken; empty when it was kept. */
  check(evidence: Evidence): readonly string[];
}

export function sourceKey(project: string, src: string): string {
  return `${project} ${src}`;
}

export function bootKey(entry: {
  readonly project: string;
  readonly src: string;
  readonly boot: string;
}): string {
  return `${entry.project} ${entry.src.length} ${entry.src} ${entry.boot}`;
}

/** Entries of one boot, loss records among them, in the order they are listed. */
export function entriesOfBoot(evidence: Evidence, truth: BootTruth): readonly StoredEntry[] {
  const entries = evidence.bySource.get(sourceKey(truth.project, truth.src)) ?? [];
  return entries.filter((entry) => entry.boot === truth.boot);
}

/** The seqs a listed entry stands for: one line, or what a loss record covers. */
export function isLine(entry: StoredEntry): boolean {
  return entry.seq !== undefined && entry.lost === undefined;
}

/** The first place where two listings differ, in words. */
export function firstDifference(
  left: readonly StoredEntry[],
  right: readonly (StoredEntry | undefined)[],
): string | undefined {
  const count = Math.max(left.length, right.length);
  for (let index = 0; index < count; index++) {
    const one = left[index];
    const other = right[index];
    if (one === undefined || other === undefined || !isSame(one, other))
      return `place ${index} has ${JSON.stringify(one)} and ${JSON.stringify(other)}`;
  }
  return undefined;
}

function isSame(one: StoredEntry, other: StoredEntry): boolean {
  return (
    one.id === other.id &&
    one.msg === other.msg &&
    one.src === other.src &&
    one.stream === other.stream &&
    one.timestamp === other.timestamp &&
    one.level === other.level &&
    one.module === other.module &&
    one.boot === other.boot &&
    one.seq === other.seq &&
    one.uptime === other.uptime &&
    one.received === other.received &&
    one.clock === other.clock &&
    one.clockError === other.clockError &&
    one.lost?.boot === other.lost?.boot &&
    one.lost?.first === other.lost?.first &&
    one.lost?.last === other.lost?.last
  );
}
