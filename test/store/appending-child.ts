import { CounterTable } from "../../host/counters.ts";
import type { MsgJson } from "../../protocol/entry.ts";
import { openLmdbStore } from "./store-drivers.ts";

/*
 * Appends without end, from several callers at a time, and prints `<src> <seq> <id>` of what was acked; to be killed. Where
 * the store fails first, it prints how often the owner was told and the reason, and exits with status 3.
 * Arguments: folder, first seq, boot, size of a segment.
 */
const [dir = "", firstSeq = "1", name = "", segmentBytesMax = "20000"] = process.argv.slice(2);
const counters = new CounterTable();
let failures = 0;
const store = await openLmdbStore(dir, {
  counters,
  onFailure: () => failures++,
  options: {
    sealBytes: 30_000,
    chunkEntriesMax: 40,
    segmentBytesMax: Number(segmentBytesMax),
    groupEntriesMax: 50,
  },
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

const ends = await Promise.allSettled(Array.from({ length: 6 }, (_, index) => appendForEver(`s${index}`)));
const codes = ends.map((end) => (end.status === "rejected" ? end.reason?.code : "ended"));
process.stdout.write(`failed ${failures} ${[...new Set(codes)]}\n`, () => process.exit(3));
