import { type Cursor, cursorSlots, decodeSlot } from "../gateway/spool/cursor.ts";
import { segmentNumber } from "../gateway/spool/segment.ts";
import { SPOOL_FOLDER } from "../gateway/spool/spool.ts";
import type { PositionRange } from "../gateway/spool/spool-loss.ts";
import { decodeSegment, RecordKind, wholeWrites } from "../gateway/spool/spool-record.ts";
import { decodeRanges, without } from "../gateway/spool/spool-recovery.ts";
import type { FaultyDisk } from "./faulty-disk.ts";

/** A segment that was removed before all of it was durable elsewhere. */
export interface EarlyRemoval {
  readonly path: string;
  readonly forwarded: number;
  /** Positions that neither the durable cursor nor another segment covers. */
  readonly missing: readonly PositionRange[];
}

/** A disk that was full and got room again. */
export interface FullDisk {
  readonly freedMs: number;
  /** Entries that waited for it then. */
  readonly waitingEntries: number;
  /** When the spool next wrote something; undefined: not while anybody looked. */
  resumedMs: number | undefined;
  /** When the gateway stopped being there to resume, or the run ended. */
  untilMs: number | undefined;
}

/** What was seen of one spool from below, on its disk. */
export interface SpoolRecording {
  readonly gateway: string;
  readonly bytesMax: number;
  readonly bytesMost: number;
  readonly earlyRemovals: readonly EarlyRemoval[];
  readonly fullDisks: readonly FullDisk[];
}

/** Looks at what is durable on a gateway's disk at each step, by the file format alone. */
export class SpoolWatch {
  readonly #disk: FaultyDisk;
  readonly #nowMs: () => number;
  readonly #gateway: string;
  readonly #bytesMax: number;
  readonly #earlyRemovals: EarlyRemoval[] = [];
  readonly #fullDisks: FullDisk[] = [];
  #bytesMost = 0;

  constructor(
    world: { readonly disk: FaultyDisk; readonly nowMs: () => number },
    options: { readonly gateway: string; readonly bytesMax: number },
  ) {
    this.#disk = world.disk;
    this.#nowMs = world.nowMs;
    this.#gateway = options.gateway;
    this.#bytesMax = options.bytesMax;
  }

  recording(): SpoolRecording {
    this.processEnded();
    return {
      gateway: this.#gateway,
      bytesMax: this.#bytesMax,
      bytesMost: this.#bytesMost,
      earlyRemovals: this.#earlyRemovals,
      fullDisks: this.#fullDisks,
    };
  }

  /** A file is about to be removed. */
  removing(path: string): void {
    if (!isSegment(path)) return;
    const content = decodeSegment(this.#synced(path), this.#cursor());
    if (content === undefined) return;
    const forwarded = this.#cursor()?.forwarded ?? 0;
    const covered: PositionRange[] = [{ first: 1, last: forwarded }];
    for (const other of this.#disk.files.keys()) {
      const rest = isSegment(other) && other !== path ? decodeSegment(this.#synced(other)) : undefined;
      if (rest === undefined) continue;
      // What it writes anew counts there and no longer here.
      if (other > path) covered.push({ first: rest.header.firstPosition, last: Number.POSITIVE_INFINITY });
      for (const { kind, payload } of rest.records) {
        if (kind === RecordKind.Damage) covered.push(...decodeRanges(payload));
      }
    }
    const entries = wholeWrites(content).filter(({ kind }) => kind === RecordKind.Entry);
    const missing = entries.flatMap(({ position }) => without({ first: position, last: position }, covered));
    if (missing.length > 0) this.#earlyRemovals.push({ path, forwarded, missing });
  }

  /** Something has been written to a file and synced. */
  synced(path: string): void {
    let bytes = 0;
    for (const [each, file] of this.#disk.files) if (isSegment(each)) bytes += file.content.length;
    this.#bytesMost = Math.max(this.#bytesMost, bytes);
    if (!isSegment(path)) return;
    for (const each of this.#fullDisks) if (each.untilMs === undefined) each.resumedMs ??= this.#nowMs();
  }

  freed(waitingEntries: number): void {
    const freedMs = this.#nowMs();
    this.#fullDisks.push({ freedMs, waitingEntries, resumedMs: undefined, untilMs: undefined });
  }

  /** Nobody is there to write any more. */
  processEnded(): void {
    for (const each of this.#fullDisks) each.untilMs ??= this.#nowMs();
  }

  #synced(path: string): Uint8Array {
    return this.#disk.files.get(path)?.synced ?? new Uint8Array();
  }

  /** The newest of the two slots, as it would be read after a power cut. */
  #cursor(): Cursor | undefined {
    let newest: ReturnType<typeof decodeSlot>;
    for (const name of cursorSlots()) {
      const slot = decodeSlot(this.#synced(`${SPOOL_FOLDER}/${name}`));
      if (slot !== undefined && (newest === undefined || slot.turn > newest.turn)) newest = slot;
    }
    return newest;
  }
}

function isSegment(path: string): boolean {
  return segmentNumber(path.slice(SPOOL_FOLDER.length + 1)) !== undefined;
}
