/*
 * Runs the benchmarks and writes docs/benchmarks.md.
 * npm run bench -- [--only NAME,NAME] [--pairs N] [--scale 0.1] [--out FOLDER] [--list | --report]
 * --report runs nothing and writes the pages of what was measured before.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cluster } from "./cluster/cluster.ts";
import type { Bench } from "./harness/bench.ts";
import { type Machine, report, type Section } from "./harness/report.ts";
import { live } from "./live/live.ts";
import { memory } from "./memory/memory.ts";
import { ingest } from "./mqtt/ingest.ts";
import { serial } from "./serial/serial.ts";
import { service } from "./service/service.ts";
import { simulator } from "./sim/sim.ts";
import { slowDisk } from "./slow-disk/slow-disk.ts";
import { storeGrowth } from "./store/growth.ts";
import { store } from "./store/store.ts";

const BENCHES: readonly Bench[] = [
  ingest,
  serial,
  live,
  memory,
  service,
  store,
  storeGrowth,
  slowDisk,
  cluster,
  simulator,
];
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** What the figures depend on. */
const PACKAGES = ["aedes", "mqtt", "lmdb", "cbor-x", "serialport", "fastify", "ws"];

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    pairs: { type: "string", default: "3" },
    scale: { type: "string", default: "1" },
    out: { type: "string", default: join(ROOT, "docs") },
    list: { type: "boolean", default: false },
    report: { type: "boolean", default: false },
  },
});
if (values.list) {
  for (const { name, title } of BENCHES) console.log(`${name.padEnd(12)} ${title}`);
} else {
  await runAll();
}

async function runAll(): Promise<void> {
  const only = values.report ? [] : values.only?.split(",");
  const unknown = only?.find((name) => !BENCHES.some((bench) => bench.name === name));
  const pairCount = Number(values.pairs);
  const scale = Number(values.scale);
  if (unknown !== undefined) return wrong(`--only: no benchmark is called ${unknown}; --list names them`);
  if (!Number.isInteger(pairCount) || pairCount < 1) return wrong("--pairs: must be an integer from 1 up");
  if (!(scale > 0 && scale <= 10)) return wrong("--scale: must be a number above 0, at most 10");

  // Sections that were not run now stand as they were measured last.
  const resultsFile = join(ROOT, "bench/results.jsonl");
  const known = new Map((await readResults(resultsFile)).map((section) => [section.name, section]));
  const options = [
    ...(only === undefined ? [] : [`--only ${values.only}`]),
    ...(scale === 1 ? [] : [`--scale ${scale}`]),
  ];
  const command = ["npm run bench", ...(options.length > 0 ? ["--", ...options] : [])].join(" ");
  for (const { name, title, run } of BENCHES) {
    if (only !== undefined && !only.includes(name)) continue;
    const progress = (text: string): void => void process.stderr.write(`${name}: ${text}\n`);
    const ran = { command, pairCount, date: new Date().toISOString().slice(0, 10), load: loadavg()[0] ?? 0 };
    known.set(name, { name, title, ran, result: await run({ pairCount, scale, progress }) });
  }
  const sections = BENCHES.flatMap(({ name }) => known.get(name) ?? []);
  const { markdown, plots } = report(sections, await machineNow());
  process.stdout.write(markdown);
  await mkdir(join(values.out, "images/benchmarks"), { recursive: true });
  await writeFile(join(values.out, "benchmarks.md"), markdown);
  for (const [file, text] of plots) await writeFile(join(values.out, "images/benchmarks", file), text);
  await writeFile(resultsFile, sections.map((section) => `${JSON.stringify(section)}\n`).join(""));
}

function wrong(text: string): void {
  process.stderr.write(`${text}\n`);
  process.exitCode = 2;
}

async function readResults(file: string): Promise<readonly Section[]> {
  try {
    const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
    return lines.map((line) => JSON.parse(line) as Section);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

async function machineNow(): Promise<Machine> {
  const packages: Record<string, string> = {};
  for (const name of PACKAGES) {
    const text = await readFile(join(ROOT, "node_modules", name, "package.json"), "utf8");
    packages[name] = (JSON.parse(text) as { version: string }).version;
  }
  return {
    cpu: cpus()[0]?.model ?? "an unknown processor",
    cores: cpus().length,
    memoryGigabytes: Math.round(totalmem() / 1e9),
    node: process.versions.node,
    kernel: release().split("-")[0] ?? "",
    packages,
  };
}
