import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { Entry } from "../../console/entry.ts";
import { RowBuilder } from "../../console/rows.ts";

/** Lines of three boards that start anew now and then, and say why on their own console. */
const histories = fc.array(
  fc.record({
    src: fc.constantFrom("a", "b", "c"),
    event: fc.constantFrom("line", "line", "line", "boot", "reason", "plain"),
  }),
  { maxLength: 40 },
);

function entriesOf(history: readonly { readonly src: string; readonly event: string }[]): Entry[] {
  const boots = new Map<string, { boot: number; seq: number }>();
  return history.map(({ src, event }, index) => {
    const id = String(index).padStart(4, "0");
    if (event === "reason")
      return { id, src, stream: "uart", text: `rst:0x1 (REASON_${index})` } as unknown as Entry;
    if (event === "plain") return { id, src, stream: "console", text: "no boot" } as unknown as Entry;
    // The first that is seen of a board lies anywhere in its boot.
    const known = boots.get(src) ?? { boot: 1, seq: index % 2 };
    const now = event === "boot" ? { boot: known.boot + 1, seq: 1 } : { ...known, seq: known.seq + 1 };
    boots.set(src, now);
    return {
      id,
      src,
      stream: "console",
      text: "line",
      boot: `b${now.boot}`,
      seq: now.seq,
    } as unknown as Entry;
  });
}

const built = (entries: readonly Entry[]): RowBuilder => {
  const builder = new RowBuilder();
  for (const entry of entries) builder.add(entry);
  return builder;
};

it("rows put before others are those that all entries together give, or it is said that they are not", () => {
  fc.assert(
    fc.property(histories, fc.nat(), fc.nat(), (history, first, second) => {
      const entries = entriesOf(history);
      const cuts = [first, second]
        .map((cut) => cut % (entries.length + 1))
        .sort((left, right) => left - right);
      const [low = 0, high = 0] = cuts;
      const builder = built(entries.slice(low, high));
      if (!builder.prepend(entries.slice(0, low))) return;
      for (const entry of entries.slice(high)) builder.add(entry);
      expect(builder.rows).toEqual(built(entries).rows);
    }),
    { numRuns: 2000 },
  );
});

it("rows of a boot that goes on are put before without building anew", () => {
  const entries = entriesOf([..."aababcbcaab"].map((src) => ({ src, event: "line" })));
  const builder = built(entries.slice(6));
  expect(builder.prepend(entries.slice(0, 6))).toBe(true);
  expect(builder.rows).toEqual(built(entries).rows);
});
