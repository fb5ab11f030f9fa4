import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CounterTable } from "../../host/counters.ts";
import type { MsgJson, NewEntry, StoredEntry } from "../../protocol/entry.ts";
import type { ChunkedStore } from "../../service/store/chunked-store.ts";
import { compareTime, StoreUnavailable } from "../../service/store/log-store.ts";
import type { MemoryKvSpace } from "../../service/store/memory-kv.ts";
import { listAll } from "../conformance/store-driver.ts";
import { checkOf, memorySpace, openMemoryStore, SeededRandom, TINY } from "./store-drivers.ts";
import { StoreModel, withoutId } from "./store-model.ts";

const RUNS = Number(process.env.STORE_RUNS ?? 80);
const PROJECTS = ["p", "q"];
const SOURCES = ["a", "b", "c", "d", "e", "f"];
const BOOTS = ["b1", "b2"];
const STREAMS = ["console", "uart", "loss"];

const anEntry: fc.Arbitrary<NewEntry> = fc
  .record({
    src: fc.constantFrom(...SOURCES),
    stream: fc.constantFrom(...STREAMS),
    text: fc.string({ unit: "grapheme", maxLength: 30 }),
    timestamp: fc.maxSafeNat(),
    received: fc.maxSafeNat(),
    boot: fc.constantFrom(undefined, ...BOOTS),
    seq: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined, freq: 8 }),
    lost: fc.option(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 9 })), {
      nil: undefined,
      freq: 3,
    }),
    level: fc.constantFrom(undefined, "debug" as const, "error" as const),
    module: fc.constantFrom(undefined, "wifi", "größe"),
    uptime: fc.option(fc.maxSafeNat(), { nil: undefined }),
  })
  .map(({ text, boot, seq, lost, level, module, uptime, ...rest }): NewEntry => {
    const range = lost && boot ? { boot, first: lost[0], last: lost[0] + lost[1] } : undefined;
    return {
      ...rest,
      msg: JSON.stringify(text.toWellFormed()) as MsgJson,
      clock: "device",
      ...(boot !== undefined && { boot }),
      ...(boot !== undefined && seq !== undefined && { seq }),
      ...(range && { lost: range }),
      ...(level && { level }),
      ...(module && { module }),
      ...(uptime !== undefined && { uptime }),
    };
  });

type Step =
  | {
      readonly do: "append";
      readonly calls: readonly { project: string; entries: readonly NewEntry[] }[];
      readonly wait: boolean;
    }
  | {
      readonly do: "delete";
      readonly project: string;
      readonly src: string;
      readonly stream: string | undefined;
    }
  | { readonly do: "seal" | "maintain" | "reopen" | "crash" | "fail" | "pause" };

const aStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      calls: fc.array(
        fc.record({ project: fc.constantFrom(...PROJECTS), entries: fc.array(anEntry, { maxLength: 9 }) }),
        { minLength: 1, maxLength: 4 },
      ),
      wait: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("delete" as const),
      project: fc.constantFrom(...PROJECTS),
      src: fc.constantFrom(...SOURCES),
      stream: fc.constantFrom(undefined, ...STREAMS),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(
        "seal" as const,
        "maintain" as const,
        "reopen" as const,
        "crash" as const,
        "fail" as const,
        "pause" as const,
      ),
    }),
  },
);

declare global {
  interface String {
    toWellFormed(): string;
  }
}

/** One store with its model, driven step by step. Calls that were neither acked nor refused are in doubt until it is read again. */
class Run {
  readonly space: MemoryKvSpace;
  readonly counters = new CounterTable();
  readonly #seed: number;
  readonly #random: SeededRandom;
  store: ChunkedStore;
  model = new StoreModel();
  /** Calls in the order they were made, and whether their answer has come. */
  #calls: { project: string; entries: readonly NewEntry[]; acked: boolean }[] = [];
  readonly heard: { project: string; entry: StoredEntry }[] = [];
  /** Appends and the deletion under way; one whose answer was a failure is in doubt too. */
  #appending: Promise<unknown>[] = [];
  #deleting: Promise<unknown> = Promise.resolve();
  #maintaining: Promise<unknown> = Promise.resolve();
  #deletion: (Step & { do: "delete" }) | undefined;

