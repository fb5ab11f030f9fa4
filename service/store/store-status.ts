import type { StoreStatus } from "./log-store.ts";
import type { StoreCore } from "./store-core.ts";

/** Figures of an open store: from memory, but for the sizes of its files. */
export async function statusOf(core: StoreCore): Promise<StoreStatus> {
  const { space } = core.deps;
  let diskBytes = 0;
  for (const name of await space.names()) diskBytes += await space.bytes(name);
  const tables = core.frozen === undefined ? [core.active] : [core.frozen, core.active];
  const unsealedEntries = tables.reduce((sum, table) => sum + table.entryCount, 0);
  const sealedEntries = core.segments.reduce((sum, { state }) => sum + state.entryCount, 0);
  const oldest = core.segments.find(({ state }) => state.entryCount > 0)?.state;
  const unsealedMs = tables.find((table) => table.entryCount > 0)?.oldestMs;
  const oldestMs = oldest?.created ?? unsealedMs;
  return {
    diskBytes,
    entryCount: sealedEntries + unsealedEntries,
    ...(oldestMs !== undefined && { oldestMs }),
    ...(core.options.keepMs !== undefined && { keepMs: core.options.keepMs }),
    ...(core.options.keepBytes !== undefined && { keepBytes: core.options.keepBytes }),
    details: {
      firstPosition: oldest?.first ?? core.sealedPosition + 1,
      segments: core.segments.length,
      compactSegments: core.segments.filter(({ state }) => state.isCompact).length,
      sealedEntries,
      unsealedEntries,
      unsealedBytes: tables.reduce((sum, table) => sum + table.bytes, 0),
      lastPosition: core.lastPosition,
    },
  };
}
