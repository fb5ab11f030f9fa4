import { execFile, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { buildOnce } from "../../scripts/build-once.mjs";

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "boardlog-once-"));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

/** A process that wants the file, and appends to `log` when it builds it. */
function want(at: string): Promise<unknown> {
  const script = `
    import { appendFileSync, writeFileSync } from "node:fs";
    import { setTimeout as sleep } from "node:timers/promises";
    const { buildOnce } = await import(${JSON.stringify(new URL("../../scripts/build-once.mjs", import.meta.url).href)});
    const at = ${JSON.stringify(at)};
    await buildOnce({ cache: at + "/cache", file: at + "/made", timeoutMs: 60000, async build(folder) {
      appendFileSync(at + "/log", "built\\n");
      await sleep(300);
      writeFileSync(folder + "/made", "it");
      return folder + "/made";
    }});`;
  return promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
}

async function lockOf(at: string, pid: number): Promise<string> {
  const lock = join(at, "cache/building");
  await mkdir(lock, { recursive: true });
  await writeFile(join(lock, "owner"), `${pid}`);
  return lock;
}

test("of several processes that want it at once, one builds it and the others wait", async () => {
  const at = await folder();
  await Promise.all([want(at), want(at), want(at)]);
  expect(await readFile(join(at, "log"), "utf8")).toBe("built\n");
  expect(await readFile(join(at, "made"), "utf8")).toBe("it");
  expect(await readdir(join(at, "cache"))).toEqual([]);
});

test("a lock whose owner was killed is taken over, by one", async () => {
  const at = await folder();
  await lockOf(at, spawnSync(process.execPath, ["-e", ""]).pid);
  await Promise.all([want(at), want(at)]);
  expect(await readFile(join(at, "log"), "utf8")).toBe("built\n");
});

test("a lock that is too old is taken over though its owner's number lives, and a failed build leaves no lock", async () => {
  const at = await folder();
  const lock = await lockOf(at, process.pid);
  await utimes(join(lock, "owner"), 1, 1);
  const options = { cache: join(at, "cache"), file: join(at, "made"), timeoutMs: 60_000 };
  const failing = buildOnce({
    ...options,
    build: async () => {
      throw new Error("no compiler");
    },
  });
  await expect(failing).rejects.toThrow("no compiler");
  await buildOnce({
    ...options,
    build: async (place) => {
      await writeFile(join(place, "x"), "second");
      return join(place, "x");
    },
  });
  expect(await readFile(join(at, "made"), "utf8")).toBe("second");
});
