/*
 * Boards on ptys: says the paths, then writes lines as fast as they are taken, or at a baud rate, when asked `{"lines":N,"kind":K}`.
 * node feeder [--ports N] [--baud N]
 */
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { openPty, type Pty } from "../../host/pty.ts";
import { crc32Digits, crc32OfLatin1 } from "../../protocol/crc32.ts";
import { readLines } from "../store/corpus.ts";

const { values } = parseArgs({
  options: { ports: { type: "string", default: "16" }, baud: { type: "string", default: "0" } },
});
const BITS_PER_BYTE = 10;
const TICK_MS = 10;
/** As many as a frame of 1,024 bytes takes of the corpus. */
const ENTRIES_PER_FRAME = 10;
const texts = readLines(undefined).map(({ msg }) => msg);
const seqs = new Map<number, number>();

const ports = Array.from({ length: Number(values.ports) }, () => openPty());
console.log(JSON.stringify({ paths: ports.map(({ path }) => path) }));
for await (const line of createInterface({ input: process.stdin })) {
  const { lines, kind } = JSON.parse(line) as { readonly lines: number; readonly kind: "text" | "frames" };
  const start = performance.now();
  const bytes = await Promise.all(ports.map((port, index) => feed(port, index, lines, kind)));
  console.log(
    JSON.stringify({ ms: performance.now() - start, bytes: bytes.reduce((sum, one) => sum + one, 0) }),
  );
}
process.exit(0);

function lineOf(port: number, index: number, kind: "text" | "frames"): string {
  const text = (at: number): string => texts[(port * 977 + at) % texts.length] ?? "";
  if (kind === "text") return `${text(index)}\n`;
  const seq = seqs.get(port) ?? 1;
  seqs.set(port, seq + ENTRIES_PER_FRAME);
  const body = Array.from(
    { length: ENTRIES_PER_FRAME },
    (_, at) => `50,${JSON.stringify(text(index * ENTRIES_PER_FRAME + at))}`,
  );
  // Without acks: nothing goes up that would be read here.
  const json = `["~${port}-bench${process.pid.toString(16)}","port-${port}",${seq},0,${Date.now()},0,${body.join(",")}]`;
  return `${json}${crc32Digits(crc32OfLatin1(json))}\n`;
}

/** @returns the bytes written. */
async function feed(port: Pty, index: number, lineCount: number, kind: "text" | "frames"): Promise<number> {
  const bytesPerSecond = Number(values.baud) / BITS_PER_BYTE;
  const start = performance.now();
  let written = 0;
  let batch = "";
  let drained: () => void = () => {};
  port.onDrain(() => drained());
  for (let at = 0; at < lineCount; at++) {
    batch += lineOf(index, at, kind);
    if (batch.length < 4096 && at < lineCount - 1 && bytesPerSecond === 0) continue;
    written += batch.length;
    const isTaken = port.write(Buffer.from(batch, "latin1"));
    batch = "";
    if (!isTaken) await new Promise<void>((resolve) => (drained = resolve));
    while (bytesPerSecond > 0 && ((performance.now() - start) * bytesPerSecond) / 1000 < written) {
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
  }
  return written;
}
