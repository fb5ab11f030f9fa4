import type { ProjectLog } from "./project-log.ts";

/**
 * The seq of the first message of the project that the cluster took at that time or later; past the last one where there is none.
 * Undefined where there are no messages. Seqs and times ascend together.
 * @throws StoreUnavailable
 */
export async function seqOfTime(
  { engine, stream, names }: ProjectLog,
  sinceMs: number,
): Promise<number | undefined> {
  const state = await engine.state(stream);
  if (state === undefined || state.messageCount === 0) return undefined;
  let low = state.firstSeq;
  let high = state.lastSeq + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const message = await engine.next(stream, names.all, middle);
    if (message === undefined || message.storedMs >= sinceMs) high = middle;
    else low = message.seq + 1;
  }
  return low;
}
