import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { ServiceAway } from "./api-client.ts";
import { encodeExport } from "./export-format.ts";
import { followEntries } from "./follow-entries.ts";
import { readingOf } from "./read-options.ts";
import { stopSignal } from "./stop-signal.ts";
import { UserError } from "./user-error.ts";
import { readNewest } from "./walk-entries.ts";

export interface RecordFlags {
  readonly record: string;
  readonly service?: string;
  readonly key?: string;
  readonly duration: number;
}

/** `boardlog sim --record FILE`: what boards log from now on, as JSON lines for `--replay`. */
export async function runRecord(flags: RecordFlags): Promise<void> {
  const { service, key, duration, record } = flags;
  if (service !== undefined && !/^https?:\/\/[^/]/.test(service)) {
    throw new UserError(`--service: ${service} is not an http:// or https:// address`);
  }
  if (service !== undefined && key === undefined) {
    throw new UserError("--service: an API key is needed too (--key or BOARDLOG_KEY)");
  }
  const options = { ...(service !== undefined && { url: service }), ...(key !== undefined && { key }) };
  const reading = readingOf([], options, Date.now());
  const { after } = await readNewest(reading, 1).catch((error: unknown) => {
    if (!(error instanceof ServiceAway)) throw error;
    throw new UserError(
      `--service: ${reading.client.api.url} does not answer (${error.reason}); is boardlog running there?`,
      1,
    );
  });
  const file = createWriteStream(record, { flags: "wx" });
  const written = finished(file);
  written.catch(() => {});
  await new Promise<void>((resolve, reject) => {
    file.on("open", () => resolve());
    file.on("error", (error: NodeJS.ErrnoException) => {
      const reason = error.code === "EEXIST" ? "is there already" : error.message;
      reject(new UserError(`--record: ${record} ${reason}`));
    });
  });
  process.stderr.write(`recording for ${duration} s to ${record}; Ctrl-C ends it sooner\n`);
  const signal = AbortSignal.any([stopSignal().signal, AbortSignal.timeout(duration * 1000)]);
  let count = 0;
  await followEntries(
    reading,
    after,
    async (entries) => {
      count += entries.length;
      file.write(encodeExport("jsonl", entries, false));
      return true;
    },
    signal,
  );
  file.end();
  await written;
  process.stdout.write(`${count} entries in ${record}\n`);
}
