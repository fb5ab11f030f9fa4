import { CounterTable } from "../../host/counters.ts";
import type { MsgJson } from "../../protocol/entry.ts";
import { openLmdbStore } from "./store-drivers.ts";

/*
 * Appends without end, from several callers at a time, and prints `<src> <seq> <id>` of what was acked; to be killed.
 * Arguments: folder, first seq, name of its sources.
 */
const [dir = "", firstSeq = "1", name = ""] = process.argv.slice(2);
const counters = new CounterTable();
const store = await openLmdbStore(dir, {
  counters,
  options: { sealBytes: 30_000, chunkEntriesMax: 40, segmentBytesMax: 50_000, groupEntriesMax: 50 },
});
process.stdout.write("open\n");

async function appendForEver(src: string): Promise<void> {
  for (let seq = Number(firstSeq); ; ) {
    const entries = Array.from({ length: 1 + (seq % 7) }, (_, index) => ({
      src,
      stream: seq % 5 === 0 ? "uart" : "console",
      msg: JSON.stringify(`entry ${seq + index} of ${src} ${"x".repeat((seq + index) % 90)}`) as MsgJson,
      timestamp: seq + index,
      received: seq + index,
      clock: "device" as const,
      boot: name,
      seq: seq + index,
    }));
    const [result] = await store.append([{ project: "p", entries }]);
    const lines = (result?.stored ?? []).map((one) => `${src} ${one.seq} ${one.id}\n`).join("");
    // Printed only once durable; what the pipe still holds at a kill is lost to the test, not to the store.
    process.stdout.write(lines);
    seq += entries.length;
  }
}

await Promise.all(Array.from({ length: 6 }, (_, index) => appendForEver(`s${index}`)));
