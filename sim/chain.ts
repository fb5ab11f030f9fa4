import type { StoredEntry } from "../protocol/entry.ts";
import { decodeLineChecksum } from "../protocol/serial-line.ts";
import { type LogStore, StoreUnavailable } from "../service/store/log-store.ts";
import { AckWatch } from "./ack-watch.ts";
import type { AgentProgram } from "./board.ts";
import type { BootTruth } from "./boot-truth.ts";
import { EventLog } from "./event-log.ts";
import { bootKey, type Evidence, type PrintedText, sourceKey } from "./evidence.ts";
import type { FaultName, FaultPlan } from "./fault-plan.ts";
import { GatewaySite } from "./gateway-site.ts";
import { type Intrusion, intrude } from "./intruder.ts";
import { ProcessLife } from "./process-life.ts";
import { type Listing, listAll, listPages, Readers } from "./readers.ts";
import { SeededRandom } from "./seeded-random.ts";
import { SerialWire } from "./serial-wire.ts";
import { PROJECTS, type ProjectName, type ServiceKeys } from "./service-keys.ts";
import { ServiceProcess } from "./service-process.ts";
import { TopicBroker } from "./topic-broker.ts";
import { BoardKind, VirtualBoard, type VirtualBoardOptions } from "./virtual-board.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface ChainOptions {
  readonly seed: number;
  readonly plan: FaultPlan;
  readonly program: AgentProgram;
  /** The same with the options that a firmware developer may switch on; half of the boards run it. */
  readonly fullProgram?: AgentProgram | undefined;
  readonly boardsMax: number;
  /** Length of the phase with faults. */
  readonly faultyMs: number;
  readonly keepsEvents: boolean;
}

/** Time for everything to drain once faults stop: several of the longest waits there are (an agent's 30 s). */
const DRAIN_MS_MAX = 240_000;
const DRAIN_STEP_MS = 500;
const PASSING_MS = 50;
const RESTS_A_TURN = 16;
const HOUR_MS = 3_600_000;
/** Microtasks into the work of a moment at which a process may be killed. */
const HOPS_MAX = 60;
/** Timers that fire while the store seals, about. */
const SEAL_MOMENTS_MAX = 30;
/** How long a crash waits for a seal to begin. */
const WAIT_MS_MAX = 6000;
/** Steps on its disk that a gateway takes for a commit into a new segment, about, and for a start. */
const DISK_STEPS_MAX = 12;
const SOURCE_PORT_SHARE = 0.5;
const REMOTE_SHARE = 0.6;
const SECOND_GATEWAY_SHARE = 0.4;

interface Interruption {
  /** Until the store begins to seal: rare moments, in which much must happen in the right order. */
  isWaiting: boolean;
  /** Moments to let pass after that. */
  momentsLeft: number;
  readonly hops: number;
  readonly action: () => void;
}

/** The whole chain in one process and in virtual time: boards, links, gateways, service, readers, and what befalls them. */
export class Chain {
  readonly events: EventLog;
  readonly #options: ChainOptions;
  readonly #time: VirtualTime;
  readonly #keys: ServiceKeys;
  readonly #boots: BootTruth[] = [];
  readonly #printed: PrintedText[] = [];
  readonly #heard: PrintedText[] = [];
  readonly #boards: VirtualBoard[] = [];
  readonly #wires: { readonly wire: SerialWire; readonly sites: readonly GatewaySite[] }[] = [];
  readonly #brokers: TopicBroker[] = [];
  /** Somebody else's broker, which every gateway hears. */
  readonly #outsideBroker: TopicBroker;
  readonly #sites: GatewaySite[] = [];
  readonly #service: ServiceProcess;
  readonly #acks: AckWatch;
  readonly #readers: Readers;
  readonly #intrusions: Intrusion[] = [];
  readonly #random: SeededRandom;
  #clockStepped = false;
  #isQuiet = false;
  #quietMs = 0;
  #interruption: Interruption | undefined;
  #restCount = 0;

