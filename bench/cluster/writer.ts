import { createInterface } from "node:readline";
import { CounterTable } from "../../host/counters.ts";
import { silentLog } from "../../host/process-log.ts";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { systemRandom } from "../../host/system-random.ts";
import type { MsgJson, NewEntry } from "../../protocol/entry.ts";
import { walkOn } from "../../service/entry-walk.ts";
import { openJetStreamStore } from "../../service/store/jetstream/open-jetstream-store.ts";
import { StoreUnavailable } from "../../service/store/log-store.ts";
import { readLines } from "../store/corpus.ts";
import { percentile } from "../store/measure.ts";

/*
 * One process with the store on a cluster, as a service has it: appends and reads as it is asked by lines of JSON.
 * node writer.mjs SERVERS NAME
 */
const [servers = "", name = ""] = process.argv.slice(2);
const project = "default";
/** Sources that one call brings lines of, and calls under way. */
const BATCH_SOURCES = 250;
const UNDERWAY = 4;
/** How long it waits for a cluster that begins. */
const OPEN_TRIES = 100;
const OPEN_PAUSE_MS = 300;

export interface WriterQuestion {
  /** One line of each of these sources; until it is done or the time is over. */
  readonly fill?: { readonly from: number; readonly to: number; readonly msMax: number };
  /** Lines of so many sources, one after the other, so many of each in a message. */
  readonly load?: { readonly sources: number; readonly ms: number; readonly perMessage: number };
  /** Lines of one source, ten in a message. */
  readonly deep?: { readonly src: string; readonly from: number; readonly to: number };
  /** So many of each kind of page, of a source with so many lines. */
  readonly pages?: { readonly count: number; readonly src: string; readonly lines: number };
}

export interface Appended {
  readonly stored: number;
  readonly ms: number;
  readonly cpuUs: number;
}

/** Of one kind of page, ms. */
export interface PageTimes {
  readonly p50: number;
  readonly p99: number;
}

export type Pages = Readonly<Record<(typeof KINDS)[number], PageTimes>> & { readonly residentBytes: number };
const KINDS = ["newest", "next", "newestOfAll", "names", "inTime", "range"] as const;

const lines = readLines(undefined);
let lineCount = 0;
const seqs = new Map<string, number>();

function entryOf(src: string, timestamp = Date.now()): NewEntry {
  const line = lines[lineCount++ % lines.length];
  const seq = (seqs.get(src) ?? 0) + 1;
  seqs.set(src, seq);
  return {
    src,
    stream: "console",
    msg: JSON.stringify(line?.msg ?? "") as MsgJson,
    timestamp,
    received: timestamp + 40,
    clock: "device",
    boot: `b-${name}`,
    seq,
    ...(line?.level !== undefined && { level: line.level }),
  };
}

async function open() {
  const world = { clock: systemClock, timers: systemTimers, random: systemRandom };
  for (let attempt = 1; ; attempt++) {
    try {
      const { store } = await openJetStreamStore(
        { ...world, counters: new CounterTable(), log: silentLog },
        { servers: servers.split(","), replicas: 3 },
        { prefix: "bench", keepMs: undefined, keepBytes: undefined },
      );
      return store;
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || attempt >= OPEN_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, OPEN_PAUSE_MS));
    }
  }
}

const store = await open();

/** Appends what `next` gives, a few calls ahead, until it gives nothing. */
async function append(next: () => NewEntry[] | undefined): Promise<Appended> {
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  let stored = 0;
  const worker = async (): Promise<void> => {
    for (let entries = next(); entries !== undefined; entries = next()) {
      const [result] = await store.append([{ project, entries }]);
      stored += result?.storedCount ?? 0;
    }
  };
  await Promise.all(Array.from({ length: UNDERWAY }, worker));
  const { user, system } = process.cpuUsage(startCpu);
  return { stored, ms: performance.now() - startMs, cpuUs: user + system };
}

const sourceName = (number: number): string => `${name}-dev-${number}`;

function fill({ from, to, msMax }: NonNullable<WriterQuestion["fill"]>): Promise<Appended> {
  let at = from;
  const untilMs = performance.now() + msMax;
  return append(() => {
    if (at >= to || performance.now() >= untilMs) return undefined;
    const start = at;
    at = Math.min(to, at + BATCH_SOURCES);
    return Array.from({ length: at - start }, (_, index) => entryOf(sourceName(start + index)));
  });
}

function load({ sources, ms, perMessage }: NonNullable<WriterQuestion["load"]>): Promise<Appended> {
  let at = 0;
  const untilMs = performance.now() + ms;
  return append(() => {
    if (performance.now() >= untilMs) return undefined;
    const entries: NewEntry[] = [];
    for (let count = 0; count < BATCH_SOURCES; count++) {
      const src = sourceName(at++ % sources);
      for (let line = 0; line < perMessage; line++) entries.push(entryOf(src));
    }
    return entries;
  });
}

/** A line a second, as of a board that has logged for so long. */
async function deep({ src, from, to }: NonNullable<WriterQuestion["deep"]>): Promise<Appended> {
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  for (let at = from; at < to; at += 10) {
    const entries = Array.from({ length: 10 }, (_, index) => entryOf(src, deepMs(at + index)));
    await store.append([{ project, entries }]);
  }
  const { user, system } = process.cpuUsage(startCpu);
  return { stored: to - from, ms: performance.now() - startMs, cpuUs: user + system };
}

const DEEP_START_MS = Date.now();
function deepMs(line: number): number {
  return DEEP_START_MS + line * 3;
}

async function timed(count: number, task: () => Promise<unknown>): Promise<PageTimes> {
  const times: number[] = [];
  for (let turn = 0; turn < count; turn++) {
    const startMs = performance.now();
    await task();
    times.push(performance.now() - startMs);
  }
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}

async function pages({ count, src, lines: lineTotal }: NonNullable<WriterQuestion["pages"]>): Promise<Pages> {
  const ids = (await store.list({ project, src, limit: 1000 })).map(({ id }) => id);
  const any = (below: number): number => Math.floor(Math.random() * below);
  const walkWorld = { store, clock: systemClock, timers: systemTimers };
  return {
    newest: await timed(count, () => store.list({ project, src, limit: 100, newest: true })),
    next: await timed(count, () =>
      store.list({ project, src, limit: 100, after: ids[any(ids.length)] ?? "" }),
    ),
    newestOfAll: await timed(count, () => store.listProject({ project, limit: 100, newest: true })),
    names: await timed(Math.min(count, 5), () => store.sources(project)),
    inTime: await timed(Math.min(count, 20), () =>
      store.listByTime({
        project,
        src,
        limit: 100,
        newest: true,
        sinceMs: 0,
        untilMs: Number.MAX_SAFE_INTEGER,
      }),
    ),
    range: await timed(Math.min(count, 20), () => {
      const sinceMs = deepMs(any(Math.max(1, lineTotal - 100)));
      return walkOn(walkWorld, {
        project,
        filter: { src },
        sinceMs,
        untilMs: sinceMs + 300,
        after: undefined,
        before: undefined,
        limit: 1000,
      });
    }),
    residentBytes: process.memoryUsage().rss,
  };
}

async function answer(question: WriterQuestion): Promise<Appended | Pages> {
  if (question.fill !== undefined) return await fill(question.fill);
  if (question.load !== undefined) return await load(question.load);
  if (question.deep !== undefined) return await deep(question.deep);
  if (question.pages !== undefined) return await pages(question.pages);
  throw new TypeError("nothing is asked");
}

process.stdout.write('"open"\n');
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line) as WriterQuestion))}\n`);
}
await store.close();
process.exit(0);
