import type { DurableFile } from "./durable-file.ts";
import type { KvSpace, OrderedKv } from "./ordered-kv.ts";
import { type SegmentState, segmentName } from "./store-state.ts";

/** What a segment is on the disk: a tree of places, and a pack of the sealed values that they are of. */
export interface SegmentFiles {
  readonly kv: OrderedKv;
  readonly pack: DurableFile;
}

/** Sealed entries, open. */
export interface Segment extends SegmentFiles {
  state: SegmentState;
}

/** Makes an empty one where there is none. */
export async function openSegment(space: KvSpace, number: number): Promise<SegmentFiles> {
  const name = segmentName(number);
  return { kv: await space.open(name), pack: await space.openPack(name) };
}

export async function closeSegment({ kv, pack }: SegmentFiles): Promise<void> {
  await kv.close();
  await pack.close();
}

/** Closes it and frees its room. */
export async function removeSegment(space: KvSpace, files: SegmentFiles, number: number): Promise<void> {
  await closeSegment(files);
  await space.remove(segmentName(number));
}
