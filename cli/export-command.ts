import { type FileHandle, open } from "node:fs/promises";
import { type ExportFormat, encodeExport } from "./export-format.ts";
import { writeOut } from "./output.ts";
import { ProgressLine, percent } from "./progress-line.ts";
import { type ReadOptions, readingOf, unknownSources } from "./read-options.ts";
import { stopSignal } from "./stop-signal.ts";
import { UserError } from "./user-error.ts";
import { visibleText } from "./visible-text.ts";
import { walkForward } from "./walk-entries.ts";

/** As a shell says that SIGINT ended a command. */
const INTERRUPTED = 130;

export interface ExportOptions extends ReadOptions {
  readonly format: ExportFormat;
  readonly output?: string;
  readonly quiet?: boolean;
}

/** `boardlog export [SRC...]`: the log as a file for other programs; progress goes to standard error. */
export async function runExport(sources: readonly string[], options: ExportOptions): Promise<void> {
  const reading = readingOf(sources, options, Date.now());
  const problem = await unknownSources(reading.client, sources);
  if (problem !== undefined) throw new UserError(problem, 1);
  const summaries = await reading.client.sources();
  const total = summaries
    .filter(({ src }) => sources.length === 0 || sources.includes(src))
    .reduce((sum, { entryCount }) => sum + entryCount, 0);
  const isFiltered =
    Object.keys(reading.request).some((name) => name !== "src") || reading.pattern !== undefined;
  const progress = new Progress(isFiltered ? undefined : total, options.quiet === true);
  const file = options.output === undefined ? undefined : await openOutput(options.output);
  const write = async (text: string): Promise<boolean> => {
    if (file === undefined) return writeOut(process.stdout.isTTY ? visibleLines(text) : text);
    await file.writeFile(text);
    return true;
  };
  const { signal } = stopSignal();
  let last = reading.request.after;
  let wholeBytes = 0;
  try {
    let isFirst = true;
    for await (const { entries, after } of walkForward(reading, signal)) {
      const text = encodeExport(options.format, entries, isFirst);
      const isOpen = await write(text);
      wholeBytes += Buffer.byteLength(text);
      isFirst = false;
      last = after;
      progress.add(entries.length);
      if (!isOpen) return;
    }
    await file?.sync();
  } catch (error) {
    // What is there is whole, so that the rest can follow it.
    await file?.truncate(wholeBytes).catch(() => {});
    const words = progress.brokenOff(options.output, last);
    if (signal.aborted) throw new UserError(words, INTERRUPTED);
    process.stderr.write(`boardlog: ${words}\n`);
    throw error;
  } finally {
    await file?.close();
  }
  progress.end(options.output);
}

/** What a terminal shows of a file meant for programs. */
function visibleLines(text: string): string {
  return text.split(/\r?\n/).map(visibleText).join("\n");
}

/** By what the file system says. */
const OUTPUT_PROBLEMS: Readonly<Record<string, string>> = {
  EEXIST: "is there already; remove it or name another file",
  ENOENT: "cannot be made: there is no such folder; make it or name another file",
  EACCES: "cannot be made: its folder cannot be written to; name another file",
};

async function openOutput(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UserError(`--output: ${path} ${OUTPUT_PROBLEMS[code ?? ""] ?? message}`, 1);
  }
}

/** Progress on a terminal; one line at the end. */
class Progress {
  readonly #total: number | undefined;
  readonly #isQuiet: boolean;
  readonly #line: ProgressLine;
  readonly #startMs = performance.now();
  #count = 0;

  constructor(total: number | undefined, isQuiet: boolean) {
    this.#total = total;
    this.#isQuiet = isQuiet;
    this.#line = new ProgressLine(isQuiet);
  }

  add(count: number): void {
    this.#count += count;
    const total = this.#total;
    this.#line.draw(
      () =>
        `${this.#count} entries${total === undefined ? "" : ` of about ${total}${percent(this.#count, total)}`}`,
    );
  }

  brokenOff(output: string | undefined, last: string | undefined): string {
    this.#line.clear();
    const where = output === undefined ? "were written" : `are in ${output}`;
    const rest = last === undefined ? "" : `; the rest: the same with --after ${last} and another file`;
    return `stopped: ${this.#count} entries ${where}${rest}`;
  }

  end(output: string | undefined): void {
    if (this.#isQuiet) return;
    const seconds = ((performance.now() - this.#startMs) / 1000).toFixed(1);
    this.#line.clear();
    process.stderr.write(
      `${this.#count} entries exported${output === undefined ? "" : ` to ${output}`} in ${seconds} s\n`,
    );
  }
}
