import { CounterTable } from "../host/counters.ts";
import type { StoredEntry } from "../protocol/entry.ts";
import { decodeLineChecksum } from "../protocol/serial-line.ts";
import { type LogStore, StoreUnavailable, UnknownToken } from "../service/store/log-store.ts";
import type { AgentProgram } from "./board.ts";
import { SteppedClock } from "./board-clock.ts";
import type { BootTruth } from "./boot-truth.ts";
import { EventLog } from "./event-log.ts";
import {
  bootKey,
  type Evidence,
  type FollowerRecord,
  sourceKey,
  type TailRecord,
  type Violation,
} from "./evidence.ts";
import type { FaultName, FaultPlan } from "./fault-plan.ts";
import { GatewayProcess } from "./gateway-process.ts";
import type { ProcessLife } from "./process-life.ts";
import { SeededRandom } from "./seeded-random.ts";
import { SerialWire } from "./serial-wire.ts";
import { ServiceProcess } from "./service-process.ts";
import { SimulatedUplink, type UplinkState } from "./simulated-uplink.ts";
import { TopicBroker } from "./topic-broker.ts";
import { BoardKind, VirtualBoard, type VirtualBoardOptions } from "./virtual-board.ts";
import { VirtualTime } from "./virtual-time.ts";

export interface ChainOptions {
  readonly seed: number;
  readonly plan: FaultPlan;
  readonly program: AgentProgram;
  readonly boardsMax: number;
  /** Length of the phase with faults. */
  readonly faultyMs: number;
  readonly keepsEvents: boolean;
}

/** Time for everything to drain once faults stop: several of the longest waits there are (an agent's 30 s). */
const DRAIN_MS_MAX = 240_000;
const DRAIN_STEP_MS = 500;
const LIST_LIMITS = [1, 2, 3, 7, 50, 1000] as const;
const HOUR_MS = 3_600_000;
/** Microtasks into the work of a moment at which a process may be killed. */
const HOPS_MAX = 60;
/** Timers that fire while the store seals, about. */
const SEAL_MOMENTS_MAX = 30;
/** How long a crash waits for a seal to begin. */
const WAIT_MS_MAX = 6000;
const SOURCE_PORT_SHARE = 0.5;

interface Interruption {
  /** Until the store begins to seal: rare moments, in which much must happen in the right order. */
  isWaiting: boolean;
  /** Moments to let pass after that. */
  momentsLeft: number;
  readonly hops: number;
  readonly action: () => void;
}

/** The whole chain in one process and in virtual time: boards, links, gateway, service, readers, and what befalls them. */
export class Chain {
  readonly events: EventLog;
  readonly #options: ChainOptions;
  readonly #time = new VirtualTime();
  readonly #boots: BootTruth[] = [];
  readonly #printed: { project: string; src: string; text: string }[] = [];
  readonly #boards: VirtualBoard[] = [];
  readonly #wires: SerialWire[] = [];
  readonly #brokers: readonly TopicBroker[];
  readonly #gatewayClock: SteppedClock;
  readonly #gatewayCounters = new CounterTable();
  readonly #gateway: GatewayProcess;
  readonly #service: ServiceProcess;
  readonly #uplinkState: UplinkState = { isAway: false, isQuiet: false };
  readonly #isRemote: boolean;
  readonly #seen: Violation[] = [];
  /** Highest seq known to be durable, and highest acked, by boot. */
  readonly #durable = new Map<string, number>();
  readonly #acked = new Map<string, number>();
  readonly #tails: TailRecord[] = [];
  readonly #followers: FollowerRecord[] = [];
  readonly #random: SeededRandom;
  #gatewayStarts = 0;
  #clockStepped = false;
  #isQuiet = false;
  #interruption: Interruption | undefined;

