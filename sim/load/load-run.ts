import { createHash, randomBytes } from "node:crypto";
import { Worker } from "node:worker_threads";
import { LatencyTable } from "./latency-table.ts";
import type { LoadFault, LoadOptions, LoadResult, LoadSample, LoadTargetProcess } from "./load-options.ts";
import type { FromWorker, LoadWorkerData, ToWorker, WorkerState, WorkerTotals } from "./load-worker.ts";
import { type DeviceTotals, readBack } from "./read-back.ts";

const CUT_SHARE = 0.1;
const CONNECT_S_MAX = 120;

/** The broker does not take as many connections as there are devices. */
export class DevicesRefused extends Error {
  readonly code = "DEVICES_REFUSED";
}

export interface LoadProgress {
  /** Called about twice a second with what to show. */
  show(text: string, share: number): void;
}

interface Group {
  readonly worker: Worker;
  readonly deviceCount: number;
  state: WorkerState | undefined;
  totals: WorkerTotals | undefined;
}

/** Puts load on what is there, breaks things on demand, waits for the queues to drain, reads everything back and judges. */
export async function runLoad(
  agentText: string,
  workerFile: URL,
  target: LoadTargetProcess,
  options: LoadOptions,
  progress: LoadProgress,
): Promise<LoadResult> {
  const boot = `load-${randomBytes(6).toString("hex")}`;
  const memoryBefore = process.memoryUsage().rss;
  const run = new LoadRun(target, options, progress);
  run.startWorkers(agentText, workerFile, boot);
  try {
    await run.connected();
    const deviceBytes = (process.memoryUsage().rss - memoryBefore) / options.devices;
    const loadS = await run.load();
    const drainS = await run.drain();
    const generatorCpuS = run.generatorCpuS();
    const targetCpuS = run.targetCpuS();
    const totals = await run.totals();
    const readStartMs = performance.now();
    const read = await readBack({ url: target.serviceUrl, key: target.key }, boot, totals, (done) =>
      progress.show(`reading back ${done}/${options.devices} devices`, done / options.devices),
    );
    const { verdict, receipt, orderMap } = read;
    const { lost, twice, outOfOrder, altered, wronglyDated, unaccountedDrops, undrained } = verdict;
    return {
      options,
      agentHash: createHash("sha256").update(agentText).digest("hex").slice(0, 16),
      isClean:
        [lost, twice, outOfOrder, altered, wronglyDated, unaccountedDrops, undrained].every(
          (count) => count === 0,
        ) && verdict.listed > 0,
      verdict,
      ackLatencyMs: percentiles(run.latency),
      receiptLatencyMs: percentiles(receipt),
      entriesPerSecond: verdict.logged / loadS,
      loadS,
      drainS,
      readBackS: (performance.now() - readStartMs) / 1000,
      generatorCpuS,
      targetCpuS,
      deviceBytes,
      reconnects: run.reconnects,
      samples: run.samples,
      faults: run.faults,
      orderMap,
    };
  } finally {
    await run.end();
  }
}

class LoadRun {
  readonly latency = new LatencyTable();
  readonly samples: LoadSample[] = [];
  readonly faults: LoadFault[] = [];
  reconnects = 0;
  #restarted: Promise<unknown> = Promise.resolve();
  readonly #target: LoadTargetProcess;
  readonly #options: LoadOptions;
  readonly #progress: LoadProgress;
  readonly #groups: Group[] = [];
  #recent = new LatencyTable();
  #startMs = performance.now();
  #cpuStart = process.cpuUsage();
  #targetCpuStart: number | undefined;
  #last = { atMs: performance.now(), logged: 0, acked: 0 };

  constructor(target: LoadTargetProcess, options: LoadOptions, progress: LoadProgress) {
    this.#target = target;
    this.#options = options;
    this.#progress = progress;
  }

  startWorkers(agentText: string, workerFile: URL, boot: string): void {
    const { devices, workers, rate, burst, ringBytesMax, connectsPerSecond } = this.#options;
    const { mqtt, project } = this.#target;
    for (let index = 0; index < workers; index++) {
      const firstIndex = Math.floor((devices * index) / workers);
      const deviceCount = Math.floor((devices * (index + 1)) / workers) - firstIndex;
      const data: LoadWorkerData = {
        agentText,
        target: { ...mqtt, project },
        boot,
        firstIndex,
        deviceCount,
        ringBytesMax,
        burstLines: burst,
        periodMs: (1000 * burst) / rate,
        connectsPerSecond: connectsPerSecond / workers,
      };
      const group: Group = {
        worker: new Worker(workerFile, { workerData: data }),
        deviceCount,
        state: undefined,
        totals: undefined,
      };
      group.worker.on("message", (message: FromWorker) => {
        if (message.type === "totals") group.totals = message.totals;
        else {
          group.state = message.state;
          this.latency.addAll(message.state.latency);
          this.#recent.addAll(message.state.latency);
        }
      });
      group.worker.on("error", (error) => {
        throw error;
      });
      this.#groups.push(group);
    }
  }

