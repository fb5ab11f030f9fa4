import { expect, test } from "vitest";
import { BoardLinks } from "../../gateway/board-links.ts";
import { CounterTable } from "../../host/counters.ts";
import { LevelHub } from "../../service/level-control.ts";

function world(boardsMax?: number) {
  const time = { nowMs: 0 };
  const clock = { wallMs: () => 0, monotonicMs: () => time.nowMs };
  const links = new BoardLinks(
    { clock, counters: new CounterTable() },
    boardsMax === undefined ? {} : { boardsMax },
  );
  const sent: string[] = [];
  const send = (json: string): boolean => sent.push(json) > 0;
  const hear = (wire: object, bootText: string, src = "pump"): void =>
    links.heard("default", src, { wire, bootText, send });
  return { time, links, sent, hear };
}

test("a lease goes down at once, and again with what is left when the board has started anew or its link is new", () => {
  const { time, links, sent, hear } = world();
  const [first, second] = [{}, {}];
  hear(first, "a");
  expect(links.setLevel("default", "pump", { level: "debug", forMs: 60_000 })).toEqual({ isReached: true });
  time.nowMs = 10_000;
  hear(first, "a");
  expect(sent).toEqual(['{"v":1,"level":1,"forMs":60000}']);
  hear(first, "b");
  hear(second, "b");
  expect(sent.slice(1)).toEqual(['{"v":1,"level":1,"forMs":50000}', '{"v":1,"level":1,"forMs":50000}']);
  time.nowMs = 60_000;
  hear(second, "c");
  expect(sent).toHaveLength(3);
});

test("a board that is away gets its lease, and the end of one, when it comes back", () => {
  const { links, sent, hear } = world();
  const wire = {};
  hear(wire, "a");
  links.lost(wire);
  expect(links.setLevel("default", "pump", { level: "none", module: "wlän", forMs: 0 })).toEqual({
    isReached: false,
  });
  expect(sent).toEqual([]);
  hear({}, "a");
  expect(sent).toEqual(['{"v":1,"level":5,"module":"wl\\u00e4n","forMs":0}']);
  hear({}, "a");
  expect(sent).toHaveLength(1);
});

test("a board never heard is unknown, and so is one of another project", () => {
  const { links, hear } = world();
  hear({}, "a");
  expect(links.setLevel("default", "valve", { level: "all", forMs: 1 })).toBeUndefined();
  expect(links.setLevel("other", "pump", { level: "all", forMs: 1 })).toBeUndefined();
});

test("endless boards: the one not heard for longest is forgotten", () => {
  const { links, hear } = world(2);
  for (const src of ["a", "b", "a", "c"]) hear({}, "1", src);
  expect(links.setLevel("default", "b", { level: "all", forMs: 1 })).toBeUndefined();
  expect(links.setLevel("default", "a", { level: "all", forMs: 1 })).toEqual({ isReached: true });
});

test("the service asks the gateways of the project, and lists those that know the board", async () => {
  const hub = new LevelHub();
  hub.add({ gatewayId: "attic", setLevel: async () => ({ isReached: false }) });
  hub.add({ gatewayId: "shed", setLevel: async () => undefined });
  hub.add({ gatewayId: "far", project: "other", setLevel: async () => ({ isReached: true }) });
  const remove = hub.add({ gatewayId: "gone", setLevel: async () => ({ isReached: true }) });
  remove();
  expect(await hub.setLevel("default", "pump", { level: "warn", forMs: 1_000 })).toEqual([
    { gatewayId: "attic", isReached: false },
  ]);
});
