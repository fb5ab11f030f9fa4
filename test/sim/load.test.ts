import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../store/store-drivers.ts";
import { BoardlogProcess, runBoardlog } from "../support/boardlog-process.ts";

interface Figures {
  readonly isClean: boolean;
  readonly verdict: { readonly listed: number; readonly acked: number; readonly examples: readonly string[] };
  readonly live: { readonly entries: number; readonly missing: number };
  readonly faults: readonly { readonly name: string }[];
}

test("boards on serial lines and MQTT, through a gateway and a service that are killed and links that lose: every promise is kept", async () => {
  const { dir, remove } = await temporaryFolder();
  const page = join(dir, "run.html");
  const run = await runBoardlog([
    ...["sim", "--devices", "12", "--serial", "3", "--apart", "--messages", "mixed", "--rate", "10"],
    ...["--duration", "6", "--drain", "60", "--json", "--html", page],
    ...[
      "--fault",
      "loss@1+1",
      "--fault",
      "twice@1+2",
      "--fault",
      "crash@1.5",
      "--fault",
      "kill@2",
      "--fault",
      "cut@4",
      "--fault",
      "service@4.5+1",
    ],
  ]);
  const figures = JSON.parse(run.stdout) as Figures;
  expect(figures.verdict.examples).toEqual([]);
  expect(figures.isClean).toBe(true);
  expect(figures.verdict.listed).toBeGreaterThan(100);
  expect(figures.live).toMatchObject({ missing: 0 });
  expect(figures.faults.map(({ name }) => name)).toEqual([
    "loss",
    "twice",
    "crash",
    "kill",
    "cut",
    "service",
  ]);
  const html = readFileSync(page, "utf8");
  expect(html).toContain("9 over MQTT, 3 on serial lines");
  expect(html).not.toMatch(/src="http|href="http/);
  await remove();
});

test("what a running service gets is recorded, and replayed as it was", async () => {
  const up = await BoardlogProcess.create(["--quiet", "--demo"]);
  await up.start();
  const { dir, remove } = await temporaryFolder();
  const file = join(dir, "recorded.jsonl");
  const record = ["sim", "--record", file, "--service", up.url, "--key", await up.key(), "--duration", "4"];
  const recorded = await runBoardlog(record);
  expect(recorded.stdout).toMatch(/^[1-9]\d* entries in /);
  const again = await runBoardlog(record);
  expect([again.status, again.stderr]).toEqual([2, expect.stringContaining("is there already")]);
  await up.end("SIGTERM");
  await up.remove();
  const replayed = await runBoardlog([
    "sim",
    "--devices",
    "4",
    "--replay",
    file,
    "--duration",
    "4",
    "--json",
  ]);
  const figures = JSON.parse(replayed.stdout) as Figures;
  expect([figures.isClean, figures.verdict.examples]).toEqual([true, []]);
  await rm(file);
  await remove();
});

test("what cannot be done is said before the load", async () => {
  const why = async (...args: readonly string[]): Promise<string> =>
    (await runBoardlog(["sim", ...args])).stderr;
  expect(await why("--devices", "2", "--duration", "5", "--fault", "kill@5")).toContain(
    "kill@5 is after the end",
  );
  expect(await why("--devices", "2", "--fault", "broker@1")).toContain("needs --broker mosquitto");
  expect(await why("--devices", "2", "--serial", "3")).toContain("--serial: 3 of 2 devices");
  expect(await why("--devices", "2", "--replay", "/nowhere")).toContain(
    "--replay: /nowhere: there is no such file",
  );
});
