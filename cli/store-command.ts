import { join } from "node:path";
import type { CheckProblem, CheckReport } from "../service/store/check-report.ts";
import { checkStore } from "../service/store/store-checker.ts";
import { writeOut } from "./output.ts";
import { ProgressLine, percent } from "./progress-line.ts";
import { dataFolderWithStore, STORE_FOLDER, viewOf } from "./store-folder.ts";
import { UserError } from "./user-error.ts";
import { visibleText } from "./visible-text.ts";

export interface StoreCheckOptions {
  readonly data?: string;
  readonly json?: boolean;
}

/** Problems shown one by one; `--json` has more. */
const SHOWN_MAX = 20;

/** `boardlog store check`: reads every value of the log, also while a service has it open. */
export async function runStoreCheck(options: StoreCheckOptions): Promise<void> {
  const folder = dataFolderWithStore(options.data);
  const line = new ProgressLine(options.json);
  const startMs = performance.now();
  const view = await viewOf(folder);
  let report: CheckReport;
  try {
    report = await checkStore(view, async ({ entryCount, entryTotal }) => {
      line.draw(() => `${entryCount} entries of about ${entryTotal}${percent(entryCount, entryTotal)}`);
      await new Promise((resolve) => setImmediate(resolve));
    });
  } finally {
    line.clear();
    await view.close();
  }
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  await writeOut(
    options.json
      ? `${JSON.stringify({ ...report, seconds })}\n`
      : summary(join(folder, STORE_FOLDER), report, seconds),
  );
  if (report.problemCount > 0) {
    throw new UserError(
      `the log in ${folder} is damaged: what is damaged is left out of every answer, and is told in stream loss; to have it back, restore a copy (docs/store.md)`,
      1,
    );
  }
}

function summary(dir: string, report: CheckReport, seconds: number): string {
  const { segmentCount, sealedEntryCount, unsealedEntryCount, sourceCount, markCount, valueCount, bytes } =
    report;
  const lines = [
    `${dir}: ${sealedEntryCount + unsealedEntryCount} entries of ${sourceCount} sources`,
    `${valueCount} values (${(bytes / 1e6).toFixed(1)} MB) read in ${seconds} s: ${sealedEntryCount} entries in ${segmentCount} segments, ${unsealedEntryCount} not sealed yet, the marks of ${markCount} boots`,
  ];
  if (report.problemCount === 0) {
    lines.push("Every value is as it was written, and counts, marks and indexes agree with the entries.");
  } else {
    const { problems, problemCount } = report;
    lines.push(`${problemCount} ${problemCount === 1 ? "thing is" : "things are"} not as they should be:`);
    lines.push(...problems.slice(0, SHOWN_MAX).map(wordsOf));
    if (problemCount > SHOWN_MAX) lines.push(`  and ${problemCount - SHOWN_MAX} more`);
  }
  return `${lines.join("\n")}\n`;
}

function wordsOf({ where, what, project, src }: CheckProblem): string {
  const source = src === undefined ? "" : `${project} ${visibleText(src)}: `;
  return `  ${where}: ${source}${visibleText(what)}`;
}
