import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NewEntry } from "../../protocol/entry.ts";
import { type EntryPart, EntryRun, PartedEntries, TextRun } from "../../protocol/entry-run.ts";
import { decodeFrame } from "../../protocol/frame-decoder.ts";
import { encodeUtf8 } from "../../protocol/utf8.ts";
import type { ChunkedStore } from "../../service/store/chunked-store.ts";
import type { AppendResult } from "../../service/store/log-store.ts";
import { entry, listAll, P } from "../conformance/store-driver.ts";
import { memorySpace, openMemoryStore, TINY } from "./store-drivers.ts";

const NOW_MS = 1_763_784_000_000;
const SOURCES = ["a", "b"];
const BOOTS = ["b1", "7-c0ffee"];

/** Lines as a frame brings them. */
function runOf(src: string, boot: string, first: number, elements: readonly unknown[]): EntryRun {
  const decoded = decodeFrame(encodeUtf8(JSON.stringify([`~${boot}`, first, 0, NOW_MS, 0, ...elements])));
  if (!decoded.ok || decoded.value.lines === undefined) throw new Error("no frame of lines");
  return new EntryRun(decoded.value.lines, { src, boot, received: NOW_MS + 40 });
}

function textsOf({ src, clock, texts }: DrawnTexts): TextRun {
  const messages = texts.map((text) => JSON.stringify(text));
  return new TextRun(messages, {
    src,
    stream: clock === "unset" ? "console" : "uart",
    received: NOW_MS + 50,
    clock,
  });
}

interface DrawnRun {
  readonly src: string;
  readonly boot: string;
  /** Of where the boot has come; small numbers stand for right behind it. */
  readonly ahead: number;
  readonly lines: readonly unknown[];
}
/** Console lines, which have no seq. */
interface DrawnTexts {
  readonly src: string;
  readonly clock: "server" | "unset";
  readonly texts: readonly string[];
}
/** Source, seq, and text of each entry. */
type DrawnList = [src: string, seq: number, text: string][];

const aLine = fc.oneof(
  { arbitrary: fc.string({ unit: "grapheme-ascii", maxLength: 40 }).map((text) => [text]), weight: 8 },
  { arbitrary: fc.nat(2_000).map((step) => [step, "after a while"]), weight: 4 },
  { arbitrary: fc.constantFrom([null, "wifi", "up"], ['a "quoted" one'], ["back\\slash"]), weight: 2 },
);
const aRun: fc.Arbitrary<DrawnRun> = fc
  .tuple(
    fc.constantFrom(...SOURCES),
    fc.constantFrom(...BOOTS),
    fc.integer({ min: -6, max: 6 }),
    fc.array(aLine, { minLength: 1, maxLength: 7 }),
  )
  .map(([src, boot, ahead, lines]) => ({ src, boot, ahead, lines: lines.flat() }));
const aList: fc.Arbitrary<DrawnList> = fc.array(
  fc.tuple(fc.constantFrom(...SOURCES), fc.nat(30), fc.constantFrom("plain", "Größe", "日本")),
  { maxLength: 3 },
);
const someTexts: fc.Arbitrary<DrawnTexts> = fc.record({
  src: fc.constantFrom(...SOURCES),
  clock: fc.constantFrom("server", "unset"),
  texts: fc.array(fc.constantFrom("", "boot: ok", 'a "quoted" one', "Größe", "日本"), { maxLength: 4 }),
});
/** Appends, each of several parts. */
const appends = fc.array(
  fc.array(
    fc.oneof(
      { arbitrary: aRun, weight: 3 },
      { arbitrary: aList, weight: 1 },
      { arbitrary: someTexts, weight: 2 },
    ),
    { maxLength: 5 },
  ),
  { minLength: 1, maxLength: 12 },
);

/** How far each boot has come, so that most runs stand right behind what was taken. */
class Boards {
  readonly #next = new Map<string, number>();

  partOf(drawn: DrawnRun | DrawnTexts | DrawnList): EntryPart {
    if (Array.isArray(drawn))
      return drawn.map(([src, seq, text]): NewEntry => entry(src, seq + 1, { msg: JSON.stringify(text) }));
    if ("texts" in drawn) return textsOf(drawn);
    const { src, boot, ahead, lines } = drawn;
    const next = this.#next.get(src + boot) ?? 1;
    const first = Math.max(1, next + (Math.abs(ahead) > 4 ? ahead : 0));
    const run = runOf(src, boot, first, lines);
    this.#next.set(src + boot, Math.max(next, first + run.length));
    return run;
  }
}

