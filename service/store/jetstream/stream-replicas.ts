/** One copy of a stream. */
export interface ReplicaState {
  readonly node: string;
  readonly isLeader: boolean;
  /** There, and has what the leader has. */
  readonly isCurrent: boolean;
}

export interface ReplicasStanding {
  /** What the stream is set to have. */
  readonly wantedCount: number;
  /** Those that it has, whatever became of them. */
  readonly replicas: readonly ReplicaState[];
  readonly lastSeq: number;
}

/** What one replica has of a range of seqs: numbers, subjects and times of its messages. */
export interface ReplicaContent {
  readonly count: number;
  /** The same where all of them are. */
  readonly digest: string;
}

/**
 * The copies of the streams, each by itself: what a cluster promises to be the same on all of them. All reject with StoreUnavailable
 * when the cluster does not answer.
 */
export interface StreamReplicas {
  /** Undefined where there is no such stream. */
  standing(stream: string): Promise<ReplicasStanding | undefined>;
  /** What each node has from one seq through another. A node of which not all came in time is not in it. */
  contents(stream: string, fromSeq: number, throughSeq: number): Promise<ReadonlyMap<string, ReplicaContent>>;
  /** Writes a message that says nothing. @returns its seq */
  writeBarrier(subject: string): Promise<number>;
  /** Lets another replica lead. */
  stepDown(stream: string): Promise<void>;
  /** Takes a replica from the stream; its node forgets what it had. */
  remove(stream: string, node: string): Promise<void>;
  /** Sets how many there are: nodes that had none begin with copies of what the leader has. */
  setCount(stream: string, count: number): Promise<void>;
  /** Calls `listener` when a stream has got a leader. */
  onLeader(listener: (stream: string, node: string) => void): void;
}
