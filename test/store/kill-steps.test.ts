import { once } from "node:events";
import { describe, expect, it } from "vitest";
import type { StoredEntry } from "../../protocol/entry.ts";
import type { ChunkedStore } from "../../service/store/chunked-store.ts";
import { LmdbSpace, LmdbViews } from "../../service/store/lmdb-kv.ts";
import { copyStore } from "../../service/store/store-backup.ts";
import { viewStore } from "../../service/store/store-view.ts";
import { listAll } from "../conformance/store-driver.ts";
import { spawnTs } from "../support/run-ts.ts";
import { ENGINES, type KillPoint, OPERATIONS, textOf } from "./killing-space.ts";
import { checkOf, openLmdbStore, SeededRandom, temporaryFolder } from "./store-drivers.ts";

/** `STORE_KILLS=1000 npx vitest run test/store/kill-steps.test.ts` for a long run. */
const ROUNDS = Number(process.env.STORE_KILLS ?? 5);
const SEED = Number(process.env.STORE_SEED ?? 3);
/** A step that does not come again in time is not waited for. */
const ROUND_MS_MAX = 1500;

const STEPS = OPERATIONS.flatMap(
  (operation) =>
    ENGINES.flatMap((engine) => (["before", "after"] as const).map((side) => ({ operation, engine, side }))),
  // The head is opened once and never closed or removed by a running store; a pack is removed with its segment.
).filter(({ operation, engine }) =>
  engine === "head" ? operation === "commit" : engine !== "pack" || operation !== "remove",
);

interface Life {
  readonly isCopied: boolean;
  readonly acked: { readonly src: string; readonly seq: number; readonly id: string }[];
  /** How many were acked when the last deletion that was answered was asked for: those of `gone` among them are gone. */
  deletedCount: number;
  /** Past so many acked ones, none was deleted. */
  keptFrom: number;
}

/** Runs the child to its death; copies the store meanwhile where asked to. */
async function live(dir: string, boot: string, point: KillPoint, copyTo: string | undefined): Promise<Life> {
  const child = await spawnTs("test/store/busy-child.ts", [dir, boot, textOf(point)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  const ended = once(child, "close");
  await Promise.race([once(child.stdout ?? child, "data"), ended]);
  const timer = setTimeout(() => child.kill("SIGKILL"), ROUND_MS_MAX);
  // It may have been killed before it made a store.
  const isCopied = copyTo !== undefined && text !== "";
  if (isCopied) await copyInto(dir, copyTo);
  await ended;
  clearTimeout(timer);
  const life: Life = { isCopied, acked: [], deletedCount: 0, keptFrom: 0 };
  let askedAt = 0;
  for (const line of text.split("\n").slice(0, -1)) {
    const [what, src = "", seq, id = ""] = line.split(" ");
    expect(what, line).not.toBe("failed");
    if (what === "acked") life.acked.push({ src, seq: Number(seq), id });
    if (what === "deleting") {
      askedAt = life.acked.length;
      life.keptFrom = Number.POSITIVE_INFINITY;
    }
    if (what === "deleted") {
      life.deletedCount = askedAt;
      life.keptFrom = life.acked.length;
    }
  }
  return life;
}

async function copyInto(from: string, to: string): Promise<void> {
  const view = await viewStore(new LmdbViews(from));
  const space = await LmdbSpace.open(to);
  await copyStore(view, space, async () => {});
  await space.close();
  await view.close();
}

/** Everything there is, checked to be without holes: within a boot, what is kept goes on without a break. */
async function wholeList(store: ChunkedStore, where: string): Promise<StoredEntry[]> {
  const all = await listAll(store, { project: "p" }, 1000);
  const next = new Map<string, number>();
  for (const one of all) {
    const name = `${one.src} ${one.boot}`;
    const expected = next.get(name) ?? one.seq;
    expect(one.seq, `${name}, ${where}`).toBe(expected);
    next.set(name, (one.seq ?? 0) + 1);
    const padding = "x".repeat((one.seq ?? 0) % 90);
    expect(one.msg).toBe(JSON.stringify(`entry ${one.seq} of ${one.src} ${padding}`));
  }
  for (const src of ["s0", "s1", "s2", "gone"]) {
    const mine = await listAll(store, { project: "p", src }, 1000);
    expect(mine, where).toEqual(all.filter((one) => one.src === src));
  }
  return all;
}

function expectAcked(life: Life, all: readonly StoredEntry[], where: string): void {
  const listed = new Map(all.map((one) => [one.id, one]));
  // Retention takes the oldest of all, whole segments.
  const oldest = all.reduce((low, { id }) => (id < low ? id : low), "~");
  for (const [index, { src, seq, id }] of life.acked.entries()) {
    const one = listed.get(id);
    if (one !== undefined) expect([one.src, one.seq], where).toEqual([src, seq]);
    else if (src === "gone")
      expect(index < life.keptFrom || id < oldest, `${src} ${seq}, ${where}`).toBe(true);
    else expect(id < oldest, `${src} ${seq} is missing, ${where}`).toBe(true);
  }
}

describe("a store that seals, compacts, expires, deletes and is copied, killed at a step of any of them", () => {
  it(
    "has what was acked, nothing twice, and the same pages before and after what is left to do",
    async () => {
      const { dir, remove } = await temporaryFolder();
      const random = new SeededRandom(SEED);
      const met = new Set<string>();
      for (let round = 1; round <= ROUNDS; round++) {
        const step = STEPS[(round + random.below(STEPS.length)) % STEPS.length];
        if (step === undefined) break;
        const point = { ...step, count: 2 + random.below(step.operation === "commit" ? 40 : 12) };
        const where = `round ${round}, ${textOf(point)}, seed ${SEED}`;
        const copy = round % 3 === 0 ? await temporaryFolder() : undefined;
        const life = await live(dir, `boot-${round}`, point, copy?.dir);
        met.add(`${step.operation} ${step.engine}`);
        expect((await checkOf(new LmdbViews(dir))).problems, where).toEqual([]);
        if (copy !== undefined && life.isCopied) {
          expect((await checkOf(new LmdbViews(copy.dir))).problems, where).toEqual([]);
          const store = await openLmdbStore(copy.dir);
          await wholeList(store, `copy of ${where}`);
          await store.close();
          await copy.remove();
        }
        const store = await openLmdbStore(dir);
        const all = await wholeList(store, where);
        expectAcked(life, all, where);
        const listed = new Set(all.map(({ id }) => id));
        const deleted = life.acked.slice(0, life.deletedCount).filter(({ src }) => src === "gone");
        expect(
          deleted.filter(({ id }) => listed.has(id)),
          where,
        ).toEqual([]);
        for (const src of ["s0", "s1", "s2"]) {
          const top = life.acked.filter((one) => one.src === src).at(-1)?.seq ?? 0;
          expect(await store.mark("p", src, `boot-${round}`), where).toBeGreaterThanOrEqual(top);
        }
        await store.seal();
        expect(await wholeList(store, `sealed, ${where}`)).toEqual(all);
        await store.maintain();
        expect(await wholeList(store, `compacted, ${where}`)).toEqual(all);
        await store.close();
        expect((await checkOf(new LmdbViews(dir))).problems, `compacted, ${where}`).toEqual([]);
      }
      expect(met.size).toBeGreaterThan(2);
      await remove();
    },
    ROUNDS * 60_000,
  );
});
