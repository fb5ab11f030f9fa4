/** Of what nobody ends. */
export const NEVER_ENDED = new AbortController().signal;

/**
 * Runs a task with a signal of its own that follows another one. `fetch` leaves its listener on the signal it is given until the
 * collector comes by: one that outlives many requests would gather thousands, and Node warns of a leak.
 */
export async function abortable<T>(signal: AbortSignal, task: (own: AbortSignal) => Promise<T>): Promise<T> {
  const own = new AbortController();
  const abort = (): void => own.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    return await task(own.signal);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
