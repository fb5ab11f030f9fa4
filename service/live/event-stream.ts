import type { ServerResponse } from "node:http";
import type { Timers } from "../../host/clock.ts";
import { PING_MS } from "../http/heartbeat.ts";
import type { LiveSink } from "./live-sink.ts";

/** How long a reader waits before it comes back, ms. */
const RETRY_MS = 2000;

/** Live entries as Server-Sent Events (docs/protocol.md 11.7): each with its id, so that a reader that comes back misses nothing. */
export function eventStreamSink(out: ServerResponse, timers: Timers): LiveSink {
  const write = (text: string, flushed?: () => void): void => {
    if (out.writableEnded || out.destroyed) return;
    out.write(text, (error) => {
      if (error === undefined || error === null) flushed?.();
    });
    // The library holds what is written up to the end of the turn: a commit larger than a reader may leave unread would be skipped
    // for one that reads as fast as it comes.
    out.socket?.uncork();
  };
  write(`retry: ${RETRY_MS}\n\n`);
  const ping = timers.every(PING_MS, () => write(":\n\n"));
  out.on("close", () => ping.cancel());
  return {
    get bufferedBytes() {
      return out.writableLength;
    },
    // JSON text has no line ends.
    sendEntry: ({ entry, text }, flushed) => write(`id: ${entry.id}\ndata: ${text}\n\n`, flushed),
    sendBatch: ({ entries }, flushed) =>
      write(entries.map(({ entry, text }) => `id: ${entry.id}\ndata: ${text}\n\n`).join(""), flushed),
    sendNotice: (kind, text, id, flushed) =>
      write(`${id === undefined ? "" : `id: ${id}\n`}event: ${kind}\ndata: ${text}\n\n`, flushed),
    close: (code, reason) => {
      write(`event: close\ndata: ${JSON.stringify({ code, reason })}\n\n`);
      out.end();
    },
    onClose: (listener) => {
      out.on("close", listener);
    },
  };
}
