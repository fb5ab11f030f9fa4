/** From this version on the server can be told to sync every write (`sync_interval: always`). */
const SYNC_SINCE = [2, 10] as const;

/** What a server of this version promises of what it acked, and what not, in words for whoever runs it. */
export function promiseOf(version: string): { readonly isSyncSettable: boolean; readonly text: string } {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isSyncSettable = major > SYNC_SINCE[0] || (major === SYNC_SINCE[0] && minor >= SYNC_SINCE[1]);
  const loss = "what was acked since can be lost where most nodes lose power at once";
  const advice =
    "gateways hold what they forwarded for spool.replayMinutes and fill it again; entries that came without a gateway are not";
  return {
    isSyncSettable,
    text: isSyncSettable
      ? `nats-server ${version} acks before it syncs its files (every two minutes) unless each node has "sync_interval: always" in its jetstream settings: without it, ${loss}; ${advice}`
      : `nats-server ${version} acks before it syncs its files (every minute) and has no setting for it (2.10 has): ${loss}; ${advice}. Where the node that leads is cut off from the others, or stands still, for seconds, replicas of 2.9 were seen to differ afterwards, and acked entries to be lost: use a newer one where that may happen`,
  };
}
