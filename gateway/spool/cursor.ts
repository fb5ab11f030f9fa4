import { crc32 } from "node:zlib";
import type { Disk } from "../../host/disk.ts";
import { isSpoolEpoch } from "../../protocol/ingest.ts";
import { insist } from "./insist.ts";

/** How far the service (or an output) has everything, and which epoch the spool is in. */
export interface Cursor {
  /** 16 hex digits. */
  readonly epoch: string;
  /** Entries below this position were sent under an earlier epoch, and are never sent under this one. */
  readonly epochStart: number;
  /** Everything up to here is stored by the service. */
  readonly forwarded: number;
}

interface Slot extends Cursor {
  /** The higher of two good slots counts. */
  readonly turn: number;
}

const OUTPUT_SLOT = /^cursor-([a-z0-9]+)-[ab]$/;

/** The two files of a cursor. @param name of the output whose it is; absent for the service's own. */
export function cursorSlots(name?: string): readonly [string, string] {
  const start = name === undefined ? "cursor" : `cursor-${name}`;
  return [`${start}-a`, `${start}-b`];
}

/**
 * The cursor in two files, written in turn, each with a checksum: one that is damaged leaves the one before it, which is behind
 * and never ahead.
 */
export class CursorFile {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #slots: readonly [string, string];
  #turn = 0;

  /** @param name as `cursorSlots` takes it. */
  constructor(disk: Disk, folder: string, name?: string) {
    this.#disk = disk;
    this.#folder = folder;
    this.#slots = cursorSlots(name);
  }

  /** The newest good one, and how many slots are damaged. */
  async read(): Promise<{ readonly cursor: Cursor | undefined; readonly damagedCount: number }> {
    let newest: Slot | undefined;
    let damagedCount = 0;
    for (const name of this.#slots) {
      const bytes = await insist(() => this.#disk.read(`${this.#folder}/${name}`));
      if (bytes === undefined) continue;
      const slot = decodeSlot(bytes);
      if (slot === undefined) damagedCount += 1;
      else if (newest === undefined || slot.turn > newest.turn) newest = slot;
    }
    this.#turn = newest?.turn ?? 0;
    return { cursor: newest, damagedCount };
  }

  /** Durable when it resolves. */
  async write(cursor: Cursor): Promise<void> {
    const turn = this.#turn + 1;
    const name = this.#slots[turn % 2 === 0 ? 0 : 1];
    await this.#disk.replace(`${this.#folder}/${name}`, encodeSlot({ ...cursor, turn }));
    this.#turn = turn;
  }

  /** In both slots: what must not be forgotten even when one of them is damaged. */
  async writeBoth(cursor: Cursor): Promise<void> {
    await this.write(cursor);
    await this.write(cursor);
  }
}

/** The output whose cursor a file of the spool's folder is; undefined for any other file. */
export function outputOfSlot(file: string): string | undefined {
  return OUTPUT_SLOT.exec(file)?.[1];
}

function encodeSlot({ epoch, epochStart, forwarded, turn }: Slot): Uint8Array {
  const text = JSON.stringify([epoch, epochStart, forwarded, turn]);
  return Buffer.from(`${text} ${crc32(text).toString(16).padStart(8, "0")}\n`);
}

/** What one of the two files says, or undefined where it is damaged. */
export function decodeSlot(bytes: Uint8Array): Slot | undefined {
  const [, text = "", digits] =
    /^(\[.*\]) ([0-9a-f]{8})\n$/.exec(Buffer.from(bytes).toString("latin1")) ?? [];
  if (digits === undefined || crc32(text) !== Number.parseInt(digits, 16)) return undefined;
  const [epoch, epochStart, forwarded, turn] = JSON.parse(text) as [string, number, number, number];
  return isSpoolEpoch(epoch) ? { epoch, epochStart, forwarded, turn } : undefined;
}
