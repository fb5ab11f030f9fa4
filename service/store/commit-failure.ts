import { StoreUnavailable } from "./log-store.ts";

/** As Node names it, and as lmdb gives the system's number. */
const DISK_FULL: readonly unknown[] = ["ENOSPC", 28];

/** What whoever runs the program is told to do. */
export const DISK_FULL_TEXT = "the disk is full: make room, then start it again";

/** A commit that the system refused. It ends the process: its last words say what to do where that is known. */
export function commitFailure(cause: unknown): StoreUnavailable {
  const isFull = DISK_FULL.includes(Object(cause).code);
  return new StoreUnavailable(isFull ? `a commit failed, ${DISK_FULL_TEXT}` : "a commit failed", { cause });
}
