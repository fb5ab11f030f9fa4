import { describe, expect, test } from "vitest";
import { HoleFinder } from "../../../gateway/spool/hole-finder.ts";

const line = (src: string, boot: string, seq: number) => ({ src, boot, seq });
const loss = (src: string, boot: string, first: number, last: number) => ({
  src,
  lost: { boot, first, last },
});
const BOOTS = [
  ["a", "x"],
  ["a", "y"],
  ["b", "x"],
] as const;
const DAMAGE = { first: 11, last: 30 };

/** Boots of which 2 to 4 stood in the damage, by where each goes on. */
function damaged(): HoleFinder {
  const holes = new HoleFinder();
  for (const [index, [src, boot]] of BOOTS.entries()) holes.add(line(src, boot, 1), 1 + index, undefined);
  for (const [index, [src, boot]] of BOOTS.entries()) holes.add(line(src, boot, 5), 40 - index, undefined);
  return holes;
}

function explained(holes: HoleFinder) {
  const { holes: found, restCount } = holes.explain(DAMAGE);
  return [
    ...found.map(({ src, lost: { boot, first, last } }) => `${src} ${boot} ${first}-${last}`),
    restCount,
  ];
}

describe("what stood in a damage of the spool", () => {
  test("is what is missing around it of every board and boot, in order and told once", () => {
    const holes = damaged();
    expect(explained(holes)).toEqual(["a x 2-4", "a y 2-4", "b x 2-4", 11]);
    expect(explained(holes)).toEqual([20]);
  });

  test("is not what a later loss record tells of, of that board and boot, and as a whole", () => {
    const holes = damaged();
    holes.add(loss("a", "x", 1, 4), 50, undefined);
    holes.add(loss("a", "y", 3, 5), 51, undefined);
    holes.add(loss("c", "x", 2, 4), 52, undefined);
    expect(explained(holes)).toEqual(["a y 2-4", "b x 2-4", 14]);
  });

  test("a loss record of one boot fills each hole of it that it tells of, and leaves those of others", () => {
    const holes = damaged();
    holes.add(line("b", "x", 9), 60, undefined);
    holes.add(loss("b", "x", 2, 8), 61, undefined);
    expect(explained(holes)).toEqual(["a x 2-4", "a y 2-4", 14]);
  });

  test("a loss record in its place leaves no hole", () => {
    const holes = new HoleFinder();
    holes.add(line("a", "x", 1), 1, undefined);
    holes.add(loss("a", "x", 2, 5), 40, undefined);
    holes.add(line("a", "x", 6), 41, undefined);
    expect(explained(holes)).toEqual([20]);
  });
});
