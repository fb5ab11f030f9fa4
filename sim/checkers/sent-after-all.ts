import { type Evidence, isLine } from "../evidence.ts";

/**
 * Lines that a spool gave up and that are listed: it gives up only what was never sent. A gateway that was started anew does not
 * know what it had sent before, and what a second one or an older disk has may still come.
 */
export function sentAfterAll({
  plan,
  spools,
  bySource,
  gatewayStarts,
  isShared,
}: Evidence): readonly string[] {
  if (plan.isDestructive || plan.has("storeRestored") || isShared || gatewayStarts > 1) return [];
  const listed = new Set<string>();
  for (const entries of bySource.values()) {
    for (const entry of entries) if (isLine(entry)) listed.add(keyOf(entry));
  }
  return spools.flatMap(({ gateway, evicted }) =>
    evicted
      .filter((entry) => entry.seq !== undefined && entry.lost === undefined && listed.has(keyOf(entry)))
      .map(({ boot, seq }) => `${gateway}: ${boot} seq ${seq} was given up, and is listed`),
  );
}

function keyOf({ src, boot, seq }: { readonly src: string; readonly boot?: string; readonly seq?: number }) {
  return `${src} ${boot} ${seq}`;
}
