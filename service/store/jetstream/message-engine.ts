import type { StreamReplicas } from "./stream-replicas.ts";

/** One message of a stream. */
export interface EngineMessage {
  readonly subject: string;
  /** Ascends within its stream, over all subjects; never used twice. */
  readonly seq: number;
  /** When the engine took it, UTC ms. */
  readonly storedMs: number;
  readonly data: Uint8Array;
}

export interface StreamState {
  /** The lowest that is kept; above `lastSeq` where nothing is. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly messageCount: number;
  readonly subjectCount: number;
  /** Bytes of one replica. */
  readonly byteCount: number;
  /** When the lowest that is kept was taken, UTC ms; 0 where nothing is kept. */
  readonly firstMs: number;
}

export type PublishOutcome =
  | { readonly type: "stored"; readonly seq: number }
  /** The subject's last message is another one than was expected: nothing was stored by this call. */
  | { readonly type: "conflict" }
  /** No answer: it may be stored, or be stored yet. */
  | { readonly type: "unknown"; readonly cause: unknown };

/** Where a scan starts. */
export type ScanStart =
  | { readonly seq: number }
  /** At the first message taken at that time or later, UTC ms. */
  | { readonly storedMs: number }
  /** Only the last message of each subject. */
  | "last-per-subject";

/**
 * What the cluster's log engine does for us. Reads are answered by the leader of the stream: what a publish was answered for is
 * seen. Subjects in reads may end in `.>`. All reject with StoreUnavailable when the cluster does not answer.
 */
export interface MessageEngine {
  /** Another number once the connection was lost: the cluster may be another one than before. */
  readonly generation: number;
  /** Absent where there are none. */
  readonly replicas?: StreamReplicas;
  /** Largest message that it takes, bytes. */
  readonly payloadBytesMax: number;
  /** Makes the stream where there is none. @param perSubjectMax messages that each subject keeps; all where absent. */
  ensureStream(stream: string, subject: string, perSubjectMax?: number): Promise<void>;
  /** Names of the streams that begin so. */
  streamNames(prefix: string): Promise<readonly string[]>;
  /** Undefined where there is no such stream; so too below. */
  state(stream: string): Promise<StreamState | undefined>;
  /** @param expectedSeq of the subject's last message; 0 where it must have none; undefined where that is not to be looked at. */
  publish(subject: string, data: Uint8Array, expectedSeq: number | undefined): Promise<PublishOutcome>;
  last(stream: string, subject: string): Promise<EngineMessage | undefined>;
  /** The first at `seq` or above. */
  next(stream: string, subject: string, seq: number): Promise<EngineMessage | undefined>;
  at(stream: string, seq: number): Promise<EngineMessage | undefined>;
  /** Messages in order of seq, up to `throughSeq`, in slices that came together. @param node whose replica is read; any where absent. */
  scan(
    stream: string,
    subject: string,
    start: ScanStart,
    throughSeq: number,
    node?: string,
  ): AsyncIterable<readonly EngineMessage[]>;
  /** Calls `listener` with each message from `fromSeq` on, in order, each once, until closed, and with the node whose replica it is of. */
  follow(
    stream: string,
    fromSeq: number,
    listener: (message: EngineMessage, node?: string) => void,
  ): EngineFollower;
  /** Removes the messages below `belowSeq`, of one subject where it is named; gone from every replica that answers. */
  purge(stream: string, belowSeq: number, subject?: string): Promise<void>;
  /** Called when the connection was lost and is back: the cluster may be another one than before. */
  onReconnect(listener: () => void): void;
  close(): Promise<void>;
}

export interface EngineFollower {
  /** Resolves when it listens; rejects with StoreUnavailable. */
  readonly ready: Promise<void>;
  close(): void;
}