  constructor(options: ChainOptions) {
    const { seed, plan } = options;
    this.#options = options;
    this.events = new EventLog(() => this.#time.monotonicMs(), options);
    const shape = this.#stream("shape");
    this.#random = this.#stream("driver");
    this.#isRemote = shape.chance(0.5);
    this.#gatewayClock = new SteppedClock(this.#time);
    this.#service = new ServiceProcess(
      { time: this.#time, random: this.#stream("service"), plan, events: this.events },
      { onUp: (store, life) => this.#read(store, life), onFailure: () => this.#storeFailed() },
    );
    const brokerWorld = { timers: this.#time, plan, nowMs: () => this.#time.monotonicMs() };
    this.#brokers = [true, false].map(
      (isEmbedded) =>
        new TopicBroker({ ...brokerWorld, random: this.#stream(`broker ${isEmbedded}`) }, { isEmbedded }),
    );
    for (const broker of this.#brokers) {
      broker.onPublishDown = (payload) => this.#sawAck(Buffer.from(payload).toString("utf8"));
    }
    const ports: { wire: SerialWire; project: string; source: string | undefined }[] = [];
    const boardCount = 1 + shape.below(3);
    for (let index = 0; index < boardCount; index++) {
      const board = SeededRandom.named(seed, `board shape ${index}`);
      if (index < options.boardsMax) ports.push(...this.#addBoard(index, board));
    }
    this.#gateway = new GatewayProcess(
      {
        time: this.#time,
        clock: this.#gatewayClock,
        random: this.#stream("gateway"),
        events: this.events,
        counters: this.#gatewayCounters,
        uplink: (life) => this.#uplink(life),
        ports,
        brokers: this.#brokers,
      },
      {
        ...(plan.has("fewSessions") && { sessionsMax: 1 + shape.below(3) }),
        ...(plan.has("smallQueues") && {
          commitEntriesMax: 3,
          queueEntriesMax: 12,
          laneEntriesMax: 6,
          queueBytesMax: 16_000,
          laneBytesMax: 6000,
        }),
      },
    );
    this.#scheduleFaults();
    this.#startFollowers(shape);
  }

  /** Runs both phases and collects what there is to judge. */
  async run(): Promise<Evidence> {
    this.#service.start();
    this.#startGateway();
    for (const board of this.#boards) board.start();
    await this.#drive(this.#options.faultyMs);
    this.#stopFaults();
    const stuck = await this.#drain();
    return this.#collect(stuck);
  }

  #stream(name: string): SeededRandom {
    return SeededRandom.named(this.#options.seed, name);
  }

  #addBoard(index: number, shape: SeededRandom) {
    const { plan, program } = this.#options;
    const kind = shape.pick([
      BoardKind.Mqtt,
      BoardKind.Mqtt,
      BoardKind.OwnWire,
      BoardKind.SharedWire,
    ] as const);
    const first = this.#boards[0]?.options;
    const isClone =
      first !== undefined && kind === first.kind && plan.has("clonedSource") && kind === BoardKind.Mqtt;
    const isSmall = plan.has("smallRing");
    const ringBytesMax = isSmall ? 700 + shape.below(600) : 2048 + shape.below(6000);
    const frameBytesMax = 350 + shape.below(675);
    const broker = this.#brokers[isClone ? 0 : shape.below(2)];
    const isProject = kind !== BoardKind.Mqtt || (broker?.isEmbedded ?? false);
    const finer = {
      ackTimeoutMsMax: shape.pick([2000, 8000, 30_000]),
      windowFrames: 1 + shape.below(6),
      silenceMs: shape.pick([5000, 15_000]),
      flushDelayMs: shape.pick([0, 40, 200]),
    };
    const options: VirtualBoardOptions = {
      name: `b${index}`,
      project: isClone ? first.project : isProject && shape.chance(0.3) ? "garden" : "default",
      src: isClone ? first.src : shape.pick([`board-${index}`, `//host/board ${index}`, `плата-${index}`]),
      kind,
      saysSrc: shape.chance(0.5),
      linesPerMinute: shape.between(10, 60),
      settings: {
        shared: kind === BoardKind.SharedWire,
        ringBytesMax,
        frameBytesMax,
        drop: shape.chance(0.3) ? "newest" : "oldest",
        ackTimeoutMs: 300 + shape.below(900),
        ...finer,
      },
    };
    const src = kind === BoardKind.Mqtt ? options.src.replaceAll("/", "_") : options.src;
    const world = {
      time: this.#time,
      random: this.#stream(`board ${index}`),
      plan,
      events: this.events,
      program,
      boots: this.#boots,
      printed: this.#printed,
    };
    if (kind === BoardKind.Mqtt) {
      this.#boards.push(
        new VirtualBoard(world, broker === undefined ? {} : { broker }, { ...options, src, saysSrc: false }),
      );
      return [];
    }
    const wire: SerialWire = new SerialWire(
      {
        timers: this.#time,
        random: this.#stream(`wire ${index}`),
        plan,
        nowMs: () => this.#time.monotonicMs(),
      },
      `/dev/wire${index}`,
      (bytes) => board.hearBytes(bytes),
    );
    this.#wires.push(wire);
    const hasSource = !options.saysSrc || shape.chance(SOURCE_PORT_SHARE);
    const board: VirtualBoard = new VirtualBoard(world, { wire }, options);
    this.#boards.push(board);
    wire.onWriteDown = (bytes) =>
      this.#sawAck(decodeLineChecksum(Buffer.from(bytes).toString("latin1").trimEnd()));
    return [{ wire, project: options.project, source: hasSource ? options.src : undefined }];
  }

  #uplink(life: ProcessLife): SimulatedUplink {
    return new SimulatedUplink(
      {
        life,
        store: () => this.#service.store,
        random: this.#stream(`uplink ${this.#gatewayStarts}`),
        plan: this.#options.plan,
        state: this.#uplinkState,
        onDurable: (entry, project) => {
          const boot = entry.lost?.boot ?? entry.boot;
          const last = Math.max(entry.lost?.last ?? 0, entry.seq ?? 0);
          if (boot !== undefined)
            this.#raise(this.#durable, bootKey({ project, src: entry.src, boot }), last);
          this.events.add("service", `stored ${entry.src} ${boot} ${entry.seq} ${entry.stream}`);
        },
        onMark: (project, src, boot, mark) =>
          this.#raise(this.#durable, bootKey({ project, src, boot }), mark),
      },
      { isRemote: this.#isRemote },
    );
  }

  #raise(marks: Map<string, number>, key: string, seq: number): void {
    if (seq > (marks.get(key) ?? 0)) marks.set(key, seq);
  }

  /** Invariant 6, at the moment an ack leaves the gateway. */
  #sawAck(json: string | undefined): void {
    if (json === undefined || !json.includes('"ack":')) return;
    const { boot, ack } = JSON.parse(json) as { boot: string | number; ack: number };
    const truth = this.#boots.find((one) => one.boot === String(boot));
    if (truth === undefined) return;
    const key = bootKey(truth);
    this.events.add("gateway", `acks ${boot} ${ack}`);
    const durable = this.#durable.get(key) ?? 0;
    if (ack > durable)
      this.#seen.push({ invariant: 6, text: `${boot}: acked ${ack}, durable is ${durable}` });
    const before = this.#acked.get(key) ?? 0;
    if (ack < before)
      this.#seen.push({ invariant: 6, text: `${boot}: the ack fell from ${before} to ${ack}` });
    this.#raise(this.#acked, key, ack);
  }

  // ---- time ----

  /** How long apps go on once faults have stopped. */
  get #silenceMs(): number {
    return this.#options.faultyMs / 8;
  }