  /** @param world the time that the keys were made in. */
  constructor(world: { readonly time: VirtualTime; readonly keys: ServiceKeys }, options: ChainOptions) {
    const { seed, plan } = options;
    this.#options = options;
    this.#time = world.time;
    this.#keys = world.keys;
    this.events = new EventLog(() => this.#time.monotonicMs(), options);
    this.#acks = new AckWatch(this.#boots, this.events, plan.has("storeRestored") || plan.damagesStore);
    const shape = this.#stream("shape");
    this.#random = this.#stream("driver");
    this.#service = new ServiceProcess(
      {
        time: this.#time,
        random: this.#stream("service"),
        plan,
        events: this.events,
        keys: world.keys,
      },
      { onUp: (store, life) => this.#readers.listen(store, life), onFailure: () => this.#storeFailed() },
    );
    this.#readers = new Readers(this.#time, () => this.#service.store);
    this.#outsideBroker = this.#addBroker("outside", false);
    this.#addSites(shape);
    const boardCount = 1 + shape.below(3);
    for (let index = 0; index < boardCount; index++) {
      const board = SeededRandom.named(seed, `board shape ${index}`);
      if (index < options.boardsMax) this.#addBoard(index, board);
    }
    this.#scheduleFaults();
    for (const [index, { options: of }] of this.#boards.entries()) {
      const src = shape.chance(0.5) ? of.src : undefined;
      this.#readers.startFollower(of.project, src, this.#stream(`follower ${index}`));
    }
  }

  /** Runs both phases and collects what there is to judge. */
  async run(): Promise<Evidence> {
    this.#service.start();
    for (const site of this.#sites) site.start();
    for (const board of this.#boards) board.start();
    await this.#drive(this.#options.faultyMs);
    this.#stopFaults();
    const stuck = await this.#drain();
    return await this.#collect(stuck);
  }

  #stream(name: string): SeededRandom {
    return SeededRandom.named(this.#options.seed, name);
  }

  // ---- the world ----

  #addBroker(name: string, isEmbedded: boolean): TopicBroker {
    const world = {
      timers: this.#time,
      plan: this.#options.plan,
      nowMs: () => this.#time.monotonicMs(),
      random: this.#stream(`broker ${name}`),
    };
    const broker = new TopicBroker(world, { isEmbedded });
    broker.onPublishDown = (payload, gateway) =>
      this.#acks.saw(Buffer.from(payload).toString("utf8"), gateway);
    this.#brokers.push(broker);
    return broker;
  }

  /** One gateway in a process with the service, or one or two on machines of their own, for the same project or for two. */
  #addSites(shape: SeededRandom): void {
    const isRemote = shape.chance(REMOTE_SHARE);
    const isTwo = shape.chance(SECOND_GATEWAY_SHARE);
    const first = shape.pick(PROJECTS);
    const second = shape.pick(PROJECTS);
    this.#addSite("gateway", isRemote ? first : undefined);
    if (isRemote && isTwo) this.#addSite("gateway2", second);
  }

  #addSite(name: string, project: ProjectName | undefined): void {
    const { plan } = this.#options;
    const world = {
      time: this.#time,
      plan,
      events: this.events,
      acks: this.#acks,
      service: this.#service,
      keys: this.#keys,
      stream: (of: string) => this.#stream(of),
    };
    const brokers = [this.#addBroker(name, true), this.#outsideBroker];
    this.#sites.push(new GatewaySite(world, { name, project }, brokers));
  }

  #addBoard(index: number, shape: SeededRandom): void {
    const { plan, program, fullProgram } = this.#options;
    const isFull = fullProgram !== undefined && this.#stream(`agent ${index}`).chance(0.5);
    const kind = shape.pick([
      BoardKind.Mqtt,
      BoardKind.Mqtt,
      BoardKind.OwnWire,
      BoardKind.SharedWire,
    ] as const);
    const first = this.#boards[0];
    const isClone =
      kind === BoardKind.Mqtt && first?.options.kind === BoardKind.Mqtt && plan.has("clonedSource");
    const isSmall = plan.has("smallRing");
    const ringBytesMax = isSmall ? 700 + shape.below(600) : 2048 + shape.below(6000);
    const frameBytesMax = 350 + shape.below(675);
    const place = shape.below(this.#sites.length);
    const site = this.#sites[place] as GatewaySite;
    const broker = isClone
      ? first.broker
      : shape.chance(0.5)
        ? this.#brokers[1 + place]
        : this.#outsideBroker;
    const isGarden = shape.chance(0.3);
    const finer = {
      ackTimeoutMsMax: shape.pick([2000, 8000, 30_000]),
      windowFrames: 1 + shape.below(6),
      silenceMs: shape.pick([5000, 15_000]),
      flushDelayMs: shape.pick([0, 40, 200]),
    };
    const name = shape.pick([`board-${index}`, `//host/board ${index}`, `плата-${index}`]);
    const options: VirtualBoardOptions = {
      name: `b${index}`,
      project: isClone ? first.options.project : (site.project ?? (isGarden ? "garden" : "default")),
      src: isClone ? first.options.src : kind === BoardKind.Mqtt ? name.replaceAll("/", "_") : name,
      kind,
      saysSrc: shape.chance(0.5) && kind !== BoardKind.Mqtt,
      isFull,
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
    const world = {
      time: this.#time,
      random: this.#stream(`board ${index}`),
      systemRandom: this.#stream(`system of board ${index}`),
      plan,
      events: this.events,
      program: isFull ? fullProgram : program,
      boots: this.#boots,
      printed: this.#printed,
      heard: this.#heard,
    };
    if (kind === BoardKind.Mqtt) {
      this.#boards.push(new VirtualBoard(world, broker === undefined ? {} : { broker }, options));
      return;
    }
    const wire: SerialWire = this.#addWire(index, site, (bytes) => board.hearBytes(bytes));
    const board = new VirtualBoard(world, { wire }, options);
    this.#boards.push(board);
    const hasSource = !options.saysSrc || shape.chance(SOURCE_PORT_SHARE);
    for (const { ports } of this.#twinsOf(site))
      ports.push({ wire, project: options.project, source: hasSource ? options.src : undefined });
  }

  #addWire(index: number, site: GatewaySite, onDown: (bytes: Uint8Array) => void): SerialWire {
    const world = {
      timers: this.#time,
      random: this.#stream(`wire ${index}`),
      plan: this.#options.plan,
      nowMs: () => this.#time.monotonicMs(),
    };
    const wire = new SerialWire(world, `/dev/wire${index}`, site.name, onDown);
    wire.onWriteDown = (bytes, gateway) =>
      this.#acks.saw(decodeLineChecksum(Buffer.from(bytes).toString("latin1").trimEnd()), gateway);
    this.#wires.push({ wire, sites: this.#twinsOf(site) });
    return wire;
  }

  /** Gateways for the same boards, itself among them. */
  #twinsOf(site: GatewaySite): readonly GatewaySite[] {
    return this.#sites.filter(({ project }) => project === site.project);
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
    await this.#rest();
    for (let due = time.nextDueMs; due !== undefined && due <= endMs; due = time.nextDueMs) {
      const interruption = this.#interruption;
      time.advance(Math.max(0, due - time.monotonicMs()));
      if (interruption !== undefined && !interruption.isWaiting && interruption.momentsLeft-- <= 0) {
        this.#interruption = undefined;
        for (let hop = 0; hop < interruption.hops; hop++) await undefined;
        interruption.action();
      }
      await this.#rest();
    }
    time.advance(Math.max(0, endMs - time.monotonicMs()));
  }

  /**
   * Lets every promise that waits for no timer come to its end. Node's tick queue runs when no promise is left, without a turn of
   * the event loop, which costs as much again as what a moment sets off. Only in such a turn does Node tell of rejections that
   * nobody handles, though: of one that is handled late only if a turn lies between.
   */
  #rest(): Promise<void> {
    if (this.#restCount++ % RESTS_A_TURN === 0) return turnOfEventLoop();
    return new Promise((resolve) => process.nextTick(resolve));
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

  /** Lets time pass until it settles: whoever is asked may have something else under way. */
  async #passing<Value>(promise: Promise<Value>): Promise<Value> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.#rest();
    while (!isSettled) await this.#drive(PASSING_MS);
    return await promise;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#time.after(ms, resolve));
  }

  get #queuedEntries(): number {
    return this.#sites.reduce((sum, { process }) => sum + process.queuedEntries, 0);
  }

