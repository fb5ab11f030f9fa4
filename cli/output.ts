/**
 * Writes to standard output, waiting while its reader is slow.
 * @returns false once the reader has gone (`boardlog list | head`).
 */
export function writeOut(text: string): Promise<boolean> {
  if (text === "") return Promise.resolve(!process.stdout.destroyed);
  return new Promise((resolve) => {
    process.stdout.write(text, (error) => resolve(error === null || error === undefined));
  });
}

/** A reader that has gone ends the output and is no failure. */
export function toleratePipeEnd(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  // Nobody reads what is said on the side; the work itself goes on.
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}
