import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bench, BenchOptions, BenchResult, Pair } from "../harness/bench.ts";
import { LineProcess } from "../harness/line-process.ts";
import { installPeer } from "../harness/peers.ts";
import { corpusBatches } from "./corpus.ts";
import { PostgresPeer } from "./postgres.ts";

const PEER = "better-sqlite3";
const PEER_VERSION = "12.11.1";
/** In batches of any size: what a row costs grows with its index, and what a seal costs falls with the entries of a source. */
const ENTRIES = 1_000_000;
const PAGES = 2_000;

interface Appended {
  readonly cpuMicrosecondsSealed: number;
  readonly bytesSealed: number;
}

interface Compacted {
  readonly bytesCompact: number;
  readonly cpuMicrosecondsCompacted: number;
}

/** What `page.ts` says, one line after the other. */
interface PageLine {
  readonly page?: string;
  readonly cpuUs: number;
}

/** The embedded store in process, beside a row an entry in SQLite, each in a process of its own. */
export const store: Bench = {
  name: "store",
  title: "The store: durable append with sealing, bytes on disk, pages",
  async run({ pairCount, scale, progress }: BenchOptions): Promise<BenchResult> {
    progress(`installing ${PEER}, which may have to be compiled`);
    const module = await installPeer(PEER, PEER_VERSION);
    const pairs: Record<"large" | "copied" | "small" | "sealed" | "compact" | "page", Pair[]> = {
      large: [],
      copied: [],
      small: [],
      sealed: [],
      compact: [],
      page: [],
    };
    const own: Record<"cpu" | "smallCpu" | "joinedCpu" | "bytes" | "compact" | "compactCpu", number[]> = {
      cpu: [],
      smallCpu: [],
      joinedCpu: [],
      bytes: [],
      compact: [],
      compactCpu: [],
    };
    const entries = Math.max(50_000, Math.round(ENTRIES * scale));
    for (let pair = 0; pair < pairCount; pair++) {
      progress(`pair ${pair + 1} of ${pairCount}`);
      const pageUs = await pageCost(entries);
      const large = await ask<Appended>("append", ["--entries", `${entries}`]);
      const little = await ask<Appended>("append", ["--entries", `${entries}`, "--batch", "20"]);
      const joined = await ask<Appended>("append", [
        "--entries",
        `${entries}`,
        "--batch",
        "20",
        "--callers",
        "10",
      ]);
      const compacted = await ask<Compacted>("compact", ["--entries", `${entries}`]);
      own.cpu.push(large.cpuMicrosecondsSealed);
      own.smallCpu.push(little.cpuMicrosecondsSealed);
      own.joinedCpu.push(joined.cpuMicrosecondsSealed);
      own.bytes.push(large.bytesSealed);
      own.compact.push(compacted.bytesCompact);
      own.compactCpu.push(compacted.cpuMicrosecondsCompacted);
      const copiedUs = await copyCost(entries);
      if (copiedUs !== undefined) pairs.copied.push({ ours: large.cpuMicrosecondsSealed, other: copiedUs });
      if (module === undefined) continue;
      const rows = (
        count: number,
        batch: number,
        pages: number,
      ): Promise<Appended & { cpuMicrosecondsPage: number }> =>
        ask("rows", [
          "--module",
          module,
          "--entries",
          `${count}`,
          "--batch",
          `${batch}`,
          "--pages",
          `${pages}`,
        ]);
      const largeRows = await rows(entries, 1000, PAGES);
      const smallRows = await rows(entries, 20, 0);
      pairs.large.push({ ours: large.cpuMicrosecondsSealed, other: largeRows.cpuMicrosecondsSealed });
      pairs.small.push({ ours: little.cpuMicrosecondsSealed, other: smallRows.cpuMicrosecondsSealed });
      pairs.sealed.push({ ours: large.bytesSealed, other: largeRows.bytesSealed });
      pairs.compact.push({ ours: compacted.bytesCompact, other: largeRows.bytesSealed });
      pairs.page.push({ ours: pageUs, other: largeRows.cpuMicrosecondsPage });
    }
    const against = `a row an entry in ${PEER} ${PEER_VERSION}, WAL, FULL, a unique index on (src, boot, seq)`;
    const us = { against, unit: "us" };
    const bytes = { against, unit: "bytes" };
    return {
      comparisons: [
        ...(pairs.copied.length === 0
          ? []
          : [
              {
                what: "CPU of an entry, batches of 1,000, seal counted",
                against:
                  "PostgreSQL by COPY, a commit a batch, an index on (src, boot, seq), server and client",
                unit: "us",
                pairs: pairs.copied,
                atMost: 1 / 3,
              },
            ]),
        ...(module === undefined
          ? []
          : [
              {
                what: "CPU of an entry, batches of 1,000, seal counted",
                ...us,
                pairs: pairs.large,
                atMost: 1 / 8,
              },
              {
                what: "CPU of an entry, batches of 20, one caller",
                ...us,
                pairs: pairs.small,
                atMost: 1 / 2,
              },
              { what: "disk of an entry, sealed", ...bytes, pairs: pairs.sealed, atMost: 1 / 4 },
              { what: "disk of an entry, compacted", ...bytes, pairs: pairs.compact, atMost: 1 / 8 },
              {
                what: "CPU of a page of 100 of one source after a random place",
                ...us,
                against: `${against}; an index on (src, id) made for the pages afterwards`,
                pairs: pairs.page,
                atMost: 1,
              },
            ]),
      ],
      figures: [
        { what: "CPU of an entry, batches of 1,000, seal counted", unit: "us", values: own.cpu },
        { what: "CPU of an entry, batches of 20, one caller", unit: "us", values: own.smallCpu },
        { what: "CPU of an entry, batches of 20, ten callers at a time", unit: "us", values: own.joinedCpu },
        { what: "disk of an entry, sealed", unit: "bytes", values: own.bytes },
        { what: "disk of an entry, compacted", unit: "bytes", values: own.compact, atMost: 10.5 },
        { what: "CPU of the compaction of an entry", unit: "us", values: own.compactCpu },
      ],
      notes: [
        ...(module === undefined ? [`left out: ${PEER} cannot be installed here`] : []),
        ...(pairs.copied.length === 0 ? ["left out: PostgreSQL, of Debian's package postgresql"] : []),
      ],
    };
  },
};

