import type { BootMark } from "./boot-mark.ts";
import type { Findings } from "./check-report.ts";
import { CHECKED_HEAD_BYTES, openValue, ValueKind } from "./checked-value.ts";
import { Deletions } from "./deletions.ts";
import type { NamedSource } from "./source-ledger.ts";
import { decodeMark, decodeProject, decodeSource } from "./source-state.ts";
import {
  everyKey,
  isHeadKey,
  markKeysAll,
  namedOfKey,
  nameOfKey,
  projectKeysAll,
  sourceKeysAll,
  spoolKeys,
} from "./store-keys.ts";
import type { NamedView } from "./store-view.ts";

/** What the head says. */
export interface CheckedHead {
  readonly sources: ReadonlyMap<number, NamedSource>;
  readonly projectNames: ReadonlyMap<number, string>;
  readonly marks: ReadonlyMap<number, ReadonlyMap<string, BootMark>>;
  readonly deletions: Deletions;
}

/** Reads every value of the head. */
export function checkHead({ name: where, view }: NamedView, findings: Findings): CheckedHead {
  for (const { key, value } of view.range(everyKey())) {
    findings.value(value);
    if (!isHeadKey(key)) findings.problem(where, `it holds a value of an unknown kind (${textOf(key)})`);
  }
  const projectNames = new Map<number, string>();
  for (const { key, value } of view.range(projectKeysAll())) {
    const number = decodeProject(value);
    if (number === undefined) findings.problem(where, `the row of project ${nameOfKey(key)} is damaged`);
    else projectNames.set(number, nameOfKey(key));
  }
  const sources = new Map<number, NamedSource>();
  for (const { key, value } of view.range(sourceKeysAll())) {
    const { number: projectNumber, name: src } = namedOfKey(key);
    const project = projectNames.get(projectNumber) ?? `number ${projectNumber}`;
    const stored = decodeSource(value);
    if (stored === undefined) findings.problem(where, "its row is damaged", { project, src });
    else sources.set(stored.number, { project, src, stored });
  }
  const marks = new Map<number, Map<string, BootMark>>();
  for (const { key, value } of view.range(markKeysAll())) {
    const { number, name: boot } = namedOfKey(key);
    const mark = decodeMark(value);
    if (mark === undefined) {
      findings.problem(where, `the mark of boot ${boot} is damaged`, sources.get(number));
      continue;
    }
    findings.counts.markCount++;
    const ofSource = marks.get(number) ?? new Map<string, BootMark>();
    marks.set(number, ofSource.set(boot, mark));
  }
  checkSpools({ name: where, view }, findings);
  const deletions = new Deletions();
  const damagedCount = deletions.read(view);
  if (damagedCount > 0) findings.problem(where, `records of deletions are damaged: ${damagedCount}`);
  return { sources, projectNames, marks, deletions };
}

/** Positions of gateways' spools, in the head or in a log. */
export function checkSpools({ name: where, view }: NamedView, findings: Findings): void {
  for (const { key, value } of view.range(spoolKeys())) {
    const bytes = openValue(ValueKind.SpoolPosition, value);
    if (bytes === undefined || bytes.length === CHECKED_HEAD_BYTES)
      findings.problem(where, `the position of a gateway is damaged (${nameOfKey(key)})`);
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key).toString("hex");
}
