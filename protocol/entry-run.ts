import type { NewEntry } from "./entry.ts";
import { entryFromLine } from "./entry-builder.ts";
import type { FrameLines } from "./frame.ts";

/**
 * Lines of one boot with the board's own UTC, on their way to the store as they came: in columns. An object for each, and a text of its own,
 * cost more than storing it, so the entries are made only where somebody wants to see them.
 */
export class EntryRun {
  readonly src: string;
  readonly boot: string;
  /** Wall time of receipt, UTC ms. */
  readonly received: number;
  readonly lines: FrameLines;
  #entries: readonly NewEntry[] | undefined;

  constructor(
    lines: FrameLines,
    { src, boot, received }: { readonly src: string; readonly boot: string; readonly received: number },
  ) {
    this.src = src;
    this.boot = boot;
    this.received = received;
    this.lines = lines;
  }

  get length(): number {
    return this.lines.count;
  }

  /** Characters of all messages, and of what little stands between them. */
  get characterCount(): number {
    return this.lines.endAt(this.lines.count - 1) - this.lines.startAt(0);
  }

  get entries(): readonly NewEntry[] {
    const { src, boot, received, lines } = this;
    this.#entries ??= Array.from({ length: lines.count }, (_, index) =>
      entryFromLine(lines, index, { src, boot, received }),
    );
    return this.#entries;
  }
}

/** Entries in their order. */
export type EntryPart = EntryRun | readonly NewEntry[];

/** Entries of one project in their order, put together from parts: as a list they are made when first asked for. */
export class PartedEntries {
  readonly parts: readonly EntryPart[];
  readonly entryCount: number;
  #entries: readonly NewEntry[] | undefined;

  constructor(parts: readonly EntryPart[]) {
    this.parts = parts;
    let entryCount = 0;
    for (const part of parts) entryCount += part.length;
    this.entryCount = entryCount;
  }

  get entries(): readonly NewEntry[] {
    this.#entries ??= entriesOf(this.parts);
    return this.#entries;
  }
}

function entriesOf(parts: readonly EntryPart[]): readonly NewEntry[] {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return entriesOfPart(only);
  return parts.flatMap((part) => entriesOfPart(part));
}

export function entriesOfPart(part: EntryPart): readonly NewEntry[] {
  return part instanceof EntryRun ? part.entries : part;
}