  async #drain(): Promise<string | undefined> {
    const endMs = this.#time.monotonicMs() + DRAIN_MS_MAX;
    await this.#drive(this.#silenceMs + DRAIN_STEP_MS);
    const isDrained = (): boolean =>
      this.#sites.every(({ process }) => process.isServing) &&
      this.#queuedEntries === 0 &&
      this.#boards.every((board) => board.isDrained);
    while (this.#time.monotonicMs() < endMs) {
      await this.#drive(DRAIN_STEP_MS);
      if (!isDrained()) continue;
      await this.#drive(4 * DRAIN_STEP_MS);
      if (isDrained()) return undefined;
    }
    const boards = this.#boards.filter((board) => !board.isDrained).map((board) => board.state);
    return `${DRAIN_MS_MAX / 1000} s after the faults: gateway queue ${this.#queuedEntries}; ${boards.join("; ")}`;
  }

  // ---- faults ----

  #scheduleFaults(): void {
    this.#at("serviceCrash", "", () => this.#interrupt(() => this.#crashService()));
    this.#at("serviceStop", "", () => void this.#stopService());
    this.#at("brokerAmnesia", "", () => this.#outsideBroker.forgetEverything());
    this.#at("bitFlip", "", (random) => this.#flipBit(random));
    this.#at("storeRestored", "", () => this.#restoreStore());
    // Short ones often: they begin or end between two batches that are on their way.
    this.#at("serviceDiskFull", "", (random) =>
      this.#service.fillDisk(random.chance(0.7) ? random.between(1, 60) : random.between(60, 4000)),
    );
    for (const site of this.#sites) this.#scheduleGatewayFaults(site);
    const stalls = this.#stream("stalls");
    this.#service.onStall = () => {
      for (const { link } of this.#sites) if (stalls.chance(0.7)) link?.lose();
    };
    for (const [index, { wire, sites }] of this.#wires.entries()) {
      this.#at("serialUnplug", `${index}`, (random) => wire.unplug(random.between(10, 6000)));
      if (sites.length < 2) continue;
      this.#at("wireMoved", `${index}`, (random) =>
        wire.move(random.pick(sites).name, random.between(10, 4000)),
      );
    }
    for (const [index, board] of this.#boards.entries()) {
      this.#at("boardReset", `${index}`, () => board.reset());
      this.#at("mqttCut", `${index}`, () => board.cut());
      this.#at("boardClockStep", `${index}`, (random) =>
        board.stepClock(random.pick([-HOUR_MS, HOUR_MS, -1000, 1000])),
      );
    }
  }

  #scheduleGatewayFaults(site: GatewaySite): void {
    const { name, machine, link } = site;
    this.#at("gatewayCrash", name, (random) => this.#crashGateway(site, random));
    this.#at("gatewayStop", name, () => void this.#stopGateway(site));
    this.#at("gatewayCut", name, () => this.#outsideBroker.cutGateway(name));
    this.#at("gatewayClockStep", name, (random) => {
      this.#clockStepped = true;
      const toMs = random.pick([-HOUR_MS, HOUR_MS, 24 * HOUR_MS, -1.7e12, 0]);
      this.events.add(name, `clock off by ${toMs} ms`);
      site.clock.setOffset(toMs);
    });
    const { plan, faultyMs } = this.#options;
    if (plan.has("gatewayClockUnset")) {
      const atMs = this.#stream(`clock of ${name}`).fraction() * faultyMs;
      this.#time.after(atMs, () => site.setClock());
    }
    const { project } = site;
    if (machine === undefined || project === undefined) return;
    this.#at("uplinkOutage", name, (random) => link?.outage(random.between(100, 20_000)));
    this.#at("diskFull", name, (random) => site.fillDisk(random.between(100, 8000)));
    this.#at("killedWriting", name, (random) => site.killWriting(random.between(200, 8000)));
    this.#at("diskFlip", name, () => machine.flipBit());
    this.#at("diskBlock", name, (random) => site.eraseBlock(random));
    this.#at("diskRestored", name, () => site.restoreDisk());
    this.#at("intruder", name, (random) => void this.#intrude(name, project, random));
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

  #crashGateway(site: GatewaySite, random: SeededRandom): void {
    const { machine } = site;
    if (machine === undefined) this.#interrupt(() => this.#crashService());
    else if (random.chance(0.5)) machine.cutWithin(1 + random.below(DISK_STEPS_MAX));
    else this.#interrupt(() => site.crash(random.chance(0.5)));
  }

  /** The gateway in its process ends with it. */
  #crashService(): void {
    for (const site of this.#sites) if (site.machine === undefined) site.crash(true);
    this.#service.crash();
    this.#time.after(this.#random.between(50, 5000), () => this.#startService());
  }

  #startService(): void {
    this.#service.start();
    for (const site of this.#sites) if (site.machine === undefined) site.start();
  }

  async #stopGateway(site: GatewaySite): Promise<void> {
    await site.process.stop();
    if (site.machine === undefined) await this.#service.stop();
    await this.#sleep(this.#random.between(10, 3000));
    if (site.machine === undefined) this.#startService();
    else site.start();
  }

  async #stopService(): Promise<void> {
    const inside = this.#sites.find(({ machine }) => machine === undefined);
    if (inside !== undefined) {
      await this.#stopGateway(inside);
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

  /** An older disk of the service is made good by spools; without one it is a plain loss. */
  #restoreStore(): void {
    if (this.#sites.some(({ machine }) => machine === undefined)) return;
    if (!this.#service.hasImage) {
      this.#service.takeImage();
      return;
    }
    this.#crashService();
    this.#service.restoreImage();
  }

  #flipBit(random: SeededRandom): void {
    const values = this.#service.space.values().filter(({ bytes }) => bytes > 0);
    if (values.length === 0) return;
    const { name, key, bytes } = random.pick(values);
    this.#service.space.flipBit(name, key, random.below(bytes * 8));
  }

  async #intrude(gateway: string, project: ProjectName, random: SeededRandom): Promise<void> {
    const truth = this.#boots.findLast((each) => each.project === project);
    if (truth === undefined) return;
    const { src, boot, seqLast: seq } = truth;
    const victim = { project, gateway, src, boot, seq, nowMs: this.#time.wallMs() };
    this.#intrusions.push(await intrude(this.#service, this.#keys.badKeys[project], victim, random));
  }

  #stopFaults(): void {
    this.events.add("fault", "all faults stop");
    this.#isQuiet = true;
    this.#quietMs = this.#time.wallMs();
    this.#interruption = undefined;
    this.#service.isQuiet = true;
    this.#service.space.faults = { commitFails: 0 };
    this.#service.freeDisk();
    for (const broker of this.#brokers) broker.isQuiet = true;
    for (const { wire } of this.#wires) {
      wire.isQuiet = true;
      wire.plug();
    }
    for (const board of this.#boards) board.isQuiet = true;
    for (const site of this.#sites) site.stopFaults();
    this.#service.start();
    for (const site of this.#sites) site.start();
    // Apps go on for a while, then fall silent, so that queues can drain.
    this.#time.after(this.#silenceMs, () => {
      for (const board of this.#boards) board.silence();
    });
  }

  // ---- the end ----

  async #collect(stuck: string | undefined): Promise<Evidence> {
    for (const board of this.#boards) board.end();
    const store = this.#service.store;
    const { listed, bySource, marks } = await this.#passing(this.#readAll(store));
    const isWell = stuck === undefined && store !== undefined;
    const recordings = this.#sites.flatMap(({ machine }) => machine?.watch.recording() ?? []);
    const reopenedSpools = isWell ? await this.#reopenSpools() : [];
    const reopened = isWell ? await this.#reopenStore() : [];
    const isCheckable = isWell && !this.#options.plan.damagesStore;
    const storeProblems = isCheckable ? await this.#service.check() : [];
    const counters: Record<string, number> = { ...this.#service.counters.values() };
    for (const site of this.#sites) {
      for (const [name, value] of Object.entries(site.counters.values()))
        counters[name] = (counters[name] ?? 0) + value;
    }
    return {
      plan: this.#options.plan,
      boots: this.#boots,
      listed,
      bySource,
      marks,
      ackedByGateway: this.#acks.acked,
      tails: this.#readers.tails,
      followers: this.#readers.followers,
      reopened,
      storeProblems,
      reopenedSpools,
      spools: recordings,
      intrusions: this.#intrusions,
      printed: this.#printed,
      heard: this.#heard,
      counters,
      isStoreOpen: store !== undefined,
      stuck,
      gatewayStarts: Math.max(...this.#sites.map(({ process }) => process.startCount)),
      isShared: this.#sites.some((site) => this.#twinsOf(site).length > 1),
      evicts: this.#sites.some(({ machine }) => machine?.evicts === true),
      gatewayClockStepped: this.#clockStepped,
      quietMs: this.#quietMs,
      refusedTokens: this.#readers.refusedTokens,
      seen: this.#acks.violations,
    };
  }

  /** All that the store tells, when everything has come to rest. */
  async #readAll(store: LogStore | undefined): Promise<Pick<Evidence, "listed" | "bySource" | "marks">> {
    const bySource = new Map<string, readonly StoredEntry[]>();
    const marks = new Map<string, number>();
    if (store === undefined) return { listed: new Map(), bySource, marks };
    const listed = await listAll(store, this.#random);
    for (const project of listed.keys()) {
      for (const { src } of await store.sources(project)) {
        bySource.set(sourceKey(project, src), await listPages(store, project, src, this.#random));
      }
    }
    for (const truth of this.#boots) {
      marks.set(bootKey(truth), await store.mark(truth.project, truth.src, truth.boot));
    }
    await this.#readers.finish(this.#stream("last pages"));
    return { listed, bySource, marks };
  }

  /** Invariant 8 for each spool: what it holds after a crash, and after one more while opening. */
  async #reopenSpools(): Promise<(readonly string[])[][]> {
    const all: (readonly string[])[][] = [];
    for (const site of this.#sites) {
      const { machine } = site;
      if (machine === undefined) continue;
      site.process.crash();
      machine.crash(true);
      const contents: (readonly string[])[] = [];
      for (let time = 0; time < 2; time++) {
        const life = new ProcessLife(this.#time);
        contents.push(await this.#passing(machine.content(life)));
        life.kill();
        machine.crash(true);
        if (time > 0) break;
        const cutShort = new ProcessLife(this.#time);
        machine.content(cutShort).catch(() => {});
        await this.#drive(this.#random.between(0, 30));
        cutShort.kill();
        machine.crash(true);
      }
      all.push(contents);
    }
    return all;
  }

  /**
   * Invariant 8: opened twice after a crash, the second time after a crash while opening. A store whose head was damaged by a
   * fault refuses to open: then there is nothing to compare.
   */
  async #reopenStore(): Promise<Listing[]> {
    for (const { process } of this.#sites) process.crash();
    this.#service.crash();
    const listings: Listing[] = [];
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

  async #openAndList(): Promise<Listing> {
    const listed = await this.#passing(
      this.#service.openAgain().then((store) => listAll(store, this.#random)),
    );
    this.#service.space.crash();
    return listed;
  }
}

/** Signals, timers of the machine and rejections without a handler come up. */
export function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
