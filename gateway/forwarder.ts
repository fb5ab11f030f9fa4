import type { Timer, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { ProcessLog } from "../host/log.ts";
import type { Random } from "../host/random.ts";
import { joinIngestBatch } from "../protocol/ingest.ts";
import { Backoff } from "./backoff.ts";
import { Pauses } from "./pauses.ts";
import { BatchRefused, type ServiceClient } from "./service-client.ts";
import type { Spool } from "./spool/spool.ts";
import { UplinkUnavailable } from "./uplink.ts";

export interface ForwarderOptions {
  readonly batchEntriesMax?: number;
  readonly batchBytesMax?: number;
}

const BATCH_ENTRIES_MAX = 2_000;
/** A batch that a slow uplink carries in seconds; an entry that is larger goes alone. */
const BATCH_BYTES_MAX = 512 * 1024;
const RETRY = { firstMs: 500, maxMs: 15_000 };
const MAINTAIN_MS = 10_000;

/**
 * Sends what the spool holds to the service, one batch after the other, in the spool's order. On every connect the service says
 * how far it has the spool, and that is where it goes on (docs/protocol.md 13.2): nothing is sent twice that is stored, and
 * nothing is left out.
 */
export class Forwarder {
  readonly #spool: Spool;
  readonly #client: ServiceClient;
  readonly #timers: Timers;
  readonly #counters: Counters;
  readonly #log: ProcessLog;
  readonly #backoff: Backoff;
  readonly #pauses: Pauses;
  readonly #options: Required<ForwarderOptions>;
  #wake: () => void = () => {};
  #isStopping = false;
  #isConnected = false;
  #running: Promise<void> | undefined;
  #maintainTimer: Timer | undefined;
  #lastComplaint = "";

  constructor(
    world: {
      readonly spool: Spool;
      readonly client: ServiceClient;
      readonly timers: Timers;
      readonly random: Random;
      readonly counters: Counters;
      readonly log: ProcessLog;
    },
    options: ForwarderOptions = {},
  ) {
    this.#spool = world.spool;
    this.#client = world.client;
    this.#timers = world.timers;
    this.#counters = world.counters;
    this.#log = world.log;
    this.#backoff = new Backoff(world.random, RETRY);
    this.#pauses = new Pauses(world.timers);
    this.#options = {
      batchEntriesMax: options.batchEntriesMax ?? BATCH_ENTRIES_MAX,
      batchBytesMax: options.batchBytesMax ?? BATCH_BYTES_MAX,
    };
  }

  /** The last question to the service was answered. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  start(): void {
    this.#spool.onDurable = () => this.#wake();
    this.#maintainTimer = this.#timers.every(MAINTAIN_MS, () => {
      this.#spool.maintain().catch((error: Error) => this.#complain(`spool: ${error.message}`));
    });
    this.#running = this.#run();
  }

  /** Ends after the batch that is under way, or without waiting for it at the deadline: it is asked for at the next start. */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    this.#maintainTimer?.cancel();
    this.#pauses.end();
    this.#wake();
    const late = new Promise<void>((resolve) => this.#timers.after(deadlineMs, resolve));
    await Promise.race([this.#running, late]);
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        await this.#connected();
      } catch (error) {
        this.#isConnected = false;
        this.#counters.add("forwarder_failures_total");
        this.#complain(error instanceof Error ? error.message : String(error));
        if (!(error instanceof UplinkUnavailable)) this.#log.error({ error }, "forwarding failed");
        await this.#pauses.pause(this.#backoff.takeMs());
      }
    }
  }

  /** @throws UplinkUnavailable, and what the disk throws. */
  async #connected(): Promise<void> {
    const spool = this.#spool;
    let known = await this.#greet();
    while (!this.#isStopping) {
      if (spool.durable <= spool.forwarded) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          if (this.#isStopping || spool.durable > spool.forwarded) resolve();
        });
        continue;
      }
      const { batchEntriesMax, batchBytesMax } = this.#options;
      const entries = await spool.read(spool.forwarded, {
        entriesMax: batchEntriesMax,
        bytesMax: batchBytesMax,
      });
      const last = entries.at(-1)?.position;
      if (last === undefined) {
        // Nothing is left of what stood there; that is written down behind it.
        await spool.confirm(spool.durable);
        continue;
      }
      const { epoch } = spool;
      try {
        const stored = await this.#client.store(joinIngestBatch({ epoch, after: known }, entries));
        this.#backoff.reset();
        if (stored.isGap) {
          this.#counters.add("forwarder_gaps_total");
          known = await this.#greet();
          continue;
        }
        known = stored.position;
        await spool.confirm(known);
        this.#counters.add("forwarder_batches_total");
        this.#counters.add("forwarder_entries_total", entries.length);
      } catch (error) {
        if (!(error instanceof BatchRefused)) throw error;
        // Entries that our own decoders let through are taken by every service of this version.
        this.#counters.add("forwarder_refused_batches_total");
        throw new UplinkUnavailable(error.message, { cause: error });
      }
    }
  }

  /** @returns what the service has of the spool's epoch. */
  async #greet(): Promise<number> {
    const spool = this.#spool;
    for (;;) {
      const { epoch } = spool;
      const position = await this.#client.position(epoch);
      await spool.greet(position);
      // A new epoch is unknown to the service, which says so.
      if (spool.epoch !== epoch) continue;
      if (!this.#isConnected)
        this.#log.info({ waitingEntries: spool.waitingEntries }, "connected to the log service");
      this.#isConnected = true;
      this.#lastComplaint = "";
      this.#counters.add("forwarder_greetings_total");
      return position;
    }
  }

  /** The same words once, however long the service stays away. */
  #complain(complaint: string): void {
    if (complaint === this.#lastComplaint) return;
    this.#lastComplaint = complaint;
    this.#log.warn({ waitingEntries: this.#spool.waitingEntries }, complaint);
  }
}
