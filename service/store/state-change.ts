import type { KvChange } from "./ordered-kv.ts";
import type { StoreCore } from "./store-core.ts";
import { encodeState, STATE_KEY } from "./store-state.ts";

/** The store's own record as it is in memory, but for what is named. */
export function stateChange(
  core: StoreCore,
  { sealing, sealedPosition = core.sealedPosition }: { sealing: boolean; sealedPosition?: number },
): KvChange {
  const { nextSourceNumber, nextProjectNumber } = core.sources;
  const segments = core.segments.map((segment) => segment.state);
  const state = { sealedPosition, segments, sealing, nextSourceNumber, nextProjectNumber };
  return { type: "put", key: STATE_KEY, value: encodeState(state) };
}
