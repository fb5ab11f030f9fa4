import { expect, test } from "vitest";
import { type LiveBatch, LiveHub } from "../../service/live/live-hub.ts";
import { MemoryStore } from "../support/memory-store.ts";

const P = "p";

function entry(src: string, msg: string) {
  return {
    src,
    msg: JSON.stringify(msg),
    stream: "console",
    timestamp: 1,
    received: 1,
    clock: "device",
  } as const;
}

function srcs(batches: readonly LiveBatch[]): string[] {
  return batches.flatMap(({ entries }) => entries.map((live) => live.entry.src));
}

test("a listener of one source hears its entries alone, and nothing where there are none", async () => {
  const store = new MemoryStore();
  const hub = new LiveHub(store);
  const ofAll: LiveBatch[] = [];
  const ofB: LiveBatch[] = [];
  const ofNone: LiveBatch[] = [];
  const leaves = [
    hub.join(P, undefined, (batch) => ofAll.push(batch)),
    hub.join(P, "b", (batch) => ofB.push(batch)),
    hub.join(P, "none", (batch) => ofNone.push(batch)),
  ];
  await store.append([{ project: P, entries: [entry("a", "1"), entry("b", "2"), entry("a", "3")] }]);
  expect([srcs(ofAll), srcs(ofB), srcs(ofNone)]).toEqual([["a", "b", "a"], ["b"], []]);
  for (const leave of leaves) leave();
  expect(store.listenerCount).toBe(0);
});

test("a large commit comes in parts, each entry once and in order", async () => {
  const store = new MemoryStore();
  const heard: LiveBatch[] = [];
  new LiveHub(store).join(P, undefined, (batch) => heard.push(batch));
  const entries = Array.from({ length: 1_000 }, (_, index) => entry(`s${index}`, "x".repeat(index)));
  await store.append([{ project: P, entries }]);
  expect(srcs(heard)).toEqual(entries.map(({ src }) => src));
  expect(heard.length).toBeGreaterThan(1);
  expect(Math.max(...heard.map(({ frames }) => frames.length))).toBeLessThan(128 * 1024);
  expect(heard.at(-1)?.lastId).toBe(heard.at(-1)?.entries.at(-1)?.entry.id);
});
