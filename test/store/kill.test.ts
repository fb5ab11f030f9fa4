import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { CounterTable } from "../../host/counters.ts";
import { StoreUnavailable } from "../../service/store/log-store.ts";
import { entry, listAll } from "../conformance/store-driver.ts";
import { bundleTs, spawnTs } from "../support/run-ts.ts";
import { openLmdbStore, SeededRandom, temporaryFolder } from "./store-drivers.ts";

const ROUNDS = Number(process.env.STORE_KILLS ?? 8);
const SEED = Number(process.env.STORE_SEED ?? 1);

interface Acked {
  readonly src: string;
  readonly seq: number;
  readonly id: string;
}

/** Waits until the child has said `count` lines, and gives it some time more. Returns what it said before it was killed. */
async function runAndKill(child: ChildProcess, count: number, ms: number): Promise<string[]> {
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  let complaint = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    complaint += chunk;
  });
  const ended = once(child, "close");
  while (text.split("\n").length <= count) {
    const [more] = await Promise.race([once(child.stdout ?? child, "data"), ended]);
    if (typeof more !== "string") throw new Error(`the child ended early: ${complaint}`);
  }
  await new Promise((resolve) => setTimeout(resolve, ms));
  child.kill("SIGKILL");
  await ended;
  // The last line may be cut.
  return text.split("\n").slice(0, -1);
}

describe("a store on lmdb whose process is killed", () => {
  it(
    "has every acked entry once, with its id, unaltered and in order, round after round",
    async () => {
      const { dir, remove } = await temporaryFolder();
      const random = new SeededRandom(SEED);
      const acked: Acked[] = [];
      for (let round = 1; round <= ROUNDS; round++) {
        const child = await spawnTs("test/store/appending-child.ts", [dir, "1", `boot-${round}`], {
          stdio: ["ignore", "pipe", "pipe"],
        });
        // Killed at its beginning or in the midst of its work, however fast the machine is.
        const lines = await runAndKill(child, round % 2 === 0 ? 1 : 250, random.below(700));
        for (const line of lines.slice(1)) {
          const [src = "", seq, id = ""] = line.split(" ");
          acked.push({ src, seq: Number(seq), id });
        }
        const counters = new CounterTable();
        const store = await openLmdbStore(dir, { counters });
        const all = await listAll(store, { project: "p" }, 1000);
        const byId = new Map(all.map((one) => [one.id, one]));
        expect(byId.size).toBe(all.length);
        for (const { src, seq, id } of acked)
          expect([byId.get(id)?.src, byId.get(id)?.seq]).toEqual([src, seq]);
        const next = new Map<string, number>();
        for (const one of all) {
          const name = `${one.src} ${one.boot}`;
          expect(one.seq, `${name}, seed ${SEED}`).toBe(next.get(name) ?? 1);
          next.set(name, (one.seq ?? 0) + 1);
          const size = (one.seq ?? 0) % 90;
          expect(one.msg).toBe(JSON.stringify(`entry ${one.seq} of ${one.src} ${"x".repeat(size)}`));
        }
        for (let index = 0; index < 6; index++) {
          const src = `s${index}`;
          const mine = all.filter((one) => one.src === src);
          expect(await listAll(store, { project: "p", src }, 1000)).toEqual(mine);
          const last = (next.get(`${src} boot-${round}`) ?? 1) - 1;
          expect(await store.mark("p", src, `boot-${round}`)).toBe(last);
        }
        expect(counters.values()).toEqual({});
        await store.close();
      }
      expect(acked.length).toBeGreaterThan(ROUNDS * 100);
      expect((await readdir(dir)).filter((file) => /^seg-.*\.mdb$/.test(file)).length).toBeGreaterThan(1);
      await remove();
    },
    ROUNDS * 60_000,
  );
});

/**
 * Runs the child until its store fails; checks that it said so, and that all it acked is there when the store is opened again.
 * @param mayAbort lmdb's own code sometimes damages its heap where the write of a page fails, and the C library then ends the
 *   process: no word is said, and what was acked must be there all the same.
 */
