import { LineBound } from "./line-bound.ts";
import type { LineParser } from "./link.ts";

const LF = 0x0a;

/** A line parser without streams, for wires that are no serial ports; the same lines as the readline parser gives. */
export function lineSplitter(
  onLine: (line: string) => void,
  onDiscarded: (byteCount: number) => void,
): LineParser {
  const bound = new LineBound(onDiscarded);
  let pending = "";
  return {
    write: (bytes) => {
      for (const part of bound.push(bytes)) {
        let start = 0;
        for (let end = part.indexOf(LF); end >= 0; end = part.indexOf(LF, start)) {
          const line = pending + latin1(part.subarray(start, end));
          pending = "";
          start = end + 1;
          if (line !== "") onLine(line);
        }
        pending += latin1(part.subarray(start));
      }
    },
    end: async () => {
      const line = pending;
      pending = "";
      if (line !== "") onLine(line);
    },
  };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
