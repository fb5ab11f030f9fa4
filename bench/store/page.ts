import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CounterTable } from "../../host/counters.ts";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { systemRandom } from "../../host/system-random.ts";
import { openStore } from "../../service/store/open-store.ts";
import { makeEntries, readLines } from "./corpus.ts";
import { cpuMicroseconds, percentile } from "./measure.ts";

/*
 * Pages of 100 after random places, in process, of stores of growing size.
 * node page [--corpus FILE] [--sizes N,N] [--sources N] [--pages N] [--dir DIR]
 */
const { values } = parseArgs({
  options: {
    corpus: { type: "string" },
    sizes: { type: "string", default: "100000,1000000" },
    sources: { type: "string", default: "1000" },
    pages: { type: "string", default: "3000" },
    dir: { type: "string", default: join(tmpdir(), "boardlog-bench-page") },
  },
});
const sourceCount = Number(values.sources);
const pageCount = Number(values.pages);
const lines = readLines(values.corpus);
const log = { debug() {}, info() {}, warn: console.warn, error: console.error };
rmSync(values.dir, { recursive: true, force: true });
const counters = new CounterTable();
let store = await openStore({
  dir: values.dir,
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  counters,
  log,
});
const project = "default";
const ids: string[] = [];
let entryCount = 0;

for (const size of values.sizes.split(",").map(Number)) {
  while (entryCount < size) {
    const entries = makeEntries(lines, sourceCount, entryCount, 1000);
    const [result] = await store.append([{ project, entries }]);
    ids.push(result?.stored[entryCount % 997]?.id ?? "");
    entryCount += 1000;
  }
  await store.seal();
  await store.close();
  const openStart = performance.now();
  store = await openStore({
    dir: values.dir,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    counters,
    log,
  });
  const openMs = performance.now() - openStart;
  const asPages = {
    "source, random place": (): Promise<unknown> =>
      store.list({ project, src: randomSource(), after: randomId(), limit: 100 }),
    "source, newest": (): Promise<unknown> =>
      store.list({ project, src: randomSource(), limit: 100, newest: true }),
    "project, newest": (): Promise<unknown> => store.listProject({ project, limit: 100, newest: true }),
    "project, random place": (): Promise<unknown> =>
      store.listProject({ project, after: randomId(), limit: 100 }),
  };
  console.log(JSON.stringify({ entries: size, openMs: Math.round(openMs * 10) / 10 }));
  for (const [name, page] of Object.entries(asPages)) await measure(name, page);
}
await store.close();

async function measure(name: string, page: () => Promise<unknown>): Promise<void> {
  const count = name.startsWith("project") ? pageCount / 10 : pageCount;
  for (let index = 0; index < count / 3; index++) await page();
  const times: number[] = [];
  const cpu = process.cpuUsage();
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    await page();
    times.push((performance.now() - start) * 1000);
  }
  const cpuUs = Math.round(cpuMicroseconds(cpu) / count);
  const [p50Us, p99Us] = [0.5, 0.99].map((fraction) => Math.round(percentile(times, fraction)));
  console.log(JSON.stringify({ entries: entryCount, page: name, cpuUs, p50Us, p99Us }));
}

function randomSource(): string {
  return `dev-${String(Math.floor(Math.random() * sourceCount)).padStart(4, "0")}`;
}

function randomId(): string {
  return ids[Math.floor(Math.random() * ids.length * 0.9)] ?? "";
}
