import { afterEach, expect, test } from "vitest";
import { BoardlogProcess, runBoardlog, until } from "../support/boardlog-process.ts";

interface Told {
  readonly level?: string;
  readonly module?: string;
  readonly msg: unknown;
}

let up: BoardlogProcess;
afterEach(() => up.remove());

async function entriesOf(src: string): Promise<readonly Told[]> {
  const { stdout } = await runBoardlog(["list", src, "--json", "--data", up.dataFolder]);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Told);
}

test.each([
  ["greenhouse", "over MQTT"],
  ["pump", "over its serial line"],
])("a demo board logs more while a lease lasts, and falls back by itself: %s, %s", async (src) => {
  up = await BoardlogProcess.create(["--demo", "--quiet"]);
  await up.start();
  // On a shared wire a board takes commands once it has met its gateway.
  await until("the board logs", async () => (await entriesOf(src)).some(({ level }) => level === undefined));
  await until("it is told", async () => {
    const level = await runBoardlog(["level", src, "debug", "--for", "4s", "--data", up.dataFolder]);
    expect(level.status).toBe(0);
    return level.stdout === `${src}: debug for 4s; sent\n`;
  });
  const isEnd = ({ module, msg }: Told): boolean => module === "boardlog" && msg === "level as set";
  await until("the lease ends", async () => (await entriesOf(src)).some(isEnd));
  await until("it logs on", async () => {
    const entries = await entriesOf(src);
    return entries.length - entries.findIndex(isEnd) > 4;
  });
  const entries = await entriesOf(src);
  const begin = entries.findIndex(({ module }) => module === "boardlog");
  const end = entries.findIndex(isEnd);
  expect(entries[begin]?.msg).toBe("level debug for 4 s");
  const debugAt = entries.flatMap(({ level }, index) => (level === "debug" ? [index] : []));
  expect(debugAt.length).toBeGreaterThan(0);
  for (const index of debugAt) {
    expect(index).toBeGreaterThan(begin);
    expect(index).toBeLessThan(end);
  }
});
