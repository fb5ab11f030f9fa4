import { createHash, randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { LatencyTable } from "./latency-table.ts";
import { LiveWitness, stalledReader } from "./live-witness.ts";
import { type DeviceLife, deviceName } from "./load-device.ts";
import {
  faultNow,
  LOAD_FAULTS,
  type LoadFaultName,
  type PlannedFault,
  TARGET_FAULTS,
} from "./load-faults.ts";
import type {
  DeviceLogin,
  LoadFault,
  LoadLatency,
  LoadOptions,
  LoadResult,
  LoadSample,
  LoadTargetProcess,
} from "./load-options.ts";
import type { LoadScript } from "./load-script.ts";
import type { FromWorker, LoadWorkerData, ToWorker, WorkerState, WorkerTotals } from "./load-worker.ts";
import { readBack } from "./read-back.ts";

/** Of the devices, for faults that meet some of them. */
const SOME = 0.1;
const CONNECT_S_MAX = 120;
const PORTS_S_MAX = 30;
/** The live reader may be so far behind when the boards have their acks. */
const LIVE_MS_MAX = 30_000;
/** Ends of the run's time: clocks are read a moment apart. */
const SLACK_MS = 1000;

/** The broker does not take as many connections as there are devices. */
export class DevicesRefused extends Error {
  readonly code = "DEVICES_REFUSED";
}

export interface LoadProgress {
  /** Called about twice a second with what to show. */
  show(text: string, share: number): void;
  /** Something that happened, to be left standing. */
  note(text: string): void;
}

export interface LoadPlan {
  readonly agentText: string;
  readonly workerFile: URL;
  readonly script: LoadScript;
  readonly options: LoadOptions;
  /** Starts what is under test, or finds it; with these serial ports, for MQTT boards of these names. */
  readonly openTarget: (ports: readonly string[], devices: readonly string[]) => Promise<LoadTargetProcess>;
  readonly progress: LoadProgress;
  /** Given a function that makes a fault happen now; a person's keys may call it. */
  readonly onStarted?: (fault: (name: LoadFaultName) => void, possible: readonly LoadFaultName[]) => void;
  /** Aborted, the run ends with an error and leaves nothing behind. */
  readonly signal: AbortSignal;
}

interface Group {
  readonly worker: Worker;
  ports: readonly string[] | undefined;
  state: WorkerState | undefined;
  totals: WorkerTotals | undefined;
}

/** Puts load on what is there, breaks things on demand, waits for the queues to drain, reads everything back and judges. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const { agentText, options, script, progress, signal } = plan;
  const boot = `load-${randomBytes(6).toString("hex")}`;
  const memoryBefore = process.memoryUsage().rss;
  const run = new LoadRun(plan, boot);
  let witness: LiveWitness | undefined;
  try {
    const target = await run.start();
    await run.connected();
    const deviceBytes = (process.memoryUsage().rss - memoryBefore) / options.devices;
    const service = { url: target.serviceUrl, key: target.key, project: target.project };
    witness = options.isWatchedLive ? new LiveWitness(service, boot) : undefined;
    await witness?.start(signal);
    plan.onStarted?.((name) => run.fault(name), run.possibleFaults);
    const startWallMs = Date.now();
    const loadS = await run.load();
    const drainS = await run.drain();
    const generatorCpuS = run.generatorCpuS();
    const targetCpuS = run.targetCpuS();
    const devices = await run.totals();
    const isClockTrue = !run.faults.some(({ name }) => name === "clock");
    const between = [startWallMs - SLACK_MS, Date.now() + SLACK_MS] as const;
    const readStartMs = performance.now();
    const read = await readBack(
      service,
      { devices, script, between: isClockTrue ? between : undefined, signal },
      (done) => progress.show(`reading back ${done}/${options.devices} devices`, done / options.devices),
    );
    const { verdict, receipt, orderMap } = read;
    await witness?.settled(verdict.listed, LIVE_MS_MAX, signal);
    const live = witness?.seen;
    const liveMissing = live === undefined ? 0 : verdict.listed - live.entries - live.skipped;
    const { lost, twice, outOfOrder, altered, wronglyDated, unaccountedDrops, undrained } = verdict;
    const wrongs = [lost, twice, outOfOrder, altered, wronglyDated, unaccountedDrops, undrained];
    wrongs.push(live?.twice ?? 0, live?.outOfOrder ?? 0, Math.max(0, liveMissing));
    return {
      options,
      agentHash: createHash("sha256").update(agentText).digest("hex").slice(0, 16),
      isClean: wrongs.every((count) => count === 0) && verdict.listed > 0,
      verdict,
      live: live && { ...live, missing: Math.max(0, liveMissing) },
      ackLatencyMs: percentiles(run.latency),
      receiptLatencyMs: percentiles(receipt),
      liveLatencyMs: percentiles((isClockTrue ? witness?.latency : undefined) ?? new LatencyTable()),
      entriesPerSecond: verdict.logged / loadS,
      loadS,
      drainS,
      readBackS: (performance.now() - readStartMs) / 1000,
      generatorCpuS,
      targetCpuS,
      gatewayBytesMax: mostOf(run.samples.map(({ gatewayBytes }) => gatewayBytes)),
      deviceBytes,
      reconnects: run.reconnects,
      samples: run.samples,
      faults: run.faults,
      orderMap,
    };
  } finally {
    witness?.end();
    await run.end();
  }
}

class LoadRun {
  readonly latency = new LatencyTable();
  readonly samples: LoadSample[] = [];
  readonly faults: LoadFault[] = [];
  reconnects = 0;
  readonly #plan: LoadPlan;
  readonly #options: LoadOptions;
  readonly #boot: string;
  readonly #groups: Group[] = [];
  /** Faults under way that the run waits for. */
  readonly #mending = new Set<Promise<void>>();
  /** What was broken and did not come back. */
  #failure: Error | undefined;
  /** The last process that was to be started again is. */
  #restarted = Promise.resolve();
  #target: LoadTargetProcess | undefined;
  #spooled: number | undefined;
  #isAsking = false;
  #recent = new LatencyTable();
  #startMs = performance.now();
  #cpuStart = process.cpuUsage();
  #targetCpuStart: number | undefined;
  #last = { atMs: performance.now(), logged: 0, acked: 0 };

  constructor(plan: LoadPlan, boot: string) {
    this.#plan = plan;
    this.#options = plan.options;
    this.#boot = boot;
  }

  /** Boards on serial lines first: what is under test opens their ports when it starts. */
  async start(): Promise<LoadTargetProcess> {
    const { devices, serialDevices, workers } = this.#options;
    const mqttDevices = devices - serialDevices;
    if (serialDevices > 0) this.#startWorker(mqttDevices, serialDevices, undefined);
    const endMs = performance.now() + PORTS_S_MAX * 1000;
    while (serialDevices > 0 && this.#groups[0]?.ports === undefined) {
      if (performance.now() > endMs) throw new DevicesRefused("the serial lines (ptys) cannot be had");
      await pause(20, undefined, { signal: this.#plan.signal });
    }
    const names = Array.from({ length: mqttDevices }, (_, index) => deviceName(index));
    const target = await this.#plan.openTarget(this.#groups[0]?.ports ?? [], names);
    this.#target = target;
    for (let index = 0; index < workers; index++) {
      const first = Math.floor((mqttDevices * index) / workers);
      const count = Math.floor((mqttDevices * (index + 1)) / workers) - first;
      if (count > 0) this.#startWorker(first, count, target);
    }
    return target;
  }

  #startWorker(firstIndex: number, deviceCount: number, target: LoadTargetProcess | undefined): void {
    const { workers, rate, burst, ringBytesMax, connectsPerSecond, arrival } = this.#options;
    const data: LoadWorkerData = {
      agentText: this.#plan.agentText,
      ...(target !== undefined && {
        target: { host: target.mqtt.host, port: target.mqtt.port, project: target.project },
      }),
      logins: this.#loginsOf(target, firstIndex, deviceCount),
      boot: this.#boot,
      firstIndex,
      deviceCount,
      ringBytesMax,
      script: this.#plan.script,
      burstLines: burst,
      periodMs: (1000 * burst) / rate,
      isTogether: arrival === "together",
      connectsPerSecond: connectsPerSecond / workers,
    };
    const group: Group = {
      worker: new Worker(this.#plan.workerFile, { workerData: data }),
      ports: undefined,
      state: undefined,
      totals: undefined,
    };
    group.worker.on("message", (message: FromWorker) => {
      if (message.type === "totals") group.totals = message.totals;
      else if (message.type === "ports") group.ports = message.paths;
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

  /** Handed over in memory: a secret stands on no command line. */
  #loginsOf(target: LoadTargetProcess | undefined, first: number, count: number): readonly DeviceLogin[] {
    if (target === undefined) return [];
    return Array.from({ length: count }, (_, offset) => target.mqtt.loginOf(deviceName(first + offset)));
  }

  /** @throws when too few devices get a connection. */
  async connected(): Promise<void> {
    const endMs = performance.now() + CONNECT_S_MAX * 1000;
    for (;;) {
      const count = this.#sum("connected");
      this.#plan.progress.show(`connecting ${count}/${this.#options.devices}`, count / this.#options.devices);
      if (count === this.#options.devices) return;
      const refused = this.#sum("refused");
      if (refused > 0) {
        throw new DevicesRefused(
          `the broker refuses the credentials of boards (so far of ${refused}; ${count} of ${this.#options.devices} are connected)`,
        );
      }
      if (performance.now() > endMs) {
        throw new DevicesRefused(
          `only ${count} of ${this.#options.devices} devices got a connection to the broker; has it a limit of connections?`,
        );
      }
      await pause(250, undefined, { signal: this.#plan.signal });
    }
  }

  async load(): Promise<number> {
    const { durationS, plan } = this.#options;
    this.#startMs = performance.now();
    this.#cpuStart = process.cpuUsage();
    this.#targetCpuStart = this.#target?.cpuSeconds();
    this.#tell({ type: "load", on: true });
    const ahead = [...plan].sort((left, right) => left.atS - right.atS);
    for (let atS = 0; atS < durationS; atS = this.#atS) {
      await pause(Math.max(10, Math.min(500, ((ahead[0]?.atS ?? durationS) - atS) * 1000)), undefined, {
        signal: this.#plan.signal,
      });
      if (this.#failure !== undefined) throw this.#failure;
      this.#sample(`${Math.round(durationS - atS)} s left`, atS / durationS);
      while (ahead[0] !== undefined && ahead[0].atS <= this.#atS) {
        const next = ahead.shift();
        if (next !== undefined) this.#make(next);
      }
    }
    this.#tell({ type: "load", on: false });
    const loadS = this.#atS;
    // Samples went on meanwhile; the load does not end before all is back.
    await Promise.all(this.#mending);
    if (this.#failure !== undefined) throw this.#failure;
    return loadS;
  }

  /** Those of the boards and of live readers, and what is under test says that it can break. */
  get possibleFaults(): readonly LoadFaultName[] {
    const breaks = this.#target?.breaks ?? {};
    const names = Object.keys(LOAD_FAULTS) as LoadFaultName[];
    return names.filter((name) => name in breaks || !TARGET_FAULTS.includes(name));
  }

  /** Makes a fault happen now. */
  fault(name: LoadFaultName): void {
    this.#make(faultNow(name, this.#atS));
  }

  #make({ name, forS }: PlannedFault): void {
    const repair = this.#repairOf(name, forS);
    if (repair === undefined) {
      const share = name === "cut" || name === "crash" ? SOME : 1;
      this.#tell({ type: "fault", name, share, forMs: forS * 1000 });
      this.#happened(name, forS);
      return;
    }
    // One at a time: what is being started again cannot be killed.
    const before = TARGET_FAULTS.includes(name) ? this.#restarted : Promise.resolve();
    const mended = before
      .then(async () => {
        const fault = this.#happened(name, forS);
        await repair();
        fault.forS = this.#atS - fault.atS;
      })
      .catch((error: Error) => {
        this.#failure ??= error;
      })
      .finally(() => this.#mending.delete(mended));
    this.#mending.add(mended);
    if (TARGET_FAULTS.includes(name)) this.#restarted = mended;
  }

  #happened(name: LoadFaultName, forS: number): { -readonly [K in keyof LoadFault]: LoadFault[K] } {
    const length = forS > 0 ? `, for ${Math.round(forS * 10) / 10} s` : "";
    const fault = { atS: this.#atS, name, forS, what: LOAD_FAULTS[name] + length };
    this.faults.push(fault);
    this.#plan.progress.note(`${fault.atS.toFixed(1)} s: ${fault.what}`);
    return fault;
  }

  /** What the run itself does for a fault; undefined where the boards do it. */
  #repairOf(name: LoadFaultName, forS: number): (() => Promise<void>) | undefined {
    const target = this.#target;
    const repair = target?.breaks[name];
    if (repair !== undefined) return () => repair(forS * 1000);
    if (target === undefined || name !== "reader") return undefined;
    const { serviceUrl: url, key, project } = target;
    return () => stalledReader({ url, key, project }, forS * 1000, this.#plan.signal);
  }

  /** Until every line is acked and with the service, or the time is up. @returns s. */
  async drain(): Promise<number> {
    const startMs = performance.now();
    const endMs = startMs + this.#options.drainS * 1000;
    // Two reports old enough to hold the last lines.
    await pause(1200, undefined, { signal: this.#plan.signal });
    for (;;) {
      const unforwarded = (await this.#target?.waitingEntries?.()) ?? 0;
      this.#spooled = this.#spoolCount(unforwarded);
      if ((this.#sum("waiting") === 0 && unforwarded === 0) || performance.now() > endMs) break;
      const spooled = Number.isFinite(unforwarded) && unforwarded > 0 ? `, ${unforwarded} in the spool` : "";
      this.#sample(`draining${spooled}`, 1);
      await pause(250, undefined, { signal: this.#plan.signal });
    }
    this.#sample("drained", 1);
    return (performance.now() - startMs) / 1000;
  }

  generatorCpuS(): number {
    const { user, system } = process.cpuUsage(this.#cpuStart);
    return (user + system) / 1e6;
  }

  targetCpuS(): number | undefined {
    const now = this.#target?.cpuSeconds();
    const before = this.#targetCpuStart;
    const isOneProcess = !this.faults.some(({ name }) => name === "kill" || name === "service");
    return now === undefined || before === undefined || !isOneProcess ? undefined : now - before;
  }

  /** Every device's starts, by its index. */
  async totals(): Promise<readonly (readonly DeviceLife[])[]> {
    this.#tell({ type: "report" });
    while (this.#groups.some(({ totals }) => totals === undefined))
      await pause(20, undefined, { signal: this.#plan.signal });
    const [first, ...others] = this.#groups.map(({ totals }) => totals ?? []);
    // The worker of the serial lines, where there is one, was started first and has the last devices.
    const inOrder = this.#options.serialDevices > 0 ? [...others, first ?? []] : [first ?? [], ...others];
    return inOrder.flat();
  }

  async end(): Promise<void> {
    await Promise.all(this.#groups.map(({ worker }) => worker.terminate()));
  }

  get #atS(): number {
    return (performance.now() - this.#startMs) / 1000;
  }

  #tell(message: ToWorker): void {
    for (const { worker } of this.#groups) worker.postMessage(message);
  }

  #sum(name: Exclude<keyof WorkerState, "latency" | "busyShare" | "lagMs">): number {
    return this.#groups.reduce((sum, { state }) => sum + (state?.[name] ?? 0), 0);
  }

  /** A gateway that is away cannot say, and without a spool there is nothing to say. */
  #spoolCount(count: number): number | undefined {
    return Number.isFinite(count) && this.#target?.waitingEntries !== undefined ? count : undefined;
  }

  /** For the next sample; one question at a time. */
  #askSpool(): void {
    const { waitingEntries } = this.#target ?? {};
    if (waitingEntries === undefined || this.#isAsking) return;
    this.#isAsking = true;
    void waitingEntries()
      .then((count) => {
        this.#spooled = this.#spoolCount(count);
      })
      .finally(() => {
        this.#isAsking = false;
      });
  }

  #sample(what: string, share: number): void {
    const nowMs = performance.now();
    const logged = this.#sum("logged");
    const acked = this.#sum("acked");
    const lagMs = Math.max(0, ...this.#groups.map(({ state }) => state?.lagMs ?? 0));
    this.#askSpool();
    this.reconnects = this.#sum("reconnects");
    this.samples.push({
      atS: this.#atS,
      connected: this.#sum("connected"),
      logged,
      acked,
      dropped: this.#sum("dropped"),
      waiting: this.#sum("waiting"),
      lagMs,
      spooled: this.#spooled,
      p50Ms: this.#recent.percentile(0.5),
      p90Ms: this.#recent.percentile(0.9),
      p99Ms: this.#recent.percentile(0.99),
      busyShare: Math.max(0, ...this.#groups.map(({ state }) => state?.busyShare ?? 0)),
      gatewayBytes: this.#target?.gatewayBytes(),
    });
    this.#recent = new LatencyTable();
    const seconds = (nowMs - this.#last.atMs) / 1000;
    const rate = (now: number, before: number): string => `${Math.round((now - before) / seconds)}/s`;
    this.#plan.progress.show(
      `${what}: ${rate(logged, this.#last.logged)} logged, ${rate(acked, this.#last.acked)} acked, lag ${(lagMs / 1000).toFixed(1)} s, ${this.#sum("waiting")} waiting, ${this.#sum("connected")} up`,
      share,
    );
    this.#last = { atMs: nowMs, logged, acked };
  }
}

function mostOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

function percentiles(table: LatencyTable): LoadLatency {
  const at = (fraction: number): number | undefined => table.percentile(fraction);
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999) };
}
