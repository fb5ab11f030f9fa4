import { GatewayCore, type GatewayCoreOptions } from "../gateway/gateway-core.ts";
import type { Clock } from "../host/clock.ts";
import type { CounterTable } from "../host/counters.ts";
import { silentLog } from "../host/process-log.ts";
import type { EventLog } from "./event-log.ts";
import type { Upstream } from "./gateway-machine.ts";
import { ProcessLife } from "./process-life.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { SerialWire } from "./serial-wire.ts";
import type { TopicBroker } from "./topic-broker.ts";
import type { VirtualTime } from "./virtual-time.ts";
import { type UplinkWitness, WatchedUplink } from "./watched-uplink.ts";

export interface WirePort {
  readonly wire: SerialWire;
  readonly project: string;
  /** The port's setting, if it has one. */
  readonly source: string | undefined;
}

export interface GatewayProcessWorld {
  readonly name: string;
  /** Only boards of this project; of any where absent. */
  readonly project: string | undefined;
  readonly time: VirtualTime;
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly events: EventLog;
  readonly counters: CounterTable;
  readonly witness: UplinkWitness;
  readonly ports: readonly WirePort[];
  readonly brokers: readonly TopicBroker[];
  /** Rejects with what keeps a process from starting. */
  readonly openUpstream: (life: ProcessLife) => Promise<Upstream>;
  /** It could not start, and has ended. */
  readonly onFailed: () => void;
}

/** The gateway's process: everything in it but the outside wires is the production code. */
export class GatewayProcess {
  readonly name: string;
  readonly #world: GatewayProcessWorld;
  readonly #options: GatewayCoreOptions;
  #life: ProcessLife | undefined;
  #core: GatewayCore | undefined;
  #upstream: Upstream | undefined;
  startCount = 0;

  constructor(world: GatewayProcessWorld, options: GatewayCoreOptions) {
    this.name = world.name;
    this.#world = world;
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#life !== undefined;
  }

  /** It has come up. */
  get isServing(): boolean {
    return this.#core !== undefined;
  }

  /** Entries taken that the service does not have yet. */
  get queuedEntries(): number {
    return (this.#core?.queuedEntries ?? 0) + (this.#upstream?.waitingEntries ?? 0);
  }

  /** Entries taken that are not durable yet. */
  get uncommittedEntries(): number {
    return this.#core?.queuedEntries ?? 0;
  }

  start(): void {
    if (this.#life !== undefined) return;
    const life = new ProcessLife(this.#world.time);
    this.#life = life;
    this.startCount++;
    this.#world.events.add(this.name, "starts");
    void this.#open(life);
  }

  /** kill -9. */
  crash(): void {
    if (this.#life === undefined) return;
    this.#world.events.add(this.name, "crashes");
    this.#end();
  }

  /** SIGTERM: resolves when it has ended, after at most 3 s. */
  async stop(): Promise<void> {
    const life = this.#life;
    const core = this.#core;
    if (life === undefined || core === undefined) return;
    this.#world.events.add(this.name, "stops");
    await core.stop();
    await this.#upstream?.close();
    if (this.#life === life) this.#end();
  }

  async #open(life: ProcessLife): Promise<void> {
    const { name, project, clock, random, events, counters, witness, ports, brokers } = this.#world;
    let upstream: Upstream;
    try {
      upstream = await this.#world.openUpstream(life);
    } catch (error) {
      if (this.#life !== life) return;
      if (!isWorldFailure(error)) throw error;
      events.add(name, `cannot start: ${error.message}`);
      this.#end();
      this.#world.onFailed();
      return;
    }
    if (this.#life !== life) return;
    const uplink = new WatchedUplink(upstream.uplink, life, witness);
    const core = new GatewayCore(
      { clock, timers: life, random, uplink, counters, log: silentLog, wallClock: upstream.wallClock },
      this.#options,
    );
    this.#core = core;
    this.#upstream = upstream;
    const options = project === undefined ? {} : { project };
    for (const broker of brokers) void core.addTopics(broker.open(name, life), options);
    for (const { wire, project: of, source } of ports) {
      core.addSerial(wire.open(name, life), {
        project: of,
        ...(source !== undefined && { source }),
      });
    }
  }

  #end(): void {
    this.#life?.kill();
    this.#life = undefined;
    this.#core = undefined;
    this.#upstream = undefined;
    for (const broker of this.#world.brokers) broker.gatewayGone(this.name);
  }
}

/** What a disk throws has a code; anything else is a mistake of ours. */
function isWorldFailure(error: unknown): error is Error {
  return error instanceof Error && "code" in error;
}
