/** What a load run is asked to do. */
export interface LoadOptions {
  readonly devices: number;
  /** Entries a second and device, on average. */
  readonly rate: number;
  /** Lines that a device logs at once. */
  readonly burst: number;
  readonly durationS: number;
  readonly workers: number;
  readonly ringBytesMax: number;
  readonly connectsPerSecond: number;
  /** How long queues may take to drain once the load ends. */
  readonly drainS: number;
  /** kill -9 of the gateway's process so often; 0 never. */
  readonly killEveryS: number;
  /** Cuts a tenth of the connections so often; 0 never. */
  readonly cutEveryS: number;
}

/** What is under test, as the run sees it. */
export interface LoadTargetProcess {
  readonly mqtt: {
    readonly host: string;
    readonly port: number;
    readonly username?: string;
    readonly password?: string;
  };
  readonly serviceUrl: string;
  readonly key: string;
  readonly project: string;
  /** CPU seconds used so far, where that can be told. */
  cpuSeconds(): number | undefined;
  /** kill -9 and started again; undefined where the process is not ours. */
  readonly kill?: () => Promise<void>;
}

/** One moment of a run, for the plots. */
export interface LoadSample {
  readonly atS: number;
  readonly connected: number;
  readonly logged: number;
  readonly acked: number;
  readonly dropped: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** Event loops of the generator, the busiest one, 0 to 1. */
  readonly busyShare: number;
}

export interface LoadFault {
  readonly atS: number;
  readonly what: string;
}

/** Entries found wrong when everything was read back, by promise. */
export interface LoadVerdict {
  readonly listed: number;
  readonly acked: number;
  readonly logged: number;
  readonly droppedByAgents: number;
  readonly droppedListed: number;
  readonly lost: number;
  readonly twice: number;
  readonly outOfOrder: number;
  readonly altered: number;
  readonly wronglyDated: number;
  readonly unaccountedDrops: number;
  /** Lines that no ack came for in the time there was. */
  readonly undrained: number;
  /** The first few, in words. */
  readonly examples: readonly string[];
}

export interface LoadResult {
  readonly options: LoadOptions;
  readonly agentHash: string;
  readonly isClean: boolean;
  readonly verdict: LoadVerdict;
  /** From `console.log` to the ack at the board, ms. */
  readonly ackLatencyMs: Readonly<Record<"p50" | "p90" | "p99" | "p999", number | undefined>>;
  /** From the board's timestamp to the gateway's receipt, ms; both clocks are this machine's. */
  readonly receiptLatencyMs: Readonly<Record<"p50" | "p90" | "p99" | "p999", number | undefined>>;
  readonly entriesPerSecond: number;
  readonly loadS: number;
  readonly drainS: number;
  readonly readBackS: number;
  readonly generatorCpuS: number;
  readonly targetCpuS: number | undefined;
  /** Memory of this process that came with the devices, bytes each. */
  readonly deviceBytes: number;
  readonly reconnects: number;
  readonly samples: readonly LoadSample[];
  readonly faults: readonly LoadFault[];
  /** By device, some of them: listed seqs in order, for the order map. */
  readonly orderMap: readonly (readonly number[])[];
}
