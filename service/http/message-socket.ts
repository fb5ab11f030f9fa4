import type { Writable } from "node:stream";
import type { WebSocket } from "ws";

/** A WebSocket as the service uses it; the only file that knows the library. */
export interface MessageSocket {
  /** Bytes handed over for sending that the system has not taken yet. */
  readonly bufferedBytes: number;
  /** @param flushed called once the system has taken it; never after the socket closed with it still waiting. */
  sendText(bytes: Uint8Array, flushed?: () => void): void;
  sendBinary(bytes: Uint8Array, flushed?: () => void): void;
  /** Frames that are made already, for many sockets at once. */
  sendFrames(frames: Uint8Array, flushed?: () => void): void;
  /** No more messages are read until `resume`. */
  pause(): void;
  resume(): void;
  ping(): void;
  close(code: CloseCode, reason: string): void;
  terminate(): void;
  onMessage(listener: (bytes: Uint8Array, isBinary: boolean) => void): void;
  onPong(listener: () => void): void;
  onClose(listener: () => void): void;
}

/** Close codes that a client may see (RFC 6455 7.4.1). 1009 comes from the library, for a message too big. */
export const CloseCode = { GoingAway: 1001, Policy: 1008, Failure: 1011, AskAgain: 1012 } as const;

/** What all connections are told at the end of the service. */
export const ServiceEnd = {
  Stopped: { code: CloseCode.GoingAway, reason: "the service stops" },
  Failed: { code: CloseCode.Failure, reason: "the service failed; see its own log" },
} as const;
export type ServiceEnd = (typeof ServiceEnd)[keyof typeof ServiceEnd];
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/** @param connection that the socket speaks over. Without compression the library writes each message at once, so order holds. */
export function messageSocketOf(socket: WebSocket, connection: Writable): MessageSocket {
  const send = (bytes: Uint8Array, binary: boolean, flushed?: () => void): void => {
    socket.send(bytes, { binary }, (error) => {
      if (error === undefined || error === null) flushed?.();
    });
  };
  return {
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    sendText: (bytes, flushed) => send(bytes, false, flushed),
    sendBinary: (bytes, flushed) => send(bytes, true, flushed),
    sendFrames: (frames, flushed) => {
      if (socket.readyState !== socket.OPEN) return;
      connection.write(frames, (error) => {
        if (error === undefined || error === null) flushed?.();
      });
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    ping: () => {
      if (socket.readyState === socket.OPEN) socket.ping();
    },
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
    onMessage: (listener) => {
      socket.on("message", (data, isBinary) => listener(bytesOf(data), isBinary));
    },
    onPong: (listener) => {
      socket.on("pong", listener);
    },
    onClose: (listener) => {
      socket.on("close", listener);
    },
  };
}

function bytesOf(data: Buffer | ArrayBuffer | Buffer[]): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
