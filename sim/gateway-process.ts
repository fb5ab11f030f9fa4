import { GatewayCore, type GatewayCoreOptions } from "../gateway/gateway-core.ts";
import { lineSplitter } from "../gateway/line-splitter.ts";
import type { Uplink } from "../gateway/uplink.ts";
import type { Clock } from "../host/clock.ts";
import type { CounterTable } from "../host/counters.ts";
import { silentLog } from "../host/process-log.ts";
import type { EventLog } from "./event-log.ts";
import { ProcessLife } from "./process-life.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { SerialWire } from "./serial-wire.ts";
import type { TopicBroker } from "./topic-broker.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface WirePort {
  readonly wire: SerialWire;
  readonly project: string;
  /** The port's setting, if it has one. */
  readonly source: string | undefined;
}

export interface GatewayProcessWorld {
  readonly time: VirtualTime;
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly events: EventLog;
  readonly counters: CounterTable;
  readonly uplink: (life: ProcessLife) => Uplink;
  readonly ports: readonly WirePort[];
  readonly brokers: readonly TopicBroker[];
}

/** The gateway's process: everything in it but the outside wires is the production code. */
export class GatewayProcess {
  readonly #world: GatewayProcessWorld;
  readonly #options: GatewayCoreOptions;
  #life: ProcessLife | undefined;
  #core: GatewayCore | undefined;

  constructor(world: GatewayProcessWorld, options: GatewayCoreOptions) {
    this.#world = world;
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#life !== undefined;
  }

  get queuedEntries(): number {
    return this.#core?.queuedEntries ?? 0;
  }

  start(): void {
    if (this.#life !== undefined) return;
    const { time, clock, random, events, counters, uplink, ports, brokers } = this.#world;
    const life = new ProcessLife(time);
    this.#life = life;
    events.add("gateway", "starts");
    const core = new GatewayCore(
      { clock, timers: life, random, uplink: uplink(life), counters, log: silentLog },
      this.#options,
    );
    this.#core = core;
    for (const broker of brokers) void core.addTopics(broker.open(life));
    for (const { wire, project, source } of ports) {
      core.addSerial(wire.open(life), lineSplitter, { project, ...(source !== undefined && { source }) });
    }
  }

  /** kill -9. */
  crash(): void {
    if (this.#life === undefined) return;
    this.#world.events.add("gateway", "crashes");
    this.#end();
  }

  /** SIGTERM: resolves when it has ended, after at most 2 s. */
  async stop(): Promise<void> {
    const life = this.#life;
    const core = this.#core;
    if (life === undefined || core === undefined) return;
    this.#world.events.add("gateway", "stops");
    await core.stop();
    if (this.#life === life) this.#end();
  }

  #end(): void {
    this.#life?.kill();
    this.#life = undefined;
    this.#core = undefined;
    for (const broker of this.#world.brokers) broker.gatewayGone();
  }
}
