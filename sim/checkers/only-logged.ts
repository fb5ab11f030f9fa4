import type { StoredEntry } from "../../protocol/entry.ts";
import { isSameMsg } from "../boot-truth.ts";
import { type Checker, type Evidence, isLine } from "../evidence.ts";

/** Invariant 2. Console text carries no checksum, so it is held to this only where the wires were clean. */
export const onlyLogged: Checker = {
  invariant: 2,
  promise: "nothing is listed that was never logged, and every byte is as it was",
  check: (evidence) => {
    const problems: string[] = [];
    for (const [project, entries] of evidence.listed) {
      for (const entry of entries) {
        const problem = isLine(entry) ? wrongLine(evidence, project, entry) : undefined;
        if (problem !== undefined) problems.push(problem);
      }
      problems.push(...wrongText(evidence, project, entries), ...textTwice(evidence, project, entries));
    }
    return problems;
  },
};

function wrongLine(evidence: Evidence, project: string, entry: StoredEntry): string | undefined {
  const truth = evidence.boots.find((one) => one.boot === entry.boot);
  const line = entry.seq === undefined ? undefined : truth?.line(entry.seq);
  const where = `${entry.boot} seq ${entry.seq}`;
  if (truth === undefined || line === undefined) return `${where} was never logged: ${entry.msg}`;
  if (truth.src !== entry.src || truth.project !== project)
    return `${where} is listed under ${project} ${entry.src}`;
  if (entry.stream !== "console") return `${where} is listed in the stream ${entry.stream}`;
  if (!isSameMsg(line, entry.msg)) return `${where} was altered: ${entry.msg.slice(0, 200)}`;
  if (!line.isOwn && entry.level !== line.level)
    return `${where} has the level ${entry.level}, not ${line.level}`;
  return undefined;
}

function wrongText(evidence: Evidence, project: string, entries: readonly StoredEntry[]): readonly string[] {
  const { plan, printed } = evidence;
  const isClean = !(["serialNoise", "serialCut", "serialGlue", "serialUnplug"] as const).some((name) =>
    plan.has(name),
  );
  // A gateway that died in the middle of a line reads its rest in the next life.
  if (!isClean || evidence.gatewayStarts > 1 || plan.isDestructive) return [];
  const left = new Map<string, number>();
  for (const { project: where, text } of printed) {
    if (where === project) left.set(text, (left.get(text) ?? 0) + 1);
  }
  const problems: string[] = [];
  const heard = new Set<string>();
  for (const entry of entries) {
    if (entry.stream !== "uart") continue;
    const text = JSON.parse(entry.msg) as string;
    const isFirst = !heard.has(entry.src);
    heard.add(entry.src);
    const count = left.get(text) ?? 0;
    left.set(text, count - 1);
    // A port that is opened in the middle of a line hears its end.
    if (count <= 0 && !isFirst) problems.push(`console text never printed, or twice: ${text}`);
  }
  return problems;
}

/**
 * Text has no seq by which it would be known again: it is stored once by the gateway's position alone, whoever of gateway and
 * service is killed when. Held to where no byte of a line can have become another line's.
 */
function textTwice(evidence: Evidence, project: string, entries: readonly StoredEntry[]): readonly string[] {
  const { plan, printed } = evidence;
  if (plan.has("serialNoise") || plan.has("serialCut") || plan.isDestructive) return [];
  const counts = new Map<string, number>();
  for (const { project: where, text } of printed) {
    if (where === project) counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const problems: string[] = [];
  for (const { stream, msg } of entries) {
    if (stream !== "uart") continue;
    const text = JSON.parse(msg) as string;
    const left = counts.get(text);
    if (left === undefined) continue;
    counts.set(text, left - 1);
    if (left === 0) problems.push(`console text is listed more often than it was printed: ${text}`);
  }
  return problems;
}
