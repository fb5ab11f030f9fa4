import {
  type BenchResult,
  type Comparison,
  type Figure,
  type Growth,
  isMet,
  median,
  ratios,
} from "./bench.ts";
import { growthPlot } from "./plot.ts";

/** How a section was measured: each stands until it is run again. */
export interface Ran {
  readonly command: string;
  readonly pairCount: number;
  readonly date: string;
  /** Of the machine, when it began. */
  readonly load: number;
}

export interface Section {
  readonly name: string;
  readonly title: string;
  readonly ran: Ran;
  readonly result: BenchResult;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGigabytes: number;
  readonly node: string;
  readonly kernel: string;
  readonly packages: Readonly<Record<string, string>>;
}

/** docs/benchmarks.md, and the plots beside it by file name. */
export function report(
  sections: readonly Section[],
  machine: Machine,
): { readonly markdown: string; readonly plots: ReadonlyMap<string, string> } {
  const plots = new Map<string, string>();
  const parts = [
    `# Benchmarks

Written by \`npm run bench\`; do not edit. Each figure of ours stands beside a floor (what the bare library or the machine allows) or a peer (what one would run instead), both measured in turn in the same run, so many pairs as the section says; the ratio is the median of the pairs' ratios, its spread the least and the greatest. CPU is that of the server's process with all its threads, from the kernel, until it is at rest again. Wall times on a shared machine swing; CPU and ratios are what to trust.

${machine.cores} cores of ${machine.cpu}, ${machine.memoryGigabytes} GB, Linux ${machine.kernel}, Node ${machine.node}; ${Object.entries(
      machine.packages,
    )
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}.
`,
  ];
  for (const { name, title, ran, result } of sections) {
    const pairs = `${ran.pairCount} pair${ran.pairCount === 1 ? "" : "s"}`;
    parts.push(
      `## ${title}\n\n\`${ran.command}\`, ${pairs}, ${ran.date}; load of the machine when it began: ${ran.load.toFixed(1)}.\n`,
    );
    const { comparisons = [], figures = [], growths = [], notes = [] } = result;
    if (comparisons.length > 0) parts.push(comparisonTable(comparisons));
    if (figures.length > 0) parts.push(figureTable(figures));
    growths.forEach((growth, index) => {
      const file = `${name}-growth${index === 0 ? "" : `-${index + 1}`}.svg`;
      plots.set(file, growthPlot(growth));
      parts.push(`![${growth.what} as the work grows](images/benchmarks/${file})\n\n${growthLine(growth)}\n`);
    });
    if (notes.length > 0) parts.push(`${notes.map((note) => `- ${note}`).join("\n")}\n`);
  }
  return { markdown: parts.join("\n"), plots };
}

export function comparisonTable(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map((one) => {
    const each = ratios(one);
    const ratio = median(each);
    const ours = median(one.pairs.map((pair) => pair.ours));
    const other = median(one.pairs.map((pair) => pair.other));
    const spread = `${number(Math.min(...each))} to ${number(Math.max(...each))}`;
    return `| ${one.what} | ${one.against} | ${number(ours)} | ${number(other)} | ${one.unit} | ${number(ratio)} (${spread}) | ${bound(one)} | ${verdict(isMet(ratio, one))} |`;
  });
  return `| what | against | ours | theirs | unit | ratio (spread) | to reach | |\n|---|---|---|---|---|---|---|---|\n${rows.join("\n")}\n`;
}

export function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map((one) => {
    const value = median(one.values);
    const spread =
      one.values.length > 1
        ? ` (${number(Math.min(...one.values))} to ${number(Math.max(...one.values))})`
        : "";
    return `| ${one.what} | ${number(value)}${spread} | ${one.unit} | ${bound(one)} | ${verdict(isMet(value, one))} |`;
  });
  return `| what | measured (spread) | unit | to reach | |\n|---|---|---|---|---|\n${rows.join("\n")}\n`;
}

function growthLine({ unit, per, points }: Growth): string {
  const list = points.map(({ size, value }) => `${number(value)} at ${size.toLocaleString("en")}`).join(", ");
  return `${unit} for one ${per}: ${list}.`;
}

function bound({ atMost, atLeast }: { readonly atMost?: number; readonly atLeast?: number }): string {
  if (atMost !== undefined) return `at most ${number(atMost)}`;
  return atLeast === undefined ? "" : `at least ${number(atLeast)}`;
}

function verdict(met: boolean | undefined): string {
  if (met === undefined) return "";
  return met ? "met" : "**not met**";
}

/** Three figures that count. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return "?";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}
