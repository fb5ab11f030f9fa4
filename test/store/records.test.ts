import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { entriesText } from "../../protocol/answer.ts";
import type { MsgJson, NewEntry } from "../../protocol/entry.ts";
import { EXTRA_FIELDS } from "../../protocol/methods.ts";
import { BatchBuilder, NOT_IN_BATCH, readBatch } from "../../service/store/batch-record.ts";
import { BootMark, GAPS_MAX } from "../../service/store/boot-mark.ts";
import { ByteReader, MalformedRecord } from "../../service/store/byte-reader.ts";
import { ByteWriter } from "../../service/store/byte-writer.ts";
import { openValue, sealValue, ValueKind } from "../../service/store/checked-value.ts";
import { readSealedChunk } from "../../service/store/chunk-head.ts";
import { ChunkMemory } from "../../service/store/chunk-memory.ts";
import { ChunkBuilder, sealChunk } from "../../service/store/chunk-record.ts";
import { CompactChunkBuilder } from "../../service/store/compact-chunk.ts";
import { brotliCompressor } from "../../service/store/compressor.ts";
import { IdMaker } from "../../service/store/entry-id.ts";
import { RowView } from "../../service/store/entry-record.ts";
import { messageOf } from "../../service/store/memtable.ts";
import { readNumbers, writeNumbers } from "../../service/store/number-column.ts";
import { OpenChunk } from "../../service/store/open-chunk.ts";
import { PageText } from "../../service/store/page-text.ts";
import type { SourceState } from "../../service/store/source-state.ts";
import { StencilBook } from "../../service/store/stencil-book.ts";
import { TemplateBuilder, TemplateReader } from "../../service/store/template-column.ts";

const SECRET = Buffer.alloc(32, 7);
const anEdge = fc.oneof(
  fc.maxSafeNat(),
  fc.constantFrom(0, 1, 63, 64, 127, 128, 16383, 16384, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1),
);

describe("numbers and texts of records", () => {
  it("come back as they were, up to 2^53-1 and either sign, of any characters and length", () => {
    const aText = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: "grapheme", minLength: 40, maxLength: 200 }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(anEdge, fc.boolean(), aText)), (items) => {
        const writer = new ByteWriter(1);
        for (const [number, negative, text] of items) {
          writer.varint(number);
          writer.signed(negative ? -number : number);
          writer.text(text);
        }
        const reader = new ByteReader(Buffer.from(writer.view()));
        for (const [number, negative, text] of items) {
          expect(reader.varint()).toBe(number);
          expect(reader.signed()).toBe(negative ? 0 - number : number);
          expect(reader.text()).toBe(text);
        }
        expect(reader.done).toBe(true);
      }),
    );
  });

  it("that are cut short are refused, not read past their end", () => {
    const writer = new ByteWriter();
    writer.varint(300);
    writer.text("some text");
    for (let end = 0; end < writer.length; end++) {
      const reader = new ByteReader(Buffer.from(writer.view()).subarray(0, end));
      expect(() => [reader.varint(), reader.text()]).toThrow(MalformedRecord);
    }
  });
});

describe("a checked value", () => {
  it("is refused with any one bit turned, cut, longer, or as another kind", () => {
    const value = sealValue(ValueKind.Chunk, Buffer.from("some content"));
    expect(openValue(ValueKind.Chunk, value)).toBeDefined();
    for (let bit = 0; bit < value.length * 8; bit++) {
      const turned = Buffer.from(value);
      turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(openValue(ValueKind.Chunk, turned)).toBeUndefined();
    }
    for (let end = 0; end < value.length; end++)
      expect(openValue(ValueKind.Chunk, value.subarray(0, end))).toBeUndefined();
    expect(openValue(ValueKind.Chunk, Buffer.concat([value, Buffer.of(0)]))).toBeUndefined();
    expect(openValue(ValueKind.Batch, value)).toBeUndefined();
  });
});