  private constructor(seed: number, space: MemoryKvSpace, store: ChunkedStore) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
    this.space = space;
    this.store = store;
  }

  static async start(seed: number): Promise<Run> {
    const space = memorySpace(seed);
    const run = new Run(seed, space, await openMemoryStore(space, seed));
    run.#listen();
    return run;
  }

  async take(step: Step): Promise<void> {
    if (step.do === "append") {
      await this.#deleting;
      const done = step.calls.map((call) => this.#append(call));
      this.#appending.push(...done);
      if (step.wait) await Promise.all(done);
    } else if (step.do === "delete") {
      await Promise.all(this.#appending.splice(0));
      await this.#deleting;
      this.#deleting = this.#delete(step);
    } else if (step.do === "seal") await this.#tolerated(() => this.store.seal());
    else if (step.do === "maintain") this.#maintaining = this.#tolerated(() => this.store.maintain());
    else if (step.do === "reopen") await this.#reopen();
    else if (step.do === "crash") await this.#crash();
    else if (step.do === "pause") for (let turn = this.#random.below(40); turn > 0; turn--) await undefined;
    else this.space.faults = { commitFails: 0.1 };
  }

  async #append(call: { project: string; entries: readonly NewEntry[] }): Promise<void> {
    const made = { ...call, acked: false };
    this.#calls.push(made);
    await this.#tolerated(async () => {
      await this.store.append([call]);
      made.acked = true;
    });
  }

  /** What is deleted must have been settled: a crash before leaves the calls in doubt, and the deletion is left out. */
  async #delete(step: Step & { do: "delete" }): Promise<void> {
    if (this.#calls.some(({ acked }) => !acked) || this.#deletion !== undefined) return;
    for (const call of this.#calls.splice(0))
      for (const entry of call.entries) this.model.append(call.project, entry);
    this.#deletion = step;
    await this.#tolerated(async () => {
      const count = await this.store.delete(step.project, step.src, step.stream);
      this.#deletion = undefined;
      expect(count).toBe(this.model.delete(step.project, step.src, step.stream));
    });
  }

  async #tolerated(action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
  }

  async #reopen(): Promise<void> {
    await this.store.close();
    this.space.faults = { commitFails: 0 };
    this.store = await openMemoryStore(this.space, this.#seed);
    this.#listen();
    await this.settle();
  }

  async #crash(): Promise<void> {
    for (let turn = this.#random.below(80); turn > 0; turn--) await undefined;
    this.space.crash();
    // Everything of the old life comes to its end.
    await this.#tolerated(() => this.store.close());
    // Recovery may itself be cut short, at any point, and is done again.
    for (let tries = this.#random.below(3); tries > 0; tries--) {
      const opening = openMemoryStore(this.space, this.#seed).catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) throw error;
      });
      for (let turn = this.#random.below(60); turn > 0; turn--) await undefined;
      this.space.crash();
      await opening;
    }
    this.store = await openMemoryStore(this.space, this.#seed);
    this.#listen();
    await this.settle();
  }

  #listen(): void {
    for (const project of PROJECTS) {
      this.store.subscribe(project, ({ stored }) => {
        for (const entry of stored) this.heard.push({ project, entry });
      });
    }
  }

  /** Brings the model up to what the store holds: every acked call is there, and of the others whole transactions in order. */
  async settle(): Promise<void> {
    await this.#maintaining;
    await this.#deleting;
    if (this.#deletion !== undefined) {
      // All or nothing.
      const { project, src, stream } = this.#deletion;
      const left = await listAll(this.store, { project, src, ...(stream && { stream }) });
      const known = this.model.of(project, src, stream).length;
      if (left.length === 0) this.model.delete(project, src, stream);
      else expect(left.length).toBe(known);
      this.#deletion = undefined;
    }
    const total = (await Promise.all(PROJECTS.map((project) => listAll(this.store, { project }, 50)))).flat()
      .length;
    for (const [index, call] of this.#calls.entries()) {
      const laterAcked = this.#calls.slice(index).some((one) => one.acked);
      if (!laterAcked && this.model.keptCount >= total) break;
      for (const entry of call.entries) this.model.append(call.project, entry);
    }
    this.#calls = [];
    expect(this.model.keptCount).toBe(total);
  }

  /** Everything that can be asked agrees with the model, and what the store says of itself is so. */
  async check(): Promise<void> {
    const { store, model } = this;
    const { problems, sealedEntryCount, unsealedEntryCount } = await checkOf(this.space);
    expect(problems).toEqual([]);
    expect(sealedEntryCount + unsealedEntryCount).toBeGreaterThanOrEqual(model.keptCount);
    const listed = new Map<string, StoredEntry>();
    for (const project of PROJECTS) {
      const all = await listAll(store, { project }, 1 + this.#random.below(20));
      for (const entry of all) listed.set(entry.id + project, entry);
      expect(all.map(withoutId)).toStrictEqual(model.of(project));
      expect((await store.listProject({ project, limit: 9, newest: true })).map(withoutId)).toStrictEqual(
        model.of(project).slice(-9),
      );
      for (const src of SOURCES) {
        const mine = await listAll(store, { project, src }, 1 + this.#random.below(9));
        expect(mine).toStrictEqual(all.filter((entry) => entry.src === src));
        for (const stream of STREAMS) {
          const ours = mine.filter((entry) => entry.stream === stream);
          expect(await listAll(store, { project, src, stream }, 3)).toStrictEqual(ours);
          expect(await store.list({ project, src, stream, limit: 3, newest: true })).toStrictEqual(
            ours.slice(-3),
          );
        }
        const from = mine[this.#random.below(mine.length)];
        if (from !== undefined) {
          const page = await store.list({ project, src, after: from.id, limit: 5, newest: true });
          expect(page).toStrictEqual(mine.slice(mine.indexOf(from) + 1).slice(-5));
          const back = await store.list({ project, src, before: from.id, limit: 5, newest: true });
          expect(back).toStrictEqual(mine.slice(0, mine.indexOf(from)).slice(-5));
        }
        for (const boot of BOOTS)
          expect(await store.mark(project, src, boot)).toBe(model.mark(project, src, boot));
      }
      expect(await store.sources(project)).toStrictEqual(model.sources(project));
      const byTime = await store.listByTime({ project, sinceMs: 0, untilMs: 2 ** 53 - 1, limit: 1000 });
      const inTime = all.filter(({ timestamp }) => timestamp < 2 ** 53 - 1);
      expect(byTime).toStrictEqual(inTime.toSorted(compareTime));
    }
    const told = this.heard.map(({ project, entry }) => entry.id + project);
    expect(new Set(told).size).toBe(told.length);
    // What was told live is durable: it is there after any crash, as it was told.
    let found = 0;
    for (const { project, entry } of this.heard) {
      const one = listed.get(entry.id + project);
      if (one === undefined) continue;
      found++;
      expect(one).toStrictEqual(entry);
    }
    // Those that are missing were deleted since.
    expect(this.heard.length - found).toBeLessThanOrEqual(model.entries.length - model.keptCount);
  }
}

describe("a chunked store", () => {
  it(
    "agrees with the plainest model through appends, seals, closings, crashes, failed syncs and crashed recoveries",
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(aStep, { maxLength: 40 }), fc.nat(), async (steps, seed) => {
          const run = await Run.start(seed);
          for (const step of steps) await run.take(step);
          await run.take({ do: "crash" });
          await run.check();
          await run.take({ do: "reopen" });
          await run.check();
          await run.store.seal();
          await run.check();
          await run.store.maintain();
          await run.check();
          expect(run.counters.values()).toEqual({});
          await run.store.close();
        }),
        { numRuns: RUNS, endOnFailure: true },
      );
    },
    20_000 + RUNS * 600,
  );

  it("opened twice, or opened, crashed and opened again, is the same", async () => {
    const run = await Run.start(7);
    const random = new SeededRandom(7);
    for (let seq = 1; seq <= 90; seq++) {
      const entry = {
        src: SOURCES[random.below(6)] ?? "a",
        stream: "console",
        msg: '"x"' as MsgJson,
        timestamp: seq,
        received: seq,
        clock: "server" as const,
      };
      await run.take({
        do: "append",
        calls: [{ project: "p", entries: [{ ...entry, boot: "b1", seq }] }],
        wait: random.below(2) === 0,
      });
    }
    await run.take({ do: "crash" });
    await run.check();
    const first = run.space.values();
    const again = await openMemoryStore(run.space, 7);
    await again.close();
    expect(run.space.values()).toEqual(first);
  });

  it("is of no more use after a failed sync, says so to every caller, and tells its owner once", async () => {
    const space = memorySpace(3);
    const failures: StoreUnavailable[] = [];
    const store = await openMemoryStore(space, 3, {
      options: TINY,
      onFailure: (error) => failures.push(error),
    });
    const entry = {
      src: "a",
      stream: "console",
      msg: '"x"' as MsgJson,
      timestamp: 1,
      received: 1,
      clock: "server" as const,
    };
    await store.append([{ project: "p", entries: [entry] }]);
    space.faults = { commitFails: 1 };
    const calls = Array.from({ length: 20 }, () => store.append([{ project: "p", entries: [entry] }]));
    const answers = await Promise.allSettled(calls);
    expect(answers.every((one) => one.status === "rejected" && one.reason instanceof StoreUnavailable)).toBe(
      true,
    );
    space.faults = { commitFails: 0 };
    await expect(store.append([{ project: "p", entries: [entry] }])).rejects.toThrow(StoreUnavailable);
    await expect(store.list({ project: "p", src: "a", limit: 9 })).rejects.toThrow(StoreUnavailable);
    await expect(store.mark("p", "a", "b1")).rejects.toThrow(StoreUnavailable);
    expect(failures).toHaveLength(1);
    await store.close();
  });
});