async function expectOrderlyEnd(
  command: string,
  args: readonly string[],
  dir: string,
  mayAbort = false,
): Promise<void> {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "ignore"],
    timeout: 120_000,
    killSignal: "SIGKILL",
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  const [status, signal] = await once(child, "close");
  const lines = text.split("\n").slice(0, -1);
  const isAborted = mayAbort && (signal === "SIGABRT" || signal === "SIGSEGV");
  const lastWords = lines.at(-1)?.startsWith("failed ") ? lines.pop() : undefined;
  if (!isAborted)
    expect({ status, lastWords }).toEqual({ status: 3, lastWords: "failed 1 STORE_UNAVAILABLE" });
  const acked = lines.slice(1);
  expect(acked.length).toBeGreaterThan(30);
  const store = await openLmdbStore(dir);
  const all = await listAll(store, { project: "p" }, 1000);
  const listed = new Set(all.map((one) => `${one.src} ${one.seq} ${one.id}`));
  expect(acked.filter((line) => !listed.has(line))).toEqual([]);
  expect(new Set(all.map((one) => `${one.src} ${one.seq}`)).size).toBe(all.length);
  expect((await store.append([{ project: "p", entries: [entry("s9", 1)] }]))[0]?.storedCount).toBe(1);
  await store.close();
}

describe("a store on lmdb whose disk fails it", () => {
  for (const { full, kibibytes } of [
    { full: "log", kibibytes: 56 },
    { full: "segments", kibibytes: 100 },
  ]) {
    it(`ends for good when the ${full} cannot grow, tells its owner once, has all that it acked, and works again once there is room`, async () => {
      const { dir, remove } = await temporaryFolder();
      const path = await bundleTs("test/store/appending-child.ts");
      // A write past this size of a file fails, as on a full disk.
      const script = `trap '' XFSZ; ulimit -f ${kibibytes}; exec "$0" "$@"`;
      const args = ["-c", script, process.execPath, path, dir, "1", "boot", "500000"];
      await expectOrderlyEnd("bash", args, dir);
      await remove();
    });
  }

  // Faults of the kernel itself, where the tracer that makes them is there and allowed.
  const canInject = spawnSync("strace", ["-e", "inject=fdatasync:error=EIO", "true"]).status === 0;
  for (const fault of [
    "pwritev:error=EIO:when=12",
    "pwritev:error=ENOSPC:when=30+",
    "fdatasync:error=EIO:when=12",
    "fdatasync:error=EIO:when=30+",
    "pwrite64:error=EIO:when=20",
    "writev:error=ENOSPC:when=9+",
  ]) {
    it.skipIf(!canInject)(`ends for good at ${fault}, and never tries again on the same file`, async () => {
      const { dir, remove } = await temporaryFolder();
      const path = await bundleTs("test/store/appending-child.ts");
      const [call = ""] = fault.split(":");
      const tracer = ["-f", "-o", "/dev/null", "-e", `trace=${call}`, "-e", `inject=${fault}`];
      const args = [...tracer, process.execPath, path, dir, "1", "boot", "500000"];
      await expectOrderlyEnd("strace", args, dir, call === "pwrite64");
      await remove();
    });
  }
});

describe("the folder of a store", () => {
  it("is refused to a second process while the first one lives, and given once it was killed", async () => {
    const { dir, remove } = await temporaryFolder();
    const child = await spawnTs("test/store/appending-child.ts", [dir, "1", "first"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = once(child, "close");
    await once(child.stdout ?? child, "data");
    await expect(openLmdbStore(dir)).rejects.toThrow(StoreUnavailable);
    await expect(openLmdbStore(dir)).rejects.toThrow(`process ${child.pid}`);
    child.kill("SIGKILL");
    await ended;
    const store = await openLmdbStore(dir);
    await expect(openLmdbStore(dir)).rejects.toThrow(/already open/);
    await store.close();
    const again = await openLmdbStore(dir);
    await again.close();
    await remove();
  });
});
