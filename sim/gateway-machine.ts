import { Forwarder } from "../gateway/forwarder.ts";
import { SPOOL_DEFAULTS, Spool, type SpoolOptions } from "../gateway/spool/spool.ts";
import { UnsetSpans } from "../gateway/spool/unset-spans.ts";
import { SpooledUplink } from "../gateway/spooled-uplink.ts";
import type { Uplink } from "../gateway/uplink.ts";
import { WallClock } from "../gateway/wall-clock.ts";
import type { Clock } from "../host/clock.ts";
import type { CounterTable } from "../host/counters.ts";
import { silentLog } from "../host/process-log.ts";
import type { EventLog } from "./event-log.ts";
import type { FaultPlan } from "./fault-plan.ts";
import { FaultyDisk } from "./faulty-disk.ts";
import { ProcessDisk } from "./process-disk.ts";
import type { ProcessLife } from "./process-life.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { ServiceLink } from "./service-link.ts";
import { SpoolWatch } from "./spool-watch.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Where a gateway's entries go, in one life of it. */
export interface Upstream {
  readonly uplink: Uplink;
  readonly wallClock: WallClock;
  /** Entries that are durable here and not in the service. */
  readonly waitingEntries: number;
  close(): Promise<void>;
}

export interface GatewayMachineWorld {
  readonly time: VirtualTime;
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly glitchRandom: SeededRandom;
  readonly plan: FaultPlan;
  readonly counters: CounterTable;
  readonly events: EventLog;
  readonly link: ServiceLink;
}

/** How long the batch under way may take when the gateway stops, as `boardlog gateway` has it. */
const FORWARD_STOP_MS = 500;
const RESERVE_BYTES = 1000;
/** Of flash that goes at once, at most on either side of the border between two files. */
const BLOCK_BYTES = 1000;
/** A fault ends sooner now and then, and later. */
const CLOCK_WAIT_MS = 20_000;
/** Room that the largest commit takes in a spool, about: it must fit beside the segment that is written to. */
const COMMIT_BYTES = 3000;
/** The same for the committer, which counts otherwise. */
export const SPOOLED_COMMITS = { commitEntriesMax: 20, commitBytesMax: 4000 };

/** The machine of a gateway of its own: a disk that outlives its processes, and a network to the service. */
export class GatewayMachine {
  readonly disk: FaultyDisk;
  readonly watch: SpoolWatch;
  readonly #world: GatewayMachineWorld;
  readonly #name: string;
  readonly #project: string;
  readonly #options: Partial<SpoolOptions>;
  #image: ReturnType<FaultyDisk["image"]> | undefined;
  /** Told when the power went in the middle of a step on the disk. */
  onCut: () => void = () => {};
  /** Told once, when the next write to a segment was made and not synced. */
  #onUnsynced: (() => void) | undefined;
  #isQuiet = false;
  #bootCount = 1;

  constructor(world: GatewayMachineWorld, identity: { readonly name: string; readonly project: string }) {
    this.#world = world;
    this.#name = identity.name;
    this.#project = identity.project;
    this.disk = new FaultyDisk(world.random, world.glitchRandom);
    this.#options = drawOptions(world.random, world.plan);
    const bytesMax = this.#options.bytesMax ?? SPOOL_DEFAULTS.bytesMax;
    this.watch = new SpoolWatch(
      { disk: this.disk, nowMs: () => world.time.monotonicMs() },
      { gateway: identity.name, bytesMax },
    );
    this.#setFaults();
  }

  /** Full spools give up the oldest lines. */
  get evicts(): boolean {
    return this.#options.whenFull === "evict";
  }

