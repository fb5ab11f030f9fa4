import type { CloseCode, MessageSocket } from "../http/message-socket.ts";
import type { LiveBatch, LiveEntry } from "./live-batch.ts";

/** Where a live reader's entries go. */
export interface LiveSink {
  /** Bytes handed over that the system has not taken yet. */
  readonly bufferedBytes: number;
  sendEntry(entry: LiveEntry, flushed: () => void): void;
  sendBatch(batch: LiveBatch, flushed: () => void): void;
  /** `{"live":...}` or `{"skipped":...}`. @param id where a reader that comes back goes on from, if here. */
  sendNotice(kind: "live" | "skipped", text: string, id: string | undefined, flushed: () => void): void;
  close(code: CloseCode, reason: string): void;
  onClose(listener: () => void): void;
}

export function socketSink(socket: MessageSocket): LiveSink {
  return {
    get bufferedBytes() {
      return socket.bufferedBytes;
    },
    sendEntry: (entry, flushed) => socket.sendFrames(entry.frame, flushed),
    sendBatch: (batch, flushed) => socket.sendFrames(batch.frames, flushed),
    sendNotice: (_kind, text, _id, flushed) => socket.sendText(Buffer.from(text, "utf8"), flushed),
    close: (code, reason) => socket.close(code, reason),
    onClose: (listener) => socket.onClose(listener),
  };
}