describe("ids", () => {
  const maker = new IdMaker(SECRET, "default");

  it("order as their positions do and give them back", () => {
    fc.assert(
      fc.property(fc.uniqueArray(anEdge, { minLength: 2 }), (positions) => {
        const ids = positions.map((position) => maker.make(position));
        expect(ids.map((id) => maker.parse(id))).toEqual(positions);
        const byText = [...ids].sort().map((id) => maker.parse(id));
        expect(byText).toEqual([...positions].sort((left, right) => left - right));
      }),
    );
  });

  it("depend on the secret, the project and the position alone", () => {
    const tags = [maker, new IdMaker(SECRET, "Default"), new IdMaker(Buffer.alloc(32, 8), "default")].map(
      (one) => one.make(5),
    );
    expect(new Set(tags).size).toBe(3);
    expect(new IdMaker(SECRET, "default").make(5)).toBe(maker.make(5));
  });

  it("have tags that spread: none comes twice in a thousand positions in a row", () => {
    const tags = new Set(Array.from({ length: 1000 }, (_, index) => maker.make(index).slice(11)));
    expect(tags.size).toBe(1000);
  });
});

describe("a boot's mark", () => {
  const aRange = fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 6 }));

  it("knows exactly the seqs that were accepted, also after it was written and read, and takes a replay without change", () => {
    fc.assert(
      fc.property(fc.array(aRange), (ranges) => {
        let mark = new BootMark();
        const known = new Set<number>();
        for (const [first, size] of ranges) {
          mark.accept(first, first + size);
          for (let seq = first; seq <= first + size; seq++) known.add(seq);
          const writer = new ByteWriter();
          mark.encode(writer);
          mark = BootMark.decode(new ByteReader(Buffer.from(writer.view())));
        }
        const before = structuredClone(mark.gaps);
        for (const [first, size] of ranges) mark.accept(first, first + size);
        expect(mark.gaps).toEqual(before);
        expect(mark.top).toBe(Math.max(0, ...known));
        for (let seq = 1; seq < 70; seq++) expect(mark.isNew(seq, seq), String(seq)).toBe(!known.has(seq));
      }),
    );
  });

  it("keeps a bounded number of gaps: the oldest is closed, and says so", () => {
    const mark = new BootMark();
    const closed: unknown[] = [];
    for (let seq = 2; seq <= 2 * (GAPS_MAX + 10); seq += 2) closed.push(...mark.accept(seq, seq));
    expect(mark.gaps).toHaveLength(GAPS_MAX);
    expect(closed).toEqual(
      Array.from({ length: 10 }, (_, index) => ({ first: 2 * index + 1, last: 2 * index + 1 })),
    );
    expect(mark.isNew(1, 1)).toBe(false);
    expect(mark.isNew(21, 21)).toBe(true);
  });
});

const anEntry: fc.Arbitrary<NewEntry> = fc.record(
  {
    src: fc.constant("s"),
    stream: fc.oneof(fc.constantFrom("console", "uart"), fc.string({ unit: "grapheme" })),
    msg: fc.string({ unit: "grapheme" }).map((text) => JSON.stringify(text) as MsgJson),
    timestamp: anEdge,
    received: anEdge,
    clock: fc.constantFrom("device" as const, "estimated" as const, "server" as const),
    level: fc.constantFrom("debug" as const, "info" as const, "warn" as const, "error" as const),
    module: fc.string({ unit: "grapheme" }),
    boot: fc.constantFrom("b1", "b2", "größer"),
    seq: anEdge,
    uptime: anEdge,
    clockError: anEdge,
    lost: fc.record(
      { boot: fc.constantFrom("b1", "b3"), first: anEdge, last: anEdge },
      { noNullPrototype: true },
    ),
  },
  { requiredKeys: ["src", "stream", "msg", "timestamp", "received", "clock"], noNullPrototype: true },
);

