import type { ClockQuality, MsgJson, NewEntry } from "./entry.ts";
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

/** Console lines of one source that came together, on their way to the store: they have all in common but their text. */
export class TextRun {
  readonly src: string;
  readonly stream: string;
  /** Wall time of receipt, UTC ms, which is their timestamp. */
  readonly received: number;
  readonly clock: ClockQuality;
  readonly texts: readonly MsgJson[];
  /** Of all messages. */
  readonly characterCount: number;
  #entries: readonly NewEntry[] | undefined;

  constructor(
    texts: readonly MsgJson[],
    common: {
      readonly src: string;
      readonly stream: string;
      readonly received: number;
      readonly clock: ClockQuality;
    },
  ) {
    this.src = common.src;
    this.stream = common.stream;
    this.received = common.received;
    this.clock = common.clock;
    this.texts = texts;
    let characterCount = 0;
    for (const text of texts) characterCount += text.length;
    this.characterCount = characterCount;
  }

  get length(): number {
    return this.texts.length;
  }

  get entries(): readonly NewEntry[] {
    const { src, stream, received, clock } = this;
    this.#entries ??= this.texts.map((msg) => ({ src, stream, msg, timestamp: received, received, clock }));
    return this.#entries;
  }
}

/** Entries in their order. */
export type EntryPart = EntryRun | TextRun | readonly NewEntry[];

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

/** Whether entries are made of it only where somebody wants to see them. */
export function isRun(part: EntryPart): part is EntryRun | TextRun {
  return part instanceof EntryRun || part instanceof TextRun;
}

export function entriesOfPart(part: EntryPart): readonly NewEntry[] {
  return isRun(part) ? part.entries : part;
}
