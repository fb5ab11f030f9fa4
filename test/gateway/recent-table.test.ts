import { describe, expect, test } from "vitest";
import { RecentTable } from "../../gateway/recent-table.ts";

function filled(seatsMax: number, count = seatsMax): RecentTable<number> {
  const table = new RecentTable<number>(seatsMax);
  for (let index = 0; index < count; index++) table.set(`${index}`, index);
  return table;
}

const names = (table: RecentTable<number>) => Array.from(table.entries(), ([name]) => name);

describe("a table of what was used recently", () => {
  test("is never over its bound: the first goes that was not used since the last search", () => {
    const table = filled(4);
    table.get("0");
    table.set("1", 10);
    table.set("new", 5);
    expect(table.count).toBe(4);
    expect(table.get("2")).toBeUndefined();
    expect([table.get("0"), table.get("1"), table.get("new")]).toEqual([0, 10, 5]);
  });

  test("a second chance is one: what is not used again goes at the next search but one", () => {
    const table = filled(2);
    table.get("0");
    table.set("a", 1);
    expect(names(table)).toEqual(["0", "a"]);
    table.set("b", 2);
    expect(names(table)).toEqual(["a", "b"]);
  });

  test("where all were used there is room all the same", () => {
    const table = filled(100);
    for (let index = 0; index < 100; index++) table.get(`${index}`);
    table.set("new", 1);
    expect(table.count).toBe(100);
    expect(table.get("0")).toBeUndefined();
  });

  test("a table that is filled from the entries of another forgets in the same order", () => {
    const table = filled(6);
    for (const name of ["0", "3"]) table.get(name);
    const copy = new RecentTable<number>(6);
    for (const [name, value] of table.entries()) copy.set(name, value);
    for (let index = 0; index < 4; index++) {
      table.set(`new${index}`, index);
      copy.set(`new${index}`, index);
    }
    expect(names(copy).toSorted()).toEqual(["0", "3", "new0", "new1", "new2", "new3"]);
    expect(names(table).toSorted()).toEqual(names(copy).toSorted());
  });

  test("one seat, and none: it comes and goes", () => {
    const table = new RecentTable<number>(1);
    expect(table.evict()).toBe(false);
    for (let index = 0; index < 3; index++) table.set(`${index}`, index);
    expect(names(table)).toEqual(["2"]);
    expect(table.evict()).toBe(true);
    expect([table.count, names(table).length]).toEqual([0, 0]);
    table.set("again", 1);
    expect(names(table)).toEqual(["again"]);
  });

  test("full of those that may not go, a search asks 64, and the next one others", () => {
    const table = filled(1_000);
    const asked: number[] = [];
    const mayGo = (value: number): boolean => {
      asked.push(value);
      return value === 130;
    };
    expect(table.evict(mayGo)).toBe(false);
    expect(asked.length).toBe(64);
    expect(table.evict(mayGo)).toBe(false);
    expect(table.evict(mayGo)).toBe(true);
    expect(asked).toEqual(Array.from({ length: 131 }, (_, index) => index));
    expect(table.count).toBe(999);
  });

  test("a small one is asked whole, those that were used too", () => {
    const table = filled(32);
    table.get("31");
    expect(table.evict((value) => value === 31)).toBe(true);
  });
});
