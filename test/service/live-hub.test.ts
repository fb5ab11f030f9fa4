import { describe, expect, test } from "vitest";
import { CounterTable } from "../../host/counters.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import type { LiveBatch } from "../../service/live/live-batch.ts";
import { LiveHub } from "../../service/live/live-hub.ts";
import { LiveReader } from "../../service/live/live-reader.ts";
import { socketSink } from "../../service/live/live-sink.ts";
import type { StoredBatch } from "../../service/store/log-store.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { FakeSocket } from "../support/fake-socket.ts";
import { MemoryStore } from "../support/memory-store.ts";

const P = "p";

function entry(src: string, msg: string, more: Partial<NewEntry> = {}): NewEntry {
  return {
    src,
    msg: JSON.stringify(msg),
    stream: "console",
    timestamp: 1,
    received: 1,
    clock: "device",
    ...more,
  };
}

function srcs(batches: readonly LiveBatch[]): string[] {
  return batches.flatMap(({ entries }) => entries.map((live) => live.entry.src));
}

describe("the listeners of a project", () => {
  test("hear what passes their filter alone, and nothing where nothing does", async () => {
    const store = new MemoryStore();
    const hub = new LiveHub(store);
    const heard: Record<string, LiveBatch[]> = {};
    const listen = (name: string, filter: Parameters<LiveHub["join"]>[1]) => {
      const batches: LiveBatch[] = [];
      heard[name] = batches;
      return hub.join(P, filter, (batch) => batches.push(batch));
    };
    const leaves = [
      listen("all", {}),
      listen("b", { src: "b" }),
      listen("errors", { level: "error" }),
      listen("errors of b", { src: "b", level: "error" }),
      listen("none", { src: "none" }),
    ];
    await store.append([
      {
        project: P,
        entries: [
          entry("a", "1", { level: "error" }),
          entry("b", "2"),
          entry("a", "3"),
          entry("b", "4", { level: "error" }),
        ],
      },
    ]);
    expect(Object.values(heard).map(srcs)).toEqual([["a", "b", "a", "b"], ["b", "b"], ["a", "b"], ["b"], []]);
    for (const leave of leaves) leave();
    expect(store.listenerCount).toBe(0);
  });

  test("hear a large commit in parts, each entry once and in order", async () => {
    const store = new MemoryStore();
    const heard: LiveBatch[] = [];
    new LiveHub(store).join(P, {}, (batch) => heard.push(batch));
    const entries = Array.from({ length: 1_000 }, (_, index) => entry(`s${index}`, "x".repeat(index)));
    await store.append([{ project: P, entries }]);
    expect(srcs(heard)).toEqual(entries.map(({ src }) => src));
    expect(heard.length).toBeGreaterThan(1);
    expect(Math.max(...heard.map(({ frames }) => frames.length))).toBeLessThan(128 * 1024);
    expect(heard.at(-1)?.lastId).toBe(heard.at(-1)?.entries.at(-1)?.entry.id);
  });

  test("that want the same share the look at an entry, and what is made of it", async () => {
    const store = new MemoryStore();
    const hub = new LiveHub(store);
    let lookCount = 0;
    const heard: LiveBatch[] = [];
    for (let reader = 0; reader < 100; reader++) {
      const matches = () => {
        lookCount += 1;
        return true;
      };
      hub.join(P, { term: { text: "pump", matches } }, (batch) => heard.push(batch));
    }
    await store.append([{ project: P, entries: [entry("a", "pump on"), entry("a", "pump off")] }]);
    expect(lookCount).toBe(2);
    expect(heard.length).toBe(100);
    expect(new Set(heard).size).toBe(1);
  });
});

/** Counts the ids that readers have made. */
class CountingStore extends MemoryStore {
  idCount = 0;

  override subscribe(project: string, listener: (batch: StoredBatch) => void): () => void {
    return super.subscribe(project, ({ entries, stored }) =>
      listener({
        entries,
        stored,
        idAt: (index) => {
          this.idCount += 1;
          return stored[index]?.id ?? "";
        },
      }),
    );
  }
}

test("for readers that are behind, or wait for another board, nothing is made of an entry, whatever they want", async () => {
  const store = new CountingStore();
  const hub = new LiveHub(store);
  const time = new VirtualTime();
  const counters = new CounterTable();
  const open = (filter: Parameters<LiveHub["join"]>[1]) => {
    const socket = new FakeSocket();
    socket.isHeld = true;
    const dependencies = { sink: socketSink(socket), store, hub, counters, clock: time, timers: time };
    new LiveReader(dependencies, { project: P, filter, start: {}, readerBytesMax: 1_000 }).start();
    return socket;
  };
  const deaf = [
    ...Array.from({ length: 50 }, () => open({})),
    ...Array.from({ length: 50 }, () => open({ level: "info" })),
  ];
  const idle = Array.from({ length: 100 }, () => open({ src: "quiet" }));
  const append = (count: number) =>
    store.append([
      {
        project: P,
        entries: Array.from({ length: count }, () => entry("a", "x".repeat(100), { level: "info" })),
      },
    ]);
  await append(20);
  const bufferedBefore = deaf.map(({ bufferedBytes }) => bufferedBytes);
  store.idCount = 0;
  for (let batch = 0; batch < 10; batch++) await append(100);
  // Where what is skipped ends: one a commit for those that want the same.
  expect(store.idCount).toBe(10 * 2);
  expect(deaf.map(({ bufferedBytes }) => bufferedBytes)).toEqual(bufferedBefore);
  expect(idle.every(({ messages }) => messages.length === 0)).toBe(true);
  for (const socket of deaf) socket.release();
  const last = (await store.listProject({ project: P, limit: 1, newest: true }))[0]?.id;
  for (const { messages } of deaf) {
    const told = messages.filter((message) => message.startsWith('{"skipped"'));
    expect(JSON.parse(told[0] ?? "{}")).toMatchObject({ skipped: { until: last } });
    expect(told.length).toBe(1);
  }
});