  /** @throws what the disk throws. */
  async open(life: ProcessLife): Promise<Upstream> {
    const { clock, random, counters, link } = this.#world;
    const world = { clock, timers: life, random, counters, log: silentLog };
    const disk = this.#diskOf(life);
    const wallClock = new WallClock(world);
    await wallClock.start();
    const bootId = `boot ${this.#bootCount}`;
    const dating = await UnsetSpans.open({ ...world, disk, wallClock }, { bootId, waitMs: CLOCK_WAIT_MS });
    const spool = await this.#openSpool({ ...world, disk, dating });
    await dating.begin(() => spool.durable);
    const client = link.open(life);
    spool.start();
    const forwarder = new Forwarder({ ...world, spool, client }, { batchEntriesMax: 1 + random.below(40) });
    forwarder.start();
    const isConnected = (): boolean => forwarder.isConnected;
    const uplink = new SpooledUplink({ ...world, spool, client, isConnected }, { project: this.#project });
    return {
      uplink,
      wallClock,
      get waitingEntries() {
        return spool.waitingEntries;
      },
      close: async () => {
        await forwarder.stop(FORWARD_STOP_MS);
        await spool.close();
      },
    };
  }

  /** All that stands in the spool, one text an entry; nobody else may have it open. */
  async content(life: ProcessLife): Promise<readonly string[]> {
    const { clock, random, counters } = this.#world;
    const disk = this.#diskOf(life);
    const spool = await this.#openSpool({ clock, timers: life, random, counters, log: silentLog, disk });
    const found: string[] = [];
    let after = 0;
    for (;;) {
      const records = await spool.read(after, { entriesMax: 1000, bytesMax: 1e6 });
      for (const { position, payload } of records)
        found.push(`${position} ${Buffer.from(payload).toString("hex")}`);
      const last = records.at(-1);
      if (last === undefined) return found;
      after = last.position;
    }
  }

  /** The process is gone: killed, or with the power of the whole machine. */
  crash(isPowerCut: boolean): void {
    if (isPowerCut) {
      this.#world.events.add(this.#name, "the power of its machine is cut");
      this.#bootCount++;
      this.disk.restart();
    } else this.disk.kill();
    this.watch.processEnded();
    this.#world.link.cut();
  }

  /** The power goes in the middle of one of the next steps on the disk. */
  cutWithin(steps: number): void {
    this.disk.stepsToCut = steps;
  }

  /** No room for more than a few bytes. */
  fill(): void {
    this.disk.bytesMax = this.disk.bytes + this.#world.random.below(400);
  }

  free(waitingEntries: number): void {
    if (this.disk.bytesMax === Number.POSITIVE_INFINITY) return;
    this.disk.bytesMax = Number.POSITIVE_INFINITY;
    this.watch.freed(waitingEntries);
  }

  /** Turns one bit over that was durable. */
  flipBit(): void {
    const { random } = this.#world;
    const files = [...this.disk.files].filter(
      ([path, { synced }]) => !path.endsWith("reserve") && synced.length > 0,
    );
    if (files.length === 0) return;
    const [path, { synced }] = random.pick(files);
    const bit = random.below(synced.length * 8);
    this.watch.damaging(path, bit >> 3, (bit >> 3) + 1);
    this.disk.flipBit(path, bit);
  }

  /** A block of the flash is gone: the end of one segment and the beginning of the next, which lie beside each other. */
  eraseBlock(random: SeededRandom): void {
    const paths = [...this.disk.files.keys()].filter((path) => this.watch.isSegment(path)).sort();
    const at = random.below(paths.length);
    const sizeOf = (path: string): number => this.disk.files.get(path)?.synced.length ?? 0;
    const erase = (path: string | undefined, from: number, until: number): void => {
      if (path === undefined || from >= until) return;
      this.watch.damaging(path, from, until);
      this.disk.erase(path, from, until);
    };
    const [path, next] = paths.slice(at, at + 2);
    if (path === undefined) return;
    erase(path, Math.max(0, sizeOf(path) - random.below(BLOCK_BYTES)), sizeOf(path));
    if (next !== undefined) erase(next, 0, Math.min(sizeOf(next), random.below(BLOCK_BYTES)));
  }

  /** Tells once when the next write to a segment was made, before it is synced. */
  onUnsynced(action: () => void): void {
    this.#onUnsynced = action;
  }

  get hasImage(): boolean {
    return this.#image !== undefined;
  }

  takeImage(): void {
    this.#image = this.disk.image();
  }

  /** Somebody writes the image back; the process must be down. */
  restoreImage(): void {
    if (this.#image === undefined) return;
    this.disk.restore(this.#image);
    this.#image = undefined;
  }

  stopFaults(): void {
    this.#isQuiet = true;
    this.#onUnsynced = undefined;
    this.disk.stepsToCut = Number.POSITIVE_INFINITY;
    this.#setFaults();
  }

  #setFaults(): void {
    const { plan } = this.#world;
    const amount = (name: "diskWriteFails" | "diskReadFails" | "diskReadGlitch"): number =>
      this.#isQuiet ? 0 : plan.amount(name);
    this.disk.syncFails = amount("diskWriteFails");
    this.disk.writeFails = amount("diskWriteFails");
    this.disk.readFails = amount("diskReadFails");
    this.disk.readGlitches = amount("diskReadGlitch");
  }

  #diskOf(life: ProcessLife): ProcessDisk {
    return new ProcessDisk(this.disk, life, () => this.#delay(life), {
      removing: (path) => {
        this.#world.events.add(this.#name, `removes ${path}`);
        this.watch.removing(path);
      },
      synced: (path) => this.watch.synced(path),
      appended: (path) => {
        const action = this.#onUnsynced;
        if (action === undefined || !this.watch.isSegment(path)) return;
        this.#onUnsynced = undefined;
        action();
      },
      cut: () => this.onCut(),
    });
  }

  #openSpool(world: Parameters<typeof Spool.open>[0]): Promise<Spool> {
    return Spool.open(world, { ...this.#options, gatewaySrc: `gateway-${this.#name}` });
  }

  #delay(life: ProcessLife): Promise<void> {
    const { random, plan } = this.#world;
    const slowMs = this.#isQuiet ? 0 : 200 * plan.amount("diskSlow");
    return new Promise((resolve) => life.after(random.between(0.05, 4 + slowMs), resolve));
  }
}

/** Segments so small that a run of a few hundred entries crosses every border. */
function drawOptions(random: SeededRandom, plan: FaultPlan): Partial<SpoolOptions> {
  const segmentBytes = random.pick([1500, 3000, 6000]);
  const isSmall = plan.has("smallSpool");
  return {
    segmentBytes,
    reserveBytes: RESERVE_BYTES,
    bytesMax:
      4 * Math.max(segmentBytes, COMMIT_BYTES) + RESERVE_BYTES + (isSmall ? random.below(3000) : 10_000_000),
    // A service on an older disk is sent again what it lost, as long as it is kept here.
    replayHorizonMs: plan.has("storeRestored") ? 3_600_000 : random.pick([0, 500, 5000]),
    commitIntervalMs: random.pick([0, 20, 50]),
    whenFull: isSmall && random.chance(0.5) ? "evict" : "wait",
    tailBytesMax: random.pick([300, 3000, 1_000_000]),
    cursorPeriodMs: random.pick([100, 2000, 60_000]),
  };
}
