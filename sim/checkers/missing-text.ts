import type { Evidence, PrintedText } from "../evidence.ts";

/**
 * Console text has neither seq nor ack: a gateway that lives on has listed all that it read, in order. Glued lines stand in one
 * entry.
 */
export function missingText(evidence: Evidence): readonly string[] {
  const { plan, evicts, isShared, gatewayStarts, stuck } = evidence;
  // What came over its source's rate is told by its number alone.
  if (gatewayStarts > 1 || plan.isDestructive || evicts || isShared || plan.has("tightRate")) return [];
  if (stuck !== undefined) return [];
  const problems: string[] = [];
  const byPort = new Map<string, PrintedText[]>();
  for (const heard of evidence.heard) {
    const key = `${heard.project} ${heard.port}`;
    byPort.set(key, [...(byPort.get(key) ?? []), heard]);
  }
  for (const [first, ...rest] of byPort.values()) {
    if (first === undefined) continue;
    const { project, src, port } = first;
    const listed = (evidence.listed.get(project) ?? [])
      .filter((entry) => entry.stream === "uart" && (entry.src === src || entry.src === port))
      .map(({ msg }) => JSON.parse(msg) as string);
    let at = 0;
    let from = 0;
    for (const { text } of [first, ...rest]) {
      while (at < listed.length) {
        const found = listed[at]?.indexOf(text, from) ?? -1;
        from = found + text.length;
        if (found >= 0) break;
        from = 0;
        at++;
      }
      if (at < listed.length) continue;
      problems.push(
        `${port}: console text that the gateway read is not listed, or not in its place: ${text}`,
      );
      break;
    }
  }
  return problems;
}
