/**
 * Aborts at the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once.
 * @param onHangup takes SIGHUP, which is no end then.
 */
export function stopSignal(onHangup?: () => void): {
  readonly signal: AbortSignal;
  readonly stopped: Promise<void>;
} {
  const controller = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    const stop = (): void => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
      resolve();
    };
    for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, stop);
    process.on("SIGHUP", onHangup ?? stop);
  });
  return { signal: controller.signal, stopped };
}
