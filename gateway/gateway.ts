import type { LevelLease } from "../protocol/level-lease.ts";
import type { BrokerAuth } from "./broker-rules.ts";
import type { BrokerSetting } from "./broker-setting.ts";
import type { DatagramInputOptions } from "./datagram-input.ts";
import { EmbeddedBroker, type EmbeddedBrokerOptions } from "./embedded-broker.ts";
import { GatewayCore, type GatewayCoreOptions, type GatewayWorld } from "./gateway-core.ts";
import { MqttBrokerLink } from "./mqtt-broker-link.ts";
import { PortFinder } from "./port-finder.ts";
import { ReadRounds } from "./read-rounds.ts";
import { type PortToOpen, SerialPorts } from "./serial-ports.ts";
import type { SerialSetting } from "./serial-setting.ts";
import { SerialportLink } from "./serialport-link.ts";
import { isAgentless, type TopicRoute } from "./topic-route.ts";
import { UdpLink, type UdpOptions } from "./udp-link.ts";

export interface GatewayOptions extends GatewayCoreOptions {
  /** Whose entries come in by serial lines and by an external broker. */
  readonly project: string;
  readonly serial?: readonly SerialSetting[];
  /** The broker inside; needs `brokerAuth` in the gateway's world. */
  readonly mqtt?: EmbeddedBrokerOptions;
  /** Brokers of somebody else. */
  readonly brokers?: readonly BrokerSetting[];
  /** Ports that devices send their log lines to, one in each datagram. */
  readonly udp?: readonly UdpSetting[];
  /** Client id towards brokers, the same at every start; needed where there are `brokers`. */
  readonly clientId?: string;
}

export interface UdpSetting extends UdpOptions {
  readonly kind: DatagramInputOptions["kind"];
}

export interface FullGatewayWorld extends GatewayWorld {
  readonly brokerAuth?: BrokerAuth;
  /** Where serial ports are looked for; the machine's own where absent. */
  readonly portFinder?: PortFinder;
}

/** Serial lines and MQTT in, a log service out; nothing lost in between. */
export class Gateway {
  readonly #world: FullGatewayWorld;
  readonly #rounds: ReadRounds;
  readonly #options: GatewayOptions;
  readonly #core: GatewayCore;
  #embedded: EmbeddedBroker | undefined;
  readonly #links: MqttBrokerLink[] = [];
  readonly #serial: { readonly link: SerialportLink; readonly isNamed: boolean }[] = [];
  readonly #ports: SerialPorts;

  constructor(world: FullGatewayWorld, options: GatewayOptions) {
    this.#world = world;
    this.#rounds = new ReadRounds(world.timers);
    this.#options = options;
    this.#core = new GatewayCore(world, options);
    this.#ports = new SerialPorts({
      timers: world.timers,
      finder: world.portFinder ?? new PortFinder(),
      seldomLog: this.#core.seldomLog,
      open: (port) => this.#openPort(port),
    });
  }

  /** Where the embedded broker listens, once started. */
  get mqttAddress(): { readonly host: string; readonly port: number } | undefined {
    return this.#embedded?.address;
  }

  /** What is wrong with the inputs now, in words. */
  get problems(): readonly string[] {
    // What a pattern finds may be unplugged; what the settings name must be there.
    const ports = this.#serial.filter(({ link, isNamed }) => isNamed || !link.isAbsent);
    return [...this.#links, ...ports.map(({ link }) => link)].flatMap(({ problem }) => problem ?? []);
  }

  /** Boards that said they are there, or gone. */
  get presence(): { readonly online: number; readonly offline: number } {
    return this.#core.presence.counts;
  }

  /** Tells a board how much to log (docs/protocol.md 14). @returns undefined where the board was never heard here. */
  setLevel(project: string, src: string, lease: LevelLease): { readonly isReached: boolean } | undefined {
    return this.#core.setLevel(project, src, lease);
  }

  /** Entries taken and not durable yet. */
  get queuedEntries(): number {
    return this.#core.queuedEntries;
  }

  /**
   * Starts every input. Ports and external brokers that are not there yet are waited for.
   * @throws BrokerListenError, UdpListenError; what was started is stopped again then.
   */
  async start(): Promise<void> {
    const { serial = [], mqtt, brokers = [], udp = [], clientId, devicesMax } = this.#options;
    const { brokerAuth } = this.#world;
    try {
      if (mqtt !== undefined) {
        if (brokerAuth === undefined) throw new TypeError("an embedded broker needs brokerAuth");
        const { seldomLog } = this.#core;
        const embedded = new EmbeddedBroker(
          { ...this.#world, auth: brokerAuth, seldomLog },
          { ...(devicesMax !== undefined && { connectionsMax: devicesMax }), ...mqtt },
        );
        await this.#core.addTopics(embedded, mqtt.routes === undefined ? {} : { routes: mqtt.routes });
        this.#embedded = embedded;
      }
      for (const broker of brokers) {
        if (clientId === undefined) throw new TypeError("an external broker needs a clientId");
        // What waits for its PUBACK must not fill the window of those that do not: a connection of its own (8.6).
        const isLine = ({ kind }: TopicRoute): boolean => isAgentless(kind);
        await this.#addBroker(
          broker,
          broker.routes.filter((route) => !isLine(route)),
          clientId,
        );
        await this.#addBroker(broker, broker.routes.filter(isLine), `${clientId}-lines`);
      }
      for (const { kind, ...options } of udp) {
        const { project } = this.#options;
        await this.#core.addDatagrams(new UdpLink(this.#world, options), { project, kind });
      }
      this.#ports.start(serial);
    } catch (error) {
      await this.#core.stop();
      throw error;
    }
  }

  #openPort({ name, setting, locate }: PortToOpen): void {
    const { baud, flowControl, source, isHalfDuplex = false, isConsole = false } = setting;
    // On one pair of wires a silence is measured: all is heard when it comes.
    const mayRest = !isHalfDuplex;
    const options = { name, locate, baud, mayRest, ...(flowControl !== undefined && { flowControl }) };
    const link = new SerialportLink({ ...this.#world, rounds: this.#rounds }, options);
    this.#serial.push({ link, isNamed: setting.pattern.type === "path" });
    this.#core.addSerial(link, {
      project: this.#options.project,
      isHalfDuplex,
      isConsole,
      ...(source !== undefined && { source }),
    });
  }

  async #addBroker(setting: BrokerSetting, routes: readonly TopicRoute[], clientId: string): Promise<void> {
    if (routes.length === 0) return;
    const { project } = this.#options;
    const link = new MqttBrokerLink(this.#world, { ...setting, routes, project, clientId });
    this.#links.push(link);
    await this.#core.addTopics(link, { project, routes });
  }

  /** Stops within 2 s; everything accepted is durable then, or was never acked. */
  async stop(): Promise<void> {
    await this.#ports.stop();
    await this.#core.stop();
  }
}