  /** Runs what falls due within `ms`; between two moments everything that was set off comes to rest. */
  async #drive(ms: number): Promise<void> {
    const time = this.#time;
    const endMs = time.monotonicMs() + ms;
    await rest();
    for (let due = time.nextDueMs; due !== undefined && due <= endMs; due = time.nextDueMs) {
      const interruption = this.#interruption;
      time.advance(Math.max(0, due - time.monotonicMs()));
      if (interruption !== undefined && !interruption.isWaiting && interruption.momentsLeft-- <= 0) {
        this.#interruption = undefined;
        for (let hop = 0; hop < interruption.hops; hop++) await undefined;
        interruption.action();
      }
      await rest();
    }
    time.advance(Math.max(0, endMs - time.monotonicMs()));
  }

  /** In the middle of what some next moment sets off. */
  #interrupt(action: () => void): void {
    const isWaiting = this.#random.chance(0.5);
    const momentsLeft = this.#random.below(isWaiting ? SEAL_MOMENTS_MAX : 6);
    const interruption: Interruption = { isWaiting, momentsLeft, hops: this.#random.below(HOPS_MAX), action };
    this.#interruption = interruption;
    const goOn = (): void => {
      interruption.isWaiting = false;
    };
    this.#service.onSealBegins = goOn;
    this.#time.after(WAIT_MS_MAX, goOn);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#time.after(ms, resolve));
  }

  async #drain(): Promise<string | undefined> {
    const endMs = this.#time.monotonicMs() + DRAIN_MS_MAX;
    await this.#drive(this.#silenceMs + DRAIN_STEP_MS);
    while (this.#time.monotonicMs() < endMs) {
      await this.#drive(DRAIN_STEP_MS);
      if (this.#gateway.queuedEntries === 0 && this.#boards.every((board) => board.isDrained)) {
        await this.#drive(4 * DRAIN_STEP_MS);
        return undefined;
      }
    }
    const boards = this.#boards.filter((board) => !board.isDrained).map((board) => board.state);
    return `${DRAIN_MS_MAX / 1000} s after the faults: gateway queue ${this.#gateway.queuedEntries}; ${boards.join("; ")}`;
  }

  // ---- faults ----

  #scheduleFaults(): void {
    this.#at("gatewayCrash", "", () => this.#interrupt(() => this.#crashGateway()));
    this.#at("serviceCrash", "", () => this.#interrupt(() => this.#crashService()));
    this.#at("gatewayStop", "", () => void this.#stopGateway());
    this.#at("serviceStop", "", () => void this.#stopService());
    this.#at("gatewayCut", "", () => this.#brokers[1]?.cutGateway());
    this.#at("brokerAmnesia", "", () => this.#brokers[1]?.forgetEverything());
    this.#at("uplinkOutage", "", (random) => this.#outage(random.between(100, 20_000)));
    this.#at("bitFlip", "", (random) => this.#flipBit(random));
    this.#at("gatewayClockStep", "", (random) => {
      this.#clockStepped = true;
      const toMs = random.pick([-HOUR_MS, HOUR_MS, 24 * HOUR_MS, -1.7e12, 0]);
      this.events.add("gateway", `clock off by ${toMs} ms`);
      this.#gatewayClock.setOffset(toMs);
    });
    for (const [index, wire] of this.#wires.entries()) {
      this.#at("serialUnplug", `${index}`, (random) => wire.unplug(random.between(10, 6000)));
    }
    for (const [index, board] of this.#boards.entries()) {
      this.#at("boardReset", `${index}`, () => board.reset());
      this.#at("mqttCut", `${index}`, () => board.cut());
      this.#at("boardClockStep", `${index}`, (random) =>
        board.stepClock(random.pick([-HOUR_MS, HOUR_MS, -1000, 1000])),
      );
    }
  }

  /** At random moments, as often as the plan says, while there are faults. */
  #at(name: FaultName, which: string, action: (random: SeededRandom) => void): void {
    const { plan, faultyMs } = this.#options;
    if (!plan.has(name)) return;
    const random = this.#stream(`when ${name} ${which}`);
    const meanMs = 60_000 / plan.amount(name);
    for (let atMs = -Math.log(1 - random.fraction()) * meanMs; atMs < faultyMs; ) {
      this.#time.after(atMs, () => {
        if (this.#isQuiet) return;
        this.events.add("fault", `${name} ${which}`);
        action(random);
      });
      atMs += -Math.log(1 - random.fraction()) * meanMs;
    }
  }

  #startGateway(): void {
    if (this.#gateway.isRunning) return;
    // In one process with the service it waits for the store.
    if (!this.#isRemote && this.#service.store === undefined) {
      this.#time.after(20, () => this.#startGateway());
      return;
    }
    this.#gatewayStarts++;
    this.#gateway.start();
  }

  #crashGateway(): void {
    if (!this.#isRemote) {
      this.#crashService();
      return;
    }
    this.#gateway.crash();
    this.#time.after(this.#random.between(50, 5000), () => this.#startGateway());
  }

  #crashService(): void {
    if (!this.#isRemote) this.#gateway.crash();
    this.#service.crash();
    this.#time.after(this.#random.between(50, 5000), () => {
      this.#service.start();
      if (!this.#isRemote) this.#startGateway();
    });
  }

  async #stopGateway(): Promise<void> {
    await this.#gateway.stop();
    if (!this.#isRemote) await this.#service.stop();
    await this.#sleep(this.#random.between(10, 3000));
    this.#service.start();
    this.#startGateway();
  }

  async #stopService(): Promise<void> {
    if (!this.#isRemote) {
      await this.#stopGateway();
      return;
    }
    await this.#service.stop();
    await this.#sleep(this.#random.between(10, 3000));
    this.#service.start();
  }

  /** A failed sync is fatal on purpose: the process ends soon after and is started again. */
  #storeFailed(): void {
    this.#time.after(this.#random.between(0, 2000), () => this.#crashService());
  }

  #outage(forMs: number): void {
    if (!this.#isRemote) return;
    this.#uplinkState.isAway = true;
    this.#time.after(forMs, () => {
      this.#uplinkState.isAway = false;
    });
  }

  #flipBit(random: SeededRandom): void {
    const values = this.#service.space.values().filter(({ bytes }) => bytes > 0);
    if (values.length === 0) return;
    const { name, key, bytes } = random.pick(values);
    this.#service.space.flipBit(name, key, random.below(bytes * 8));
  }

  #stopFaults(): void {
    this.events.add("fault", "all faults stop");
    this.#isQuiet = true;
    this.#interruption = undefined;
    this.#uplinkState.isAway = false;
    this.#uplinkState.isQuiet = true;
    this.#service.isQuiet = true;
    this.#service.space.faults = { commitFails: 0 };
    for (const broker of this.#brokers) broker.isQuiet = true;
    for (const wire of this.#wires) {
      wire.isQuiet = true;
      wire.plug();
    }
    for (const board of this.#boards) board.isQuiet = true;
    this.#service.start();
    this.#startGateway();
    // Apps go on for a while, then fall silent, so that queues can drain.
    this.#time.after(this.#silenceMs, () => {
      for (const board of this.#boards) board.silence();
    });
  }

  // ---- readers ----

  #read(store: LogStore, life: ProcessLife): void {
    for (const project of ["default", "garden"]) {
      const tail: TailRecord = { project, after: undefined, entries: [], isLast: false };
      for (const before of this.#tails) if (before.project === project) before.isLast = false;
      tail.isLast = true;
      this.#tails.push(tail);
      store.subscribe(project, (entries) => {
        if (life.isAlive) tail.entries.push(...entries);
      });
      store.listProject({ project, limit: 1, newest: true }).then(
        ([newest]) => {
          tail.after = newest?.id ?? "";
        },
        () => {}, // It crashed meanwhile; nobody knows where this tail began.
      );
    }
  }

  #startFollowers(shape: SeededRandom): void {
    const sources = this.#boards.map(({ options: { project, src } }) => ({ project, src }));
    for (const [index, { project, src }] of sources.entries()) {
      const follower: FollowerRecord = { project, src: shape.chance(0.5) ? src : undefined, entries: [] };
      this.#followers.push(follower);
      const random = this.#stream(`follower ${index}`);
      const again = (): void => {
        this.#time.after(random.between(200, 3000), () => void this.#follow(follower, random).then(again));
      };
      again();
    }
  }

  async #follow(follower: FollowerRecord, random: SeededRandom): Promise<boolean> {
    const { project, src, entries } = follower;
    const store = this.#service.store;
    if (store === undefined) return false;
    const after = entries.at(-1)?.id;
    const query = { project, limit: random.pick(LIST_LIMITS), ...(after !== undefined && { after }) };
    try {
      const page = await (src === undefined ? store.listProject(query) : store.list({ ...query, src }));
      entries.push(...page);
      return page.length === query.limit;
    } catch (error) {
      if (error instanceof UnknownToken) {
        this.#seen.push({ invariant: 15, text: `the token ${after} of ${src ?? project} was refused` });
      } else if (!(error instanceof StoreUnavailable)) throw error;
      return false;
    }
  }

  // ---- the end ----

  async #collect(stuck: string | undefined): Promise<Evidence> {
    for (const board of this.#boards) board.account();
    const bySource = new Map<string, readonly StoredEntry[]>();
    const marks = new Map<string, number>();
    let listed: ReadonlyMap<string, readonly StoredEntry[]> = new Map();
    const store = this.#service.store;
    if (store !== undefined) {
      listed = await this.#list(store);
      for (const project of listed.keys()) {
        for (const { src } of await store.sources(project)) {
          bySource.set(sourceKey(project, src), await this.#pages(store, project, src));
        }
      }
      for (const truth of this.#boots) {
        marks.set(bootKey(truth), await store.mark(truth.project, truth.src, truth.boot));
      }
      for (const [index, follower] of this.#followers.entries()) {
        const random = this.#stream(`last pages ${index}`);
        while (await this.#follow(follower, random));
      }
    }
    const reopened = stuck === undefined && store !== undefined ? await this.#reopen() : [];
    return {
      plan: this.#options.plan,
      boots: this.#boots,
      listed,
      bySource,
      marks,
      ackedByGateway: this.#acked,
      tails: this.#tails,
      followers: this.#followers,
      reopened,
      printed: this.#printed,
      counters: { ...this.#gatewayCounters.values(), ...this.#service.counters.values() },
      isStoreOpen: store !== undefined,
      stuck,
      isRemoteUplink: this.#isRemote,
      gatewayStarts: this.#gatewayStarts,
      gatewayClockStepped: this.#clockStepped,
      seen: this.#seen,
    };
  }

  async #list(store: LogStore): Promise<Map<string, readonly StoredEntry[]>> {
    const listed = new Map<string, readonly StoredEntry[]>();
    for (const project of ["default", "garden"])
      listed.set(project, await this.#pages(store, project, undefined));
    return listed;
  }

  async #pages(store: LogStore, project: string, src: string | undefined): Promise<readonly StoredEntry[]> {
    const entries: StoredEntry[] = [];
    const limit = this.#random.pick([5, 37, 1000]);
    for (;;) {
      const after = entries.at(-1)?.id;
      const query = { project, limit, ...(after !== undefined && { after }) };
      const page = await (src === undefined ? store.listProject(query) : store.list({ ...query, src }));
      entries.push(...page);
      if (page.length < limit) return entries;
    }
  }

  /**
   * Invariant 8: opened twice after a crash, the second time after a crash while opening. A store whose head was damaged by a
   * fault refuses to open: then there is nothing to compare.
   */
  async #reopen(): Promise<Map<string, readonly StoredEntry[]>[]> {
    this.#gateway.crash();
    this.#service.crash();
    const listings: Map<string, readonly StoredEntry[]>[] = [];
    try {
      listings.push(await this.#openAndList());
      this.#service.openAgain().catch(() => {});
      await this.#drive(this.#random.between(0, 6));
      this.#service.space.crash();
      listings.push(await this.#openAndList());
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || !this.#options.plan.isDestructive) throw error;
    }
    return listings;
  }

  async #openAndList(): Promise<Map<string, readonly StoredEntry[]>> {
    const opening = this.#service.openAgain();
    opening.catch(() => {});
    await this.#drive(1000);
    const listed = await this.#list(await opening);
    this.#service.space.crash();
    return listed;
  }
}

/** Lets every promise that waits for no timer come to its end. */
function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
