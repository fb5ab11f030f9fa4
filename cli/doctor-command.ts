import type { ApiOptions } from "./api-options.ts";
import { type Finding, runChecks } from "./doctor-checks.ts";
import { writeOut } from "./output.ts";
import { type ColourChoice, styleOf } from "./style.ts";
import { UserError } from "./user-error.ts";
import { visibleText } from "./visible-text.ts";

export interface DoctorOptions extends ApiOptions {
  readonly project?: string;
  readonly broker?: string;
  readonly settings?: string;
  readonly json?: boolean;
  readonly color?: ColourChoice;
}

const SIGNS = { good: "ok", note: "--", warn: "!!", bad: "XX" } as const;

/** `boardlog doctor`: what works, what does not, and what to do. */
export async function runDoctor(options: DoctorOptions): Promise<void> {
  const style = styleOf(process.stdout, options.color);
  let badCount = 0;
  for await (const finding of runChecks(options)) {
    if (finding.state === "bad") badCount += 1;
    const line = options.json ? JSON.stringify(finding) : shownFinding(finding);
    if (!(await writeOut(`${line}\n`))) return;
  }
  if (badCount > 0) {
    throw new UserError(`${badCount} ${badCount === 1 ? "thing does" : "things do"} not work`, 1);
  }

  function shownFinding({ about, state, text, advice }: Finding): string {
    const sign = SIGNS[state];
    const colour =
      state === "good"
        ? style.good(sign)
        : state === "note"
          ? style.dim(sign)
          : style.level(state === "warn" ? "warn" : "error", sign);
    const first = `${colour} ${style.bold(about.padEnd(9))} ${visibleText(text)}`;
    return advice === undefined ? first : `${first}\n             -> ${visibleText(advice)}`;
  }
}
