/*
 * CPU of reading frames: ours, from bytes to entries with their checks and their place in the order, and the floor, JSON.parse of the
 * same text. Both in one process, in turn, the least of many rounds: what is left when nothing else disturbs.
 * node decode-cost [--entries N a frame] [--rounds N]
 */
import { parseArgs } from "node:util";
import { entryFromLine } from "../../protocol/entry-builder.ts";
import { decodeFrame } from "../../protocol/frame-decoder.ts";
import { nextLines } from "../../protocol/sequencing.ts";
import { leastCpuUs } from "../harness/least-cpu.ts";
import { readLines } from "../store/corpus.ts";

const { values } = parseArgs({
  options: { entries: { type: "string", default: "20" }, rounds: { type: "string", default: "15" } },
});
const entriesPerFrame = Number(values.entries);
const roundCount = Number(values.rounds);
const ENTRIES_A_ROUND = 40_000;

const lines = readLines(undefined);
const frames: Buffer[] = [];
let seq = 0;
for (let at = 0; at < ENTRIES_A_ROUND; at += entriesPerFrame) {
  const body = Array.from({ length: entriesPerFrame }, (_, index) => {
    const line = lines[(at + index) % lines.length];
    return `${(index % 5) + 5 * index},${JSON.stringify(line?.msg)}`;
  });
  frames.push(Buffer.from(`["@7-1a2b3c4d",${seq + 1},0,1763784000000,20,${body.join(",")}]`));
  seq += entriesPerFrame;
}

function readBare(): void {
  for (const frame of frames) JSON.parse(frame.toString("latin1"));
}
function readWhole(): void {
  let mark = 0;
  for (const bytes of frames) {
    const decoded = decodeFrame(bytes);
    if (!decoded.ok || decoded.value.boot === undefined) throw new Error("a bad frame");
    const { boot } = decoded.value;
    const lines = nextLines(decoded.value, mark);
    if (lines === undefined) throw new Error("not right behind the one before");
    const origin = { src: "dev-0001", boot: boot.text, received: 1_763_784_000_040 };
    for (let index = 0; index < lines.count; index++) entryFromLine(lines, index, origin);
    mark = lines.seqFirst + lines.count - 1;
  }
}

const { floor, ours } = await leastCpuUs(roundCount, { floor: readBare, ours: readWhole });
console.log(JSON.stringify({ floor: floor / ENTRIES_A_ROUND, ours: ours / ENTRIES_A_ROUND }));
