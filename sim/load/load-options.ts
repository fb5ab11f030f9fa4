import type { LiveSeen } from "./live-witness.ts";
import type { Arrival, LoadFaultName, PlannedFault } from "./load-faults.ts";

/** What a load run is asked to do. */
export interface LoadOptions {
  readonly devices: number;
  /** Of these, how many are on serial lines (ptys); the others are on MQTT. */
  readonly serialDevices: number;
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
  readonly arrival: Arrival;
  /** In words: what the devices log. */
  readonly messages: string;
  /** Those of the arrival pattern among them. */
  readonly plan: readonly PlannedFault[];
  /** Also read everything from the live socket while it runs. */
  readonly isWatchedLive: boolean;
}

/** What a board shows the broker; nothing, where that asks for nothing. */
export interface DeviceLogin {
  readonly username?: string;
  readonly password?: string;
}

/** What is under test, as the run sees it. */
export interface LoadTargetProcess {
  readonly mqtt: {
    readonly host: string;
    readonly port: number;
    /** Of the board of this name. */
    loginOf(device: string): DeviceLogin;
  };
  readonly serviceUrl: string;
  readonly key: string;
  readonly project: string;
  /** CPU seconds used so far, where that can be told. */
  cpuSeconds(): number | undefined;
  /** Memory of the gateway's process now, where that can be told. */
  gatewayBytes(): number | undefined;
  /** Entries that are acked and not yet with the service, where there is a spool. */
  readonly waitingEntries?: () => Promise<number>;
  /** Breaks something and mends it; what cannot be broken here is not there. */
  readonly breaks: Partial<Record<LoadFaultName, (forMs: number) => Promise<void>>>;
}

/** One moment of a run, for the plots. */
export interface LoadSample {
  readonly atS: number;
  readonly connected: number;
  readonly logged: number;
  readonly acked: number;
  readonly dropped: number;
  /** Logged, and an ack may still come. */
  readonly waiting: number;
  /** Since the oldest line that no ack came for was logged. */
  readonly lagMs: number;
  /** Waiting in the gateway's spool, where that can be told. */
  readonly spooled: number | undefined;
  readonly p50Ms: number | undefined;
  readonly p90Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** Event loops of the generator, the busiest one, 0 to 1. */
  readonly busyShare: number;
  readonly gatewayBytes: number | undefined;
}

export interface LoadFault {
  readonly atS: number;
  readonly name: LoadFaultName;
  /** How long it lasted, with the time that a killed process took to be back; 0 for those of a moment. */
  readonly forS: number;
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
  /** Lines not acked yet when their board fell over: gone with its memory, unless they had arrived. */
  readonly goneWithBoards: number;
  /** The first few, in words. */
  readonly examples: readonly string[];
}

/** Percentiles, ms; undefined where nothing was measured. */
export type LoadLatency = Readonly<Record<"p50" | "p90" | "p99" | "p999", number | undefined>>;

export interface LoadResult {
  readonly options: LoadOptions;
  readonly agentHash: string;
  readonly isClean: boolean;
  readonly verdict: LoadVerdict;
  /** `missing`: listed, and neither seen live nor told to be skipped. */
  readonly live: (LiveSeen & { readonly missing: number }) | undefined;
  /** From `console.log` to the ack at the board, ms. */
  readonly ackLatencyMs: LoadLatency;
  /** From the board's timestamp to the gateway's receipt, ms; both clocks are this machine's. */
  readonly receiptLatencyMs: LoadLatency;
  /** From end to end: from the board's timestamp to the live reader. Not measured where boards' clocks stepped. */
  readonly liveLatencyMs: LoadLatency;
  readonly entriesPerSecond: number;
  readonly loadS: number;
  readonly drainS: number;
  readonly readBackS: number;
  readonly generatorCpuS: number;
  readonly targetCpuS: number | undefined;
  /** Most memory that the gateway's process had, as seen twice a second. */
  readonly gatewayBytesMax: number | undefined;
  /** Memory of this process that came with the devices, bytes each. */
  readonly deviceBytes: number;
  readonly reconnects: number;
  readonly samples: readonly LoadSample[];
  readonly faults: readonly LoadFault[];
  /** Of some devices, those first of which something was found wrong. */
  readonly orderMap: readonly OrderRow[];
}

/** How a device's lines are listed. */
export interface OrderRow {
  readonly device: number;
  /** Their numbers over all starts of the board. */
  readonly seqs: readonly number[];
}
