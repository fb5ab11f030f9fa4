import type { BrokerAuth } from "./broker-rules.ts";
import { EmbeddedBroker, type EmbeddedBrokerOptions } from "./embedded-broker.ts";
import { GatewayCore, type GatewayCoreOptions, type GatewayWorld } from "./gateway-core.ts";
import { MqttBrokerLink } from "./mqtt-broker-link.ts";
import type { SerialSetting } from "./serial-setting.ts";
import { readlineParser, SerialportLink } from "./serialport-link.ts";

export interface GatewayOptions extends GatewayCoreOptions {
  /** Whose entries come in by serial lines and by an external broker. */
  readonly project: string;
  readonly serial?: readonly SerialSetting[];
  /** The broker inside; needs `brokerAuth` in the gateway's world. */
  readonly mqtt?: EmbeddedBrokerOptions;
  /** Brokers of somebody else: `mqtt://user:password@host:port`. */
  readonly brokers?: readonly string[];
  /** Client id towards brokers, the same at every start; needed where there are `brokers`. */
  readonly clientId?: string;
}

/** Serial lines and MQTT in, a log service out; nothing lost in between. */
export class Gateway {
  readonly #world: GatewayWorld & { readonly brokerAuth?: BrokerAuth };
  readonly #options: GatewayOptions;
  readonly #core: GatewayCore;
  #embedded: EmbeddedBroker | undefined;

  constructor(world: GatewayWorld & { readonly brokerAuth?: BrokerAuth }, options: GatewayOptions) {
    this.#world = world;
    this.#options = options;
    this.#core = new GatewayCore(world, options);
  }

  /** Where the embedded broker listens, once started. */
  get mqttAddress(): { readonly host: string; readonly port: number } | undefined {
    return this.#embedded?.address;
  }

  /** Entries taken and not durable yet. */
  get queuedEntries(): number {
    return this.#core.queuedEntries;
  }

  /**
   * Starts every input. Ports and external brokers that are not there yet are waited for.
   * @throws BrokerListenError; what was started is stopped again then.
   */
  async start(): Promise<void> {
    const { project, serial = [], mqtt, brokers = [], clientId } = this.#options;
    const { brokerAuth } = this.#world;
    try {
      if (mqtt !== undefined) {
        if (brokerAuth === undefined) throw new TypeError("an embedded broker needs brokerAuth");
        const { seldomLog } = this.#core;
        const embedded = new EmbeddedBroker({ ...this.#world, auth: brokerAuth, seldomLog }, mqtt);
        await this.#core.addTopics(embedded);
        this.#embedded = embedded;
      }
      for (const url of brokers) {
        if (clientId === undefined) throw new TypeError("an external broker needs a clientId");
        await this.#core.addTopics(new MqttBrokerLink(this.#world, { url, project, clientId }), { project });
      }
      for (const setting of serial) {
        this.#core.addSerial(new SerialportLink(this.#world, setting), readlineParser, {
          project,
          ...(setting.source !== undefined && { source: setting.source }),
        });
      }
    } catch (error) {
      await this.#core.stop();
      throw error;
    }
  }

  /** Stops within 2 s; everything accepted is durable then, or was never acked. */
  stop(): Promise<void> {
    return this.#core.stop();
  }
}
