import fc from "fast-check";
import { expect, test } from "vitest";
import { RecordKind, type SpoolRecord } from "../../../gateway/spool/spool-record.ts";
import { SpoolTail } from "../../../gateway/spool/spool-tail.ts";

const recordsFrom = (first: number, count: number): SpoolRecord[] =>
  Array.from({ length: count }, (_, index) => ({
    kind: RecordKind.Entry,
    position: first + index,
    payload: new Uint8Array(10),
  }));

test("whatever is pushed, forgotten and asked for, a tail gives the entries that follow, or says that it has not got them", () => {
  const step = fc.oneof(
    fc.record({ push: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ jump: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ drop: fc.integer({ min: 0, max: 30 }) }),
    fc.record({ ask: fc.integer({ min: 0, max: 30 }), count: fc.integer({ min: 1, max: 12 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 3_000 }), (steps) => {
      const tail = new SpoolTail(6_000);
      let end = 1;
      for (const each of steps) {
        if ("push" in each) {
          tail.push(recordsFrom(end, each.push));
          end += each.push;
          const newest = tail.from(end - 1, 1);
          expect(newest?.map(({ position }) => position)).toEqual([end - 1]);
        } else if ("jump" in each) {
          end += each.jump;
          tail.push(recordsFrom(end, 1));
          expect(tail.from(end - 1, 5)).toBeUndefined();
          end += 1;
        } else if ("drop" in each) tail.dropThrough(end - each.drop);
        else {
          const position = Math.max(1, end - each.ask);
          const found = tail.from(position, each.count);
          if (found === undefined) continue;
          const count = Math.min(each.count, end - position);
          expect(found.map((record) => record.position)).toEqual(
            Array.from({ length: count }, (_, index) => position + index),
          );
        }
      }
    }),
    { numRuns: 30 },
  );
});

test("it holds no more than its bytes, with what an entry weighs beside its payload", () => {
  const tail = new SpoolTail(10_000);
  for (let first = 1; first <= 100_000; first += 10) tail.push(recordsFrom(first, 10));
  let held = 0;
  while (tail.from(100_000 - held, 1) !== undefined) held += 1;
  expect(held).toBeGreaterThan(100);
  expect((held / 10) * (400 + 140)).toBeLessThanOrEqual(10_000);
});