  /** @throws when too few devices get a connection. */
  async connected(): Promise<void> {
    const endMs = performance.now() + CONNECT_S_MAX * 1000;
    for (;;) {
      const count = this.#sum("connected");
      this.#progress.show(`connecting ${count}/${this.#options.devices}`, count / this.#options.devices);
      if (count === this.#options.devices) return;
      if (performance.now() > endMs)
        throw new DevicesRefused(`only ${count} of ${this.#options.devices} devices got a connection`);
      await pause(250);
    }
  }

  async load(): Promise<number> {
    const { durationS, killEveryS, cutEveryS } = this.#options;
    this.#startMs = performance.now();
    this.#cpuStart = process.cpuUsage();
    this.#targetCpuStart = this.#target.cpuSeconds();
    this.#tell({ type: "load", on: true });
    let nextKillS = killEveryS > 0 ? killEveryS : Number.POSITIVE_INFINITY;
    let nextCutS = cutEveryS > 0 ? cutEveryS : Number.POSITIVE_INFINITY;
    for (let atS = 0; atS < durationS; atS = this.#atS) {
      await pause(500);
      this.#sample(`load, ${Math.round(durationS - atS)} s left`, atS / durationS);
      if (this.#atS >= nextCutS) {
        this.#fault(`a tenth of the connections cut`);
        this.#tell({ type: "cut", share: CUT_SHARE });
        nextCutS += cutEveryS;
      }
      if (this.#atS >= nextKillS && this.#target.kill !== undefined) {
        this.#fault("kill -9 of the gateway's process");
        nextKillS += killEveryS;
        const again = this.#target.kill().then(() => this.#fault("started again"));
        // Samples go on meanwhile; the load does not end before it is back.
        this.#restarted = Promise.all([this.#restarted, again]);
      }
    }
    this.#tell({ type: "load", on: false });
    const loadS = this.#atS;
    await this.#restarted;
    return loadS;
  }

  /** Until every line is acked, or the time is up. @returns s. */
  async drain(): Promise<number> {
    const startMs = performance.now();
    const endMs = startMs + this.#options.drainS * 1000;
    // Two reports old enough to hold the last lines.
    await pause(1200);
    while (performance.now() < endMs && this.#sum("acked") < this.#sum("logged")) {
      this.#sample("draining", 1);
      await pause(250);
    }
    this.#sample("drained", 1);
    return (performance.now() - startMs) / 1000;
  }

  generatorCpuS(): number {
    const { user, system } = process.cpuUsage(this.#cpuStart);
    return (user + system) / 1e6;
  }

  targetCpuS(): number | undefined {
    const now = this.#target.cpuSeconds();
    return now === undefined ||
      this.#targetCpuStart === undefined ||
      this.faults.some(({ what }) => what.startsWith("kill"))
      ? undefined
      : now - this.#targetCpuStart;
  }

  async totals(): Promise<readonly DeviceTotals[]> {
    this.#tell({ type: "report" });
    while (this.#groups.some(({ totals }) => totals === undefined)) await pause(20);
    return this.#groups.flatMap(({ totals }) =>
      (totals?.seqs ?? []).map((seq, index) => ({
        seq,
        acked: totals?.acked[index] ?? 0,
        dropped: totals?.dropped[index] ?? 0,
      })),
    );
  }

  async end(): Promise<void> {
    await Promise.all(this.#groups.map(({ worker }) => worker.terminate()));
  }

  get #atS(): number {
    return (performance.now() - this.#startMs) / 1000;
  }

  #fault(what: string): void {
    this.faults.push({ atS: this.#atS, what });
  }

  #tell(message: ToWorker): void {
    for (const { worker } of this.#groups) worker.postMessage(message);
  }

  #sum(name: "connected" | "logged" | "acked" | "dropped" | "reconnects"): number {
    return this.#groups.reduce((sum, { state }) => sum + (state?.[name] ?? 0), 0);
  }

  #sample(what: string, share: number): void {
    const nowMs = performance.now();
    const logged = this.#sum("logged");
    const acked = this.#sum("acked");
    this.reconnects = this.#sum("reconnects");
    this.samples.push({
      atS: this.#atS,
      connected: this.#sum("connected"),
      logged,
      acked,
      dropped: this.#sum("dropped"),
      p50Ms: this.#recent.percentile(0.5),
      p99Ms: this.#recent.percentile(0.99),
      busyShare: Math.max(0, ...this.#groups.map(({ state }) => state?.busyShare ?? 0)),
    });
    this.#recent = new LatencyTable();
    const seconds = (nowMs - this.#last.atMs) / 1000;
    const rate = (now: number, before: number): string => `${Math.round((now - before) / seconds)}/s`;
    this.#progress.show(
      `${what}: logged ${rate(logged, this.#last.logged)}, acked ${rate(acked, this.#last.acked)}, ${logged - acked} on the way, ${this.#sum("connected")} connected`,
      share,
    );
    this.#last = { atMs: nowMs, logged, acked };
  }
}

function percentiles(table: LatencyTable): LoadResult["ackLatencyMs"] {
  const at = (fraction: number): number | undefined => table.percentile(fraction);
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999) };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