async function shown(store: ChunkedStore): Promise<object> {
  const marks = SOURCES.flatMap((src) =>
    BOOTS.map(async (boot) => [await store.mark(P, src, boot), await store.gaps(P, src, boot)]),
  );
  return {
    entries: (await listAll(store, { project: P })).map(({ id: _id, ...rest }) => rest),
    sources: await store.sources(P),
    marks: await Promise.all(marks),
  };
}

function outcome(results: readonly AppendResult[]): object {
  return results.map(({ stored, storedCount, duplicateCount }) => ({
    stored: stored.map(({ id: _id, ...rest }) => rest),
    storedCount,
    duplicateCount,
  }));
}

describe("entries in columns", () => {
  it("are stored as the same entries one by one are, behind the mark, again, or over a gap, and whatever comes with them", async () => {
    await fc.assert(
      fc.asyncProperty(appends, async (drawn) => {
        const boards = new Boards();
        const spaces = { runs: memorySpace(1), lists: memorySpace(1) };
        let runs = await openMemoryStore(spaces.runs, 1);
        let lists = await openMemoryStore(spaces.lists, 1);
        for (const call of drawn) {
          const parts = call.map((part) => boards.partOf(part));
          const { entries } = new PartedEntries(parts);
          const [ofRuns, ofLists] = await Promise.all([
            runs.append([Object.assign(new PartedEntries(parts), { project: P })]),
            lists.append([{ project: P, entries }]),
          ]);
          expect(outcome(ofRuns)).toEqual(outcome(ofLists));
        }
        for (const round of ["in the table", "read from the log", "sealed"]) {
          if (round === "read from the log") {
            await Promise.all([runs.close(), lists.close()]);
            runs = await openMemoryStore(spaces.runs, 1);
            lists = await openMemoryStore(spaces.lists, 1);
          }
          if (round === "sealed") await Promise.all([runs.seal(), lists.seal()]);
          expect(await shown(runs)).toEqual(await shown(lists));
        }
        await Promise.all([runs.close(), lists.close()]);
      }),
      { numRuns: 60, seed: 20_261_128 },
    );
  });

  it("reach a listener as entries, and are made none where nobody listens", async () => {
    const store = await openMemoryStore(memorySpace(1), 1, { options: { ...TINY, groupEntriesMax: 100 } });
    const run = runOf("a", "b1", 1, ["one", 7, "two"]);
    const unseen = {
      project: P,
      parts: [run],
      get entries(): readonly NewEntry[] {
        throw new Error("nobody asked for them");
      },
    };
    await store.append([unseen]);
    const heard: unknown[] = [];
    store.subscribe(P, ({ entries, idAt }) => heard.push(entries.length, entries.at(-1)?.msg, typeof idAt));
    await store.append([{ project: P, entries: [], parts: [runOf("a", "b1", 3, ["three"])] }]);
    await store.append([
      { project: P, entries: [], parts: [textsOf({ src: "a", clock: "server", texts: ["reset", "four"] })] },
    ]);
    expect(heard).toEqual([1, '"three"', "function", 2, '"four"', "function"]);
    expect((await listAll(store, { project: P })).map(({ msg }) => msg)).toEqual([
      '"one"',
      '"two"',
      '"three"',
      '"reset"',
      '"four"',
    ]);
    await store.close();
  });

  it("that could not be listed as they are, are a mistake of whoever appends them", async () => {
    const store = await openMemoryStore(memorySpace(1), 1);
    const { lines } = runOf("a", "b1", 1, ["one"]);
    for (const wrong of [{ src: "" }, { boot: "" }, { boot: "\ud800" }, { received: 0.5 }]) {
      const run = new EntryRun(lines, { src: "a", boot: "b1", received: NOW_MS, ...wrong });
      await expect(store.append([{ project: P, entries: [], parts: [run] }])).rejects.toThrow(TypeError);
    }
    const common = { src: "a", stream: "uart", received: NOW_MS, clock: "server" } as const;
    for (const wrong of [{ src: "" }, { stream: "\ud800" }, { received: 0.5 }, { texts: ['"\ud800"'] }]) {
      const { texts, ...rest } = { ...common, texts: ['"one"'], ...wrong };
      const run = new TextRun(texts, rest);
      await expect(store.append([{ project: P, entries: [], parts: [run] }])).rejects.toThrow(TypeError);
    }
    await store.close();
  });
});