/** CPU of an entry in PostgreSQL, us; undefined where there is none. */
function copyCost(entryCount: number): Promise<number | undefined> {
  return PostgresPeer.during((postgres) => postgres.copy(corpusBatches(entryCount, 1_000)));
}

/** CPU of a page of 100 of one source after a random place, us. */
async function pageCost(entryCount: number): Promise<number> {
  let cpuUs = Number.NaN;
  await withProgram("page", ["--sizes", `${entryCount}`, "--pages", `${PAGES}`], async (program) => {
    for (let line: PageLine | undefined; line?.page !== "source, random place"; ) {
      line = await program.next<PageLine>();
      cpuUs = line.cpuUs;
    }
  });
  return cpuUs;
}

async function ask<T>(name: string, args: readonly string[]): Promise<T> {
  let answer: T | undefined;
  await withProgram(name, args, async (program) => {
    answer = await program.next<T>();
  });
  return answer as T;
}

/** A program of this folder, with a folder of its own for what it stores. */
async function withProgram(
  name: string,
  args: readonly string[],
  action: (program: LineProcess) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "boardlog-bench-"));
  const program = await LineProcess.start(`bench/store/${name}.ts`, [...args, "--dir", join(dir, "data")]);
  try {
    await action(program);
  } finally {
    await program.stop();
    await rm(dir, { recursive: true, force: true });
  }
}