describe("batches and chunks", () => {
  const known = { number: 3, src: "s", project: { number: 1, name: "p" } };

  it("give back every field of every entry, in ASCII and beyond", () => {
    const source = { ...known, batchIndex: NOT_IN_BATCH };
    const builder = new BatchBuilder<typeof source>();
    const chunks = new ChunkBuilder();
    const compacts = new CompactChunkBuilder();
    fc.assert(
      fc.property(fc.array(anEntry, { minLength: 1, maxLength: 20 }), (entries) => {
        for (const entry of entries) builder.add(source, entry);
        const { value } = builder.finish(100);
        const read = readBatch(100, value, (named) => named);
        const batch = read.type === "batch" ? read.batch : undefined;
        expect(batch?.sources).toEqual([known]);
        if (batch === undefined) return;
        const row = new RowView();
        for (const [index, entry] of entries.entries()) {
          row.read(new ByteReader(value, batch.rowStarts[index]));
          expect(messageOf(batch, row)).toBe(entry.msg);
          chunks.add(100 + 2 * index, row, batch);
        }
        const sealed = sealChunk(chunks.finish("p", "s"), brotliCompressor);
        const plain = readSealedChunk(sealed);
        if (plain === undefined) throw new Error("the chunk is damaged");
        const ids = new IdMaker(SECRET, "p");
        const chunk = new OpenChunk(plain, brotliCompressor);
        const back = entries.map((_, index) => chunk.entryAt(index, ids));
        expect(back).toStrictEqual(
          entries.map((entry, index) => ({ ...entry, id: ids.make(100 + 2 * index) })),
        );
        for (const index of entries.keys()) compacts.add(chunk, index);
        const compact = readSealedChunk(sealChunk(compacts.finish("p", "s"), brotliCompressor));
        if (compact === undefined) throw new Error("the compact chunk is damaged");
        const again = new OpenChunk(compact, brotliCompressor);
        expect(entries.map((_, index) => again.entryAt(index, ids))).toStrictEqual(back);

        const text = entriesText(back, EXTRA_FIELDS);
        const named = { src: "s", project: { ids } } as SourceState;
        const pageOf = (write: (page: PageText, index: number) => number): string => {
          const to = new ByteWriter(16);
          const page = new PageText(to, new StencilBook(EXTRA_FIELDS));
          // Written backwards, and read forwards all the same.
          const numbers = entries.map((_, index) => write(page, entries.length - 1 - index));
          page.finish(numbers.reverse());
          return to.view().toString();
        };
        expect(pageOf((page, index) => page.ofChunk(chunk, index, ids))).toBe(text);
        expect(pageOf((page, index) => page.ofChunk(again, index, ids))).toBe(text);
        const rowPage = pageOf((page, index) => {
          row.read(new ByteReader(value, batch.rowStarts[index]));
          return page.ofRow(row, batch, named, 100 + 2 * index);
        });
        expect(rowPage).toBe(text);
      }),
    );
  });

  it("of messages with numbers and words in them come back as they were from a compact chunk", () => {
    const word = fc.oneof(
      fc.constantFrom("temp=", " ", "a4:91:b1", "-0.50", "007", "0x3f", "\u0001", "ü1", "\n", "MAC"),
      fc.nat().map(String),
      fc.bigInt({ min: 0n, max: 10n ** 20n }).map(String),
      fc.string({ unit: "grapheme", maxLength: 5 }),
    );
    const builder = new TemplateBuilder();
    const [templates, words] = [new ByteWriter(64), new ByteWriter(64)];
    fc.assert(
      fc.property(
        fc.array(
          fc.array(word, { maxLength: 50 }).map((parts) => parts.join("")),
          { maxLength: 30 },
        ),
        (texts) => {
          const messages = texts.map((text) => Buffer.from(text).toString());
          for (const message of messages) builder.add(message);
          templates.clear();
          words.clear();
          builder.finish(templates, words);
          const readers = [templates, words].map((writer) => new ByteReader(Buffer.from(writer.view())));
          const [first, second] = readers;
          if (first === undefined || second === undefined) return;
          const reader = new TemplateReader(first, second, messages.length, new ChunkMemory(0, 0, 0));
          expect(messages.map((_, index) => reader.messageAt(index))).toEqual(messages);
          const to = new ByteWriter(16);
          for (const index of messages.keys()) reader.writeMessage(index, to);
          expect(to.view().toString()).toBe(messages.join(""));
        },
      ),
    );
  });

  it("of numbers come back exactly, however far apart they are", () => {
    const edge = fc.oneof(
      fc.integer(),
      fc.maxSafeInteger(),
      fc.constantFrom(0, 1, -1, 2 ** 53 - 1, 255, 256),
    );
    const unsigned = fc.oneof(fc.maxSafeNat(), fc.nat({ max: 300 }), fc.constant(2 ** 53 - 1));
    fc.assert(
      fc.property(fc.oneof(fc.array(unsigned), fc.array(edge.map((n) => Math.trunc(n / 4)))), (numbers) => {
        const writer = new ByteWriter(16);
        writeNumbers(writer, numbers);
        const reader = new ByteReader(Buffer.from(writer.view()));
        expect([...readNumbers(reader, numbers.length)]).toEqual(numbers.map((number) => number + 0));
        expect(reader.done).toBe(true);
      }),
    );
  });
});
