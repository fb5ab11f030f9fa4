/** From this version on the server can be told to sync every write (`sync_interval: always`). */
const SYNC_SINCE = [2, 10, 0] as const;
/** From this version on a leader that was cut off lets go of what the others never had (`replica-guard.ts`). */
const REPLICAS_SAME_SINCE = [2, 10, 23] as const;

/** What a server of this version promises of what it acked, and what not, in words for whoever runs it. */
export function promiseOf(version: string): { readonly isSyncSettable: boolean; readonly text: string } {
  const isSyncSettable = isAtLeast(version, SYNC_SINCE);
  const loss = "what was acked since can be lost where most nodes lose power at once";
  const advice =
    "gateways hold what they forwarded for spool.replayMinutes and fill it again; entries that came without a gateway are not";
  const power = isSyncSettable
    ? `nats-server ${version} acks before it syncs its files (every two minutes) unless each node has "sync_interval: always" in its jetstream settings: without it, ${loss}; ${advice}`
    : `nats-server ${version} acks before it syncs its files (every minute) and has no setting for it (2.10 has): ${loss}; ${advice}`;
  if (isAtLeast(version, REPLICAS_SAME_SINCE)) return { isSyncSettable, text: power };
  const replicas =
    "Before 2.10.23, a node that led when it was cut off or stood still can come back with a replica that differs: services find it and make it anew, which copies it once, and answer nobody from it meanwhile";
  return { isSyncSettable, text: `${power}. ${replicas}` };
}

function isAtLeast(version: string, wanted: readonly number[]): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [index, number] of wanted.entries()) {
    const part = parts[index] ?? 0;
    if (part !== number) return part > number;
  }
  return true;
}
