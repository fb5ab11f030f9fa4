import { createHash, timingSafeEqual } from "node:crypto";
import type { BrokerAuth, BrokerClient } from "../gateway/broker-rules.ts";
import type { Clock, Timer, Timers } from "../host/clock.ts";
import type { Disk } from "../host/disk.ts";
import type { ProcessLog } from "../host/log.ts";
import type { Random } from "../host/random.ts";
import { KeyStore } from "../service/auth/key-store.ts";
import { KeyAuth } from "./key-auth.ts";

/** `boardlog devices` is another process: what it changed counts this soon, ms. */
const RELOAD_MS = 1_000;

/**
 * Who may use a gateway's embedded broker (docs/protocol.md 8.4): boards by secrets of their own, hashed in the gateway's folder,
 * and whoever has the one password of the settings.
 */
export class DeviceAuth implements BrokerAuth {
  readonly #project: string;
  readonly #keyHash: Buffer | undefined;
  readonly #store: KeyStore;
  readonly #boards: KeyAuth;
  readonly #holders = new WeakSet<BrokerClient>();
  readonly #timers: Timers;
  readonly #log: ProcessLog;
  #timer: Timer | undefined;
  #lastComplaint = "";

  constructor(
    world: {
      readonly disk: Disk;
      readonly random: Random;
      readonly clock: Clock;
      readonly timers: Timers;
      readonly log: ProcessLog;
    },
    options: { readonly project: string; readonly key?: string },
  ) {
    this.#project = options.project;
    this.#keyHash = options.key === undefined ? undefined : sha256(options.key);
    this.#store = new KeyStore(world);
    this.#boards = new KeyAuth([this.#store]);
    this.#timers = world.timers;
    this.#log = world.log;
  }

  async start(): Promise<void> {
    await this.#reload();
    this.#timer = this.#timers.every(RELOAD_MS, () => void this.#reload());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  async authenticate(userName: string, password: string): Promise<BrokerClient | undefined> {
    const isHolder = this.#keyHash !== undefined && timingSafeEqual(sha256(password), this.#keyHash);
    if (isHolder && userName === this.#project) {
      const client = { project: this.#project };
      this.#holders.add(client);
      return client;
    }
    const client = await this.#boards.authenticate(userName, password);
    return client?.project === this.#project ? client : undefined;
  }

  isStillGood(client: BrokerClient): boolean {
    return this.#holders.has(client) || this.#boards.isStillGood(client);
  }

  /** What cannot be read changes nothing: boards go on by what stood. */
  async #reload(): Promise<void> {
    try {
      await this.#store.reload();
      this.#lastComplaint = "";
    } catch (error) {
      const complaint = (error as Error).message;
      if (complaint !== this.#lastComplaint) this.#log.error({ complaint }, "credentials of boards");
      this.#lastComplaint = complaint;
    }
  }
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
