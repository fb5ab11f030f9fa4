import { WallClock } from "../gateway/wall-clock.ts";
import { CounterTable } from "../host/counters.ts";
import { silentLog } from "../host/process-log.ts";
import type { LogStore } from "../service/store/log-store.ts";
import type { AckWatch } from "./ack-watch.ts";
import { SteppedClock } from "./board-clock.ts";
import type { EventLog } from "./event-log.ts";
import type { FaultPlan } from "./fault-plan.ts";
import { GatewayMachine, SPOOLED_COMMITS } from "./gateway-machine.ts";
import { GatewayProcess, type WirePort } from "./gateway-process.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { ProjectName, ServiceKeys } from "./service-keys.ts";
import { ServiceLink } from "./service-link.ts";
import type { ServiceProcess } from "./service-process.ts";
import type { TopicBroker } from "./topic-broker.ts";
import type { VirtualTime } from "./virtual-time.ts";
import { StoreUplink } from "./watched-uplink.ts";

const SMALL_QUEUES = {
  commitEntriesMax: 3,
  queueEntriesMax: 12,
  laneEntriesMax: 6,
  queueBytesMax: 16_000,
  laneBytesMax: 6000,
};

/** A machine without a battery starts in 1970. */
const UNSET_OFFSET_MS = -1.7e12;

export interface SiteWorld {
  readonly time: VirtualTime;
  readonly plan: FaultPlan;
  readonly events: EventLog;
  readonly acks: AckWatch;
  readonly service: ServiceProcess;
  readonly keys: ServiceKeys;
  /** A stream of its own for each name. */
  readonly stream: (name: string) => SeededRandom;
}

/**
 * One gateway, with what befalls it: in one process with the service, or on a machine of its own with a spool and a network
 * between the two.
 */
export class GatewaySite {
  readonly name: string;
  /** Undefined: boards of any project, in one process with the service. */
  readonly project: ProjectName | undefined;
  readonly process: GatewayProcess;
  readonly machine: GatewayMachine | undefined;
  readonly link: ServiceLink | undefined;
  readonly clock: SteppedClock;
  readonly counters = new CounterTable();
  readonly ports: WirePort[] = [];
  readonly #world: SiteWorld;
  readonly #random: SeededRandom;
  #isQuiet = false;

  constructor(
    world: SiteWorld,
    identity: { readonly name: string; readonly project: ProjectName | undefined },
    brokers: readonly TopicBroker[],
  ) {
    const { name, project } = identity;
    const { time, plan, events, acks, service, keys, stream } = world;
    this.name = name;
    this.project = project;
    this.#world = world;
    this.#random = stream(`site ${name}`);
    this.clock = new SteppedClock(time);
    if (plan.has("gatewayClockUnset")) this.clock.setOffset(UNSET_OFFSET_MS);
    const { clock, counters } = this;
    if (project !== undefined) {
      this.link = new ServiceLink(
        {
          time,
          random: stream(`link ${name}`),
          plan,
          door: () => service,
          onPosition: (epoch, position) => acks.storedUpTo(name, epoch, position),
        },
        { project, gateway: name, key: keys.gatewayKeys[project] },
      );
      this.machine = new GatewayMachine(
        {
          time,
          clock,
          random: stream(`machine ${name}`),
          glitchRandom: stream(`glitches ${name}`),
          plan,
          counters,
          events,
          link: this.link,
        },
        { name, project },
      );
      this.machine.onCut = () => this.crash(true);
    }
    const store = (): LogStore | undefined => service.store;
    this.process = new GatewayProcess(
      {
        name,
        project,
        time,
        clock,
        random: stream(`gateway ${name}`),
        events,
        counters,
        witness: acks.witness(name),
        ports: this.ports,
        brokers,
        openUpstream: async (life) =>
          this.machine?.open(life) ?? {
            uplink: new StoreUplink(store),
            wallClock: new WallClock({ clock, timers: life, counters, log: silentLog }),
            waitingEntries: 0,
            close: async () => {},
          },
        onFailed: () => {
          this.machine?.crash(false);
          this.#startLater();
        },
      },
      {
        ...(plan.has("fewSessions") && { sessionsMax: 1 + this.#random.below(3) }),
        ...(this.machine !== undefined && SPOOLED_COMMITS),
        ...(plan.has("smallQueues") && SMALL_QUEUES),
        ...(plan.has("tightRate") && {
          sourceRate: {
            entriesPerSecond: 5 + this.#random.below(20),
            burstEntries: 10 + this.#random.below(40),
          },
        }),
      },
    );
  }

  /** Somebody sets the machine's clock. */
  setClock(): void {
    this.clock.setOffset(0);
  }

  /** In one process with the service it waits for the store. */
  start(): void {
    if (this.process.isRunning) return;
    if (this.machine === undefined && this.#world.service.store === undefined) {
      this.#world.time.after(20, () => this.start());
      return;
    }
    // What was damaged at the spool's end it cannot know to have acked.
    if (this.#world.plan.damagesSpool) this.#world.acks.forget(this.name);
    this.process.start();
  }

  /** kill -9, or the power of the machine; started again by itself where it has a machine. */
  crash(isPowerCut: boolean): void {
    const wasRunning = this.process.isRunning;
    this.process.crash();
    this.machine?.crash(isPowerCut);
    if (wasRunning && this.machine !== undefined) this.#startLater();
  }

  /** Somebody writes the disk's older image back, once there is one. */
  restoreDisk(): void {
    const { machine } = this;
    if (machine === undefined) return;
    if (!machine.hasImage) {
      machine.takeImage();
      return;
    }
    this.#world.events.add(this.name, "is restored to an older disk");
    this.crash(true);
    machine.restoreImage();
    this.#world.acks.forget(this.name);
  }

  /**
   * Killed between a write and its sync, while there is no way to the service; the power goes when it has been back for a moment.
   * @param powerMs from the one to the other.
   */
  killWriting(powerMs: number): void {
    const { machine, link } = this;
    machine?.onUnsynced(() => {
      link?.outage(2 * powerMs);
      this.crash(false);
      this.#world.time.after(powerMs, () => {
        if (!this.#isQuiet) this.crash(true);
      });
    });
  }

  /** The power goes and takes a block of flash with it. */
  eraseBlock(random: SeededRandom): void {
    this.crash(true);
    this.machine?.eraseBlock(random);
  }

  fillDisk(forMs: number): void {
    const { machine } = this;
    if (machine === undefined) return;
    machine.fill();
    this.#world.time.after(forMs, () => this.freeDisk());
  }

  freeDisk(): void {
    this.machine?.free(this.process.uncommittedEntries);
  }

  stopFaults(): void {
    this.#isQuiet = true;
    this.machine?.stopFaults();
    this.freeDisk();
    if (this.link === undefined) return;
    this.link.isQuiet = true;
    this.link.endOutage();
  }

  #startLater(): void {
    this.#world.time.after(this.#random.between(50, 5000), () => this.start());
  }
}
