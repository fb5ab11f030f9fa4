import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bench, BenchOptions, BenchResult, Comparison, Growth, Pair } from "../harness/bench.ts";
import { LineProcess } from "../harness/line-process.ts";

/** The last takes some five minutes and 2 GB of disk. */
const SIZES = [100_000, 1_000_000, 10_000_000, 100_000_000];
const SOURCES = 1000;
/** Two chunks of each source: as many as a page of 100 after a random place mostly meets, however large the store. */
const SMALL_ENTRIES = 256_000;
/** A page of the largest may cost so many times one of the smallest. */
const PAGE_GROWTH_MAX = 1.1;
const PAGES = 2_000;
const OPEN_MS_MAX = 2_000;
const PAGE_P99_MS_MAX = 2;

/** As `page.ts` names them. */
const RANDOM = "source, random place";
const RANDOM_COLD = "source, random place, nothing kept";
const RANDOM_FIRST = "source, random place, nothing kept, first after opening";
const RANDOM_EMPTIED = "source, random place, nothing kept, caches emptied";

/** What `page.ts` says, one line after the other. */
interface Size {
  readonly entries: number;
  readonly appendCpuUs: number;
  readonly bytesAnEntry: number;
  readonly openMs: number;
}
interface Skipped {
  readonly entries: number;
  readonly skipped: string;
}
interface PageCost {
  readonly entries: number;
  readonly page: string;
  readonly cpuUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}
interface InTurns {
  readonly entries: number;
  readonly page: string;
  readonly beside: number;
  /** Medians of turns, us. */
  readonly pairs: readonly Pair[];
}
interface Retained {
  readonly entries: number;
  readonly retainMs: number;
  readonly retainCpuMs: number;
  readonly freedMegabytes: number;
}
type Line = Size | Skipped | PageCost | InTurns | Retained;

/** One store that grows and grows, in a process of its own. */
export const storeGrowth: Bench = {
  name: "store-growth",
  title: "The store as it grows: 1,000 sources, batches of 1,000, sealed",
  async run({ scale, progress }: BenchOptions): Promise<BenchResult> {
    const sizes: Size[] = [];
    const pages: PageCost[] = [];
    const notes: string[] = [];
    let retained: Retained | undefined;
    // In batches of 1,000: at a small scale the first are alike.
    const wanted = new Set(SIZES.map((size) => Math.max(1, Math.round((size * scale) / 1000)) * 1000));
    const inTurns: InTurns[] = [];
    await eachLine([...wanted], (line) => {
      if ("skipped" in line)
        notes.push(`left out: ${line.entries.toLocaleString("en")} entries; ${line.skipped}`);
      else if ("pairs" in line) inTurns.push(line);
      else if ("page" in line) pages.push(line);
      else if ("retainMs" in line) retained = line;
      else {
        sizes.push(line);
        progress(`${line.entries.toLocaleString("en")} entries`);
      }
    });
    const ofPage = (name: string): PageCost[] => pages.filter(({ page }) => page === name);
    const random = ofPage(RANDOM);
    const largest = sizes.at(-1);
    const compared = (name: string, how: string, atMost?: number): Comparison[] =>
      inTurns
        .filter(({ page }) => page === name)
        .map(({ entries, beside, pairs }) => ({
          what: `page of 100 of a source after a random place, ${entries.toLocaleString("en")} entries`,
          against: `the same in ${beside.toLocaleString("en")} entries, ${how}`,
          unit: "us at the median",
          pairs,
          ...(atMost !== undefined && { atMost }),
        }));
    const pageGrowth = (what: string, name: string): Growth =>
      growth(
        what,
        "us of CPU",
        "page",
        ofPage(name).map(({ entries, cpuUs }) => ({ size: entries, value: cpuUs })),
      );
    return {
      comparisons: [
        ...compared(RANDOM_COLD, "no chunk kept expanded in either; in turns", PAGE_GROWTH_MAX),
        ...compared(
          RANDOM_EMPTIED,
          "no chunk kept expanded in either, the processor's caches emptied before each page; in turns",
          PAGE_GROWTH_MAX,
        ),
        ...compared(RANDOM_FIRST, "no chunk kept expanded in either, the first 1,000 after opening"),
        ...compared(
          RANDOM,
          "with chunks kept expanded as by default, which is all of the small one; in turns",
        ),
      ],
      figures: [
        ...(largest === undefined
          ? []
          : [
              {
                what: `opening a store of ${largest.entries.toLocaleString("en")} entries`,
                unit: "ms",
                values: [largest.openMs],
                atMost: OPEN_MS_MAX,
              },
            ]),
        ...random.map(({ entries, p99Us }) => ({
          what: `page of 100 of a source after a random place, ${entries.toLocaleString("en")} entries, p99`,
          unit: "ms",
          values: [p99Us / 1000],
          atMost: PAGE_P99_MS_MAX,
        })),
        ...(retained === undefined
          ? []
          : [
              {
                what: `removing the oldest of ${retained.entries.toLocaleString("en")} entries, CPU of freeing 1 GB`,
                unit: "ms",
                values: [(retained.retainCpuMs / retained.freedMegabytes) * 1000],
              },
            ]),
      ],
      growths: [
        growth(
          "CPU of an append, seal counted",
          "us",
          "entry",
          sizes.map(({ entries, appendCpuUs }) => ({ size: entries, value: appendCpuUs })),
        ),
        growth(
          "Disk of an entry",
          "bytes",
          "entry",
          sizes.map(({ entries, bytesAnEntry }) => ({ size: entries, value: bytesAnEntry })),
        ),
        growth(
          "Opening",
          "ms",
          "opening",
          sizes.map(({ entries, openMs }) => ({ size: entries, value: openMs })),
        ),
        pageGrowth("Page of 100 of a source after a random place", RANDOM),
        pageGrowth("Page of 100 of a source after a random place, no chunk kept expanded", RANDOM_COLD),
        pageGrowth("Newest 100 of a source", "source, newest"),
        pageGrowth("Newest 100 of all sources", "project, newest"),
      ],
      notes: [
        ...notes,
        `pages in process, by code that is compiled and of files that the machine holds in memory, so that sizes are compared and not starts; as long as all fits into what is kept expanded, no chunk is opened for them; the store of ${SMALL_ENTRIES.toLocaleString("en")} entries that pages are compared with has as many sources, and chunks as full, as the large one; the first pages after opening are dearer in a large store by what the kernel takes to map its places`,
      ],
    };
  },
};

function growth(what: string, unit: string, per: string, points: Growth["points"]): Growth {
  return { what, unit, per: `${per}, by entries in the store`, points };
}

async function eachLine(sizes: readonly number[], onLine: (line: Line) => void): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "boardlog-bench-"));
  const program = await LineProcess.start("bench/store/page.ts", [
    ...["--sizes", sizes.join(","), "--sources", String(SOURCES), "--pages", String(PAGES)],
    ...["--beside", String(SMALL_ENTRIES)],
    ...["--retain", "--dir", join(dir, "data")],
  ]);
  try {
    for (;;) {
      const line = await program.next<Line>();
      onLine(line);
      if ("retainMs" in line) return;
    }
  } finally {
    await program.stop();
    await rm(dir, { recursive: true, force: true });
  }
}
