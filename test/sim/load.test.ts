import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../store/store-drivers.ts";
import { BIN, BoardlogProcess, pause, runBoardlog } from "../support/boardlog-process.ts";

interface Figures {
  readonly isClean: boolean;
  readonly verdict: { readonly listed: number; readonly acked: number; readonly examples: readonly string[] };
  readonly live: { readonly entries: number; readonly missing: number };
  readonly faults: readonly { readonly name: string; readonly atS: number; readonly forS: number }[];
  readonly liveLatencyMs: { readonly p50?: number };
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
      "stall@3+2",
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
  // Those of the gateway's process wait for each other.
  expect(figures.faults.map(({ name }) => name).toSorted()).toEqual([
    "crash",
    "cut",
    "kill",
    "loss",
    "service",
    "stall",
    "twice",
  ]);
  // What was killed was away for a while, which the time line shows.
  for (const { name, forS } of figures.faults)
    if (["service", "stall"].includes(name)) expect(forS).toBeGreaterThan(1);
  expect(figures.liveLatencyMs.p50).toBeGreaterThan(0);
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

test("what cannot be done is said before the load, by the name of the option", async () => {
  const why = async (...args: readonly string[]): Promise<string> => {
    const { status, stderr } = await runBoardlog(["sim", ...args]);
    expect(status).not.toBe(0);
    return stderr;
  };
  const load = ["--devices", "2", "--duration", "5"] as const;
  const wrong: readonly (readonly [args: readonly string[], said: string])[] = [
    [[...load, "--fault", "kill@5"], "kill@5 is after the end"],
    [[...load, "--fault", "broker@1"], "needs --broker mosquitto"],
    [[...load, "--serial", "3"], "--serial: 3 of 2 devices"],
    [[...load, "--replay", "/nowhere"], "--replay: /nowhere: there is no such file"],
    [[...load, "--drain", "soon"], "'--drain <s>' argument 'soon' is invalid"],
    [[...load, "--html", "/nowhere/run.html"], "--html: /nowhere/run.html: there is no such folder"],
    [[...load, "--broker", "mqtts://host"], "--broker: mqtts://host is neither"],
    [[...load, "--broker", "mqtt://127.0.0.1:1"], "--broker: 127.0.0.1:1 does not answer"],
    [[...load, "--service", "here"], "--service: here is not an http://"],
    [[...load, "--seed", "3"], "--seed: is for virtual time"],
    [["--arrival", "together"], "--arrival: is for load: give --devices too"],
    [["--virtual-seconds", "x"], "must be a number of seconds above 0"],
    [
      ["--record", "file", "--service", "http://127.0.0.1:1", "--key", "k"],
      "--service: http://127.0.0.1:1 does not answer",
    ],
    [["--record", "file", "--replay", "file"], "--replay: means nothing with --record"],
  ];
  for (const [args, said] of wrong) expect(await why(...args)).toContain(said);
});

test("a load that is stopped takes along what it started, at whatever moment", async () => {
  const { dir, remove } = await temporaryFolder();
  // Where no progress is waited for, processes are just being started.
  for (const until of ["", "s left: "]) {
    const args = [BIN, "sim", "--devices", "4", "--serial", "1", "--apart", "--duration", "60"];
    const sim = spawn(process.execPath, args, { env: { ...process.env, TMPDIR: dir } });
    const gone = once(sim, "exit");
    let said = "";
    sim.stderr.on("data", (bytes: Buffer) => (said += bytes.toString()));
    await expect.poll(() => readdirSync(dir), { timeout: 60_000 }).not.toEqual([]);
    await expect.poll(() => said, { timeout: 60_000 }).toContain(until);
    sim.kill("SIGTERM");
    expect(await gone).toEqual([130, null]);
    expect(said).toContain("interrupted; there is no verdict");
    // Its settings and data are removed after the last process that uses them.
    expect(readdirSync(dir)).toEqual([]);
    expect(processesNaming(dir)).toEqual([]);
  }
  await remove();
});

test("a load goes on when nobody reads its progress any more, and a second signal takes along what it started too", async () => {
  const { dir, remove } = await temporaryFolder();
  const args = [BIN, "sim", "--devices", "4", "--apart", "--duration", "60"];
  const sim = spawn(process.execPath, [...args, "--fault", "loss@0", "--fault", "loss@1"], {
    env: { ...process.env, TMPDIR: dir },
  });
  const gone = once(sim, "exit");
  await once(sim.stderr, "data");
  sim.stderr.destroy();
  // Long enough for the next word of progress, which finds nobody.
  await pause(2000);
  expect(sim.exitCode).toBeNull();
  sim.kill("SIGTERM");
  sim.kill("SIGINT");
  expect(await gone).toEqual([130, null]);
  await expect.poll(() => processesNaming(dir), { timeout: 60_000 }).toEqual([]);
  expect(readdirSync(dir)).toEqual([]);
  await remove();
});

test("a load that is killed takes along what it started: the kernel sees to it", async () => {
  const { dir, remove } = await temporaryFolder();
  const args = [BIN, "sim", "--devices", "4", "--apart", "--duration", "60"];
  const sim = spawn(process.execPath, args, { env: { ...process.env, TMPDIR: dir } });
  let said = "";
  sim.stderr.on("data", (bytes: Buffer) => (said += bytes.toString()));
  await expect.poll(() => said, { timeout: 60_000 }).toContain("s left: ");
  expect(processesNaming(dir)).toHaveLength(2);
  sim.kill("SIGKILL");
  await expect.poll(() => processesNaming(dir), { timeout: 60_000 }).toEqual([]);
  await remove();
});

function processesNaming(text: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
    } catch {
      return false; // It ended meanwhile.
    }
  });
}
