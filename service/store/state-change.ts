import type { KvChange } from "./ordered-kv.ts";
import type { Segment } from "./segment.ts";
import type { StoreCore } from "./store-core.ts";
import { encodeState, type SegmentState, STATE_KEY } from "./store-state.ts";

export interface StateChange {
  readonly sealing: boolean;
  readonly sealedPosition?: number;
  /** What a segment will be once the change is made. */
  readonly filled?: { readonly segment: Segment; readonly state: SegmentState };
}

/** The store's own record as it is in memory, but for what is named. */
export function stateChange(
  core: StoreCore,
  { sealing, sealedPosition = core.sealedPosition, filled }: StateChange,
): KvChange {
  const { nextSourceNumber, nextProjectNumber } = core.sources;
  const segments = core.segments.map((segment) =>
    segment === filled?.segment ? filled.state : segment.state,
  );
  const state = { sealedPosition, segments, sealing, nextSourceNumber, nextProjectNumber };
  return { type: "put", key: STATE_KEY, value: encodeState(state) };
}
