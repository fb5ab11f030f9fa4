import type { ClubbyAnswer } from "./clubby-frame.ts";

/** What carries clubby frames. */
export interface ClubbyTransport {
  /**
   * Sends a frame and resolves with the answers to its commands, by id, once there is one to each.
   * @throws SinkUnavailable when they did not come: nobody knows what was done.
   */
  exchange(frame: string, ids: readonly number[]): Promise<ReadonlyMap<number, ClubbyAnswer>>;
  close(): void;
}

/** Longest wait for the answers to a frame. */
export const ANSWER_MS_MAX = 30_000;
