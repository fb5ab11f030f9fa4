import { decodeCbor, decodeOwnCbor, encodeCbor } from "./cbor.ts";
import { bad, type Decoded, good } from "./decoded.ts";
import { CLOCK_QUALITIES, type NewEntry, type SeqRange, STREAM_DEFAULT } from "./entry.ts";
import { type JsonValue, parseVerbatim } from "./json-parser.ts";
import { LEVELS, type Level } from "./level.ts";
import { checkSrc, checkStream, isBoot } from "./names.ts";

/** One entry as a CBOR array (docs/protocol.md 13.4). */
export function encodeIngestEntry(entry: NewEntry): Uint8Array {
  const { lost } = entry;
  const elements: unknown[] = [
    entry.src,
    entry.stream === STREAM_DEFAULT ? null : entry.stream,
    entry.msg,
    entry.timestamp,
    entry.received,
    CLOCK_QUALITIES.indexOf(entry.clock),
    entry.level === undefined ? null : LEVELS.indexOf(entry.level),
    entry.boot ?? null,
    entry.seq ?? null,
    entry.module ?? null,
    entry.uptime ?? null,
    entry.clockError ?? null,
    lost === undefined ? null : [lost.boot, lost.first, lost.last],
  ];
  while (elements.at(-1) === null) elements.pop();
  return encodeCbor(elements);
}

export function decodeIngestEntry(bytes: Uint8Array): Decoded<NewEntry> {
  const value = decodeCbor(bytes);
  return value.ok ? ingestEntryOf(value.value) : value;
}

/** Whose seqs an entry accounts for. */
export type EntryIdentity = Pick<NewEntry, "src" | "boot" | "seq" | "lost">;

/** Of an entry that `encodeIngestEntry` wrote here and whose checksum is good: nothing else is looked at. */
export function identityOfOwnEntry(bytes: Uint8Array): EntryIdentity {
  const [src, , , , , , , boot, seq, , , , lost] = decodeOwnCbor(bytes) as [
    string,
    ...(string | number | null | [string, number, number])[],
  ];
  return {
    src,
    ...(typeof boot === "string" && { boot }),
    ...(typeof seq === "number" && { seq }),
    ...(Array.isArray(lost) && { lost: { boot: lost[0], first: lost[1], last: lost[2] } }),
  };
}

/** The entry that a decoded CBOR value is, or what is wrong with it, naming the element. */
export function ingestEntryOf(value: JsonValue): Decoded<NewEntry> {
  if (!Array.isArray(value)) return bad("entry: must be an array");
  const reader = new ElementReader(value as readonly JsonValue[]);
  const src = reader.text("src");
  const stream = reader.optionalText("stream") ?? STREAM_DEFAULT;
  const msg = reader.text("msg");
  const timestamp = reader.integer("timestamp", 0);
  const received = reader.integer("received", 0);
  const clock = reader.oneOf("clock", CLOCK_QUALITIES);
  const level = reader.optional("level", (name) => reader.oneOf<Level>(name, LEVELS));
  const boot = reader.optionalText("boot");
  const seq = reader.optional("seq", (name) => reader.integer(name, 1));
  const module = reader.optionalText("module");
  const uptime = reader.optional("uptime", (name) => reader.integer(name, 0));
  const clockError = reader.optional("clockError", (name) => reader.integer(name, 0));
  const lost = reader.optional("lost", () => lostOf(reader));
  reader.end();
  const problem = reader.problem ?? problemOf({ src, stream, msg, boot, seq, module, lost });
  if (problem !== undefined) return bad(problem);
  return good({
    src,
    stream,
    msg,
    timestamp,
    received,
    clock,
    ...(level !== undefined && { level }),
    ...(boot !== undefined && { boot }),
    ...(seq !== undefined && { seq }),
    ...(module !== undefined && { module }),
    ...(uptime !== undefined && { uptime }),
    ...(clockError !== undefined && { clockError }),
    ...(lost !== undefined && { lost }),
  });
}

/** What no type tells: clauses 1.2 to 1.5. */
function problemOf(entry: {
  readonly src: string;
  readonly stream: string;
  readonly msg: string;
  readonly boot: string | undefined;
  readonly seq: number | undefined;
  readonly module: string | undefined;
  readonly lost: SeqRange | undefined;
}): string | undefined {
  const { src, stream, msg, boot, seq, module, lost } = entry;
  for (const checked of [
    checkSrc(src),
    checkStream(stream),
    module === undefined ? good("") : checkStream(module, "module"),
  ]) {
    if (!checked.ok) return checked.problem.text;
  }
  if (boot !== undefined && !isBoot(boot)) return "boot: must be 1 to 32 printable ASCII characters";
  if (seq !== undefined && boot === undefined) return "seq: not without a boot";
  if (lost !== undefined && (!isBoot(lost.boot) || lost.last < lost.first))
    return "lost: not a range of a boot";
  if (lost !== undefined && boot !== undefined && lost.boot !== boot) return "lost: another boot's";
  // By its form alone, as it was taken from the board: what is refused here would be sent again for ever.
  const parsed = parseVerbatim(msg);
  if (!parsed.ok) return `msg: not JSON: ${parsed.reason} at character ${parsed.index}`;
  if (!/^["{[]/.test(msg)) return "msg: must be the JSON text of a string, object or array";
  return undefined;
}

function lostOf(reader: ElementReader): SeqRange {
  const inner = new ElementReader(reader.array("lost"));
  const lost = {
    boot: inner.text("lost.boot"),
    first: inner.integer("lost.first", 1),
    last: inner.integer("lost.last", 1),
  };
  inner.end();
  reader.problem ??= inner.problem;
  return lost;
}

/** Takes the elements of an array in turn; keeps the first thing that is wrong. */
class ElementReader {
  readonly #elements: readonly JsonValue[];
  #index = 0;
  problem: string | undefined;

  constructor(elements: readonly JsonValue[]) {
    this.#elements = elements;
  }

  text(name: string): string {
    const value = this.#elements[this.#index++];
    if (typeof value === "string") return value;
    this.problem ??= `${name}: must be a string`;
    return "";
  }

  optionalText(name: string): string | undefined {
    return this.optional(name, () => this.text(name));
  }

  integer(name: string, least: number): number {
    const value = this.#elements[this.#index++];
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= least) return value;
    this.problem ??= `${name}: must be an integer from ${least} to 2^53-1`;
    return least;
  }

  oneOf<Item>(name: string, items: readonly Item[]): Item {
    const item = items[this.integer(name, 0)];
    if (item !== undefined) return item;
    this.problem ??= `${name}: must be below ${items.length}`;
    return items[0] as Item;
  }

  array(name: string): readonly JsonValue[] {
    const value = this.#elements[this.#index++];
    if (Array.isArray(value)) return value as readonly JsonValue[];
    this.problem ??= `${name}: must be an array`;
    return [];
  }

  /** Undefined where the element is null or the array has ended. */
  optional<T>(name: string, read: (name: string) => T): T | undefined {
    const value = this.#elements[this.#index];
    if (value !== undefined && value !== null) return read(name);
    this.#index += 1;
    return undefined;
  }

  end(): void {
    if (this.#index < this.#elements.length) this.problem ??= "entry: has more elements than are known";
  }
}
