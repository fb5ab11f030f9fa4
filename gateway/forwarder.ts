import type { Clock, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { ProcessLog } from "../host/log.ts";
import type { Random } from "../host/random.ts";
import { joinIngestBatch } from "../protocol/ingest.ts";
import { RetryLoop } from "./retry-loop.ts";
import { BatchRefused, type ServiceClient, type Stored } from "./service-client.ts";
import type { Spool } from "./spool/spool.ts";
import { UplinkUnavailable } from "./uplink.ts";

export interface ForwarderOptions {
  readonly batchEntriesMax?: number;
  readonly batchBytesMax?: number;
}

/** Made in a few milliseconds: so long new lines wait for it, here and at a service on the same machine. */
const BATCH_ENTRIES_MAX = 1_000;
/** A batch that a slow uplink carries in seconds; an entry that is larger goes alone. */
const BATCH_BYTES_MAX = 256 * 1024;
/** Batches sent and not answered: the next is on its way while the service syncs one. */
const UNDERWAY_MAX = 4;
/** While it is behind, at most half of the time goes into batches: the other half is for boards, which wait for their acks. */
const REST_PER_WORK = 1;

/**
 * Sends what the spool holds to the service, a few batches ahead of the answers, in the spool's order. On every connect the service says
 * how far it has the spool, and that is where it goes on (docs/protocol.md 13.2): nothing is sent twice that is stored, and
 * nothing is left out.
 */
export class Forwarder {
  readonly #spool: Spool;
  readonly #client: ServiceClient;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #log: ProcessLog;
  readonly #loop: RetryLoop;
  readonly #options: Required<ForwarderOptions>;
  #isConnected = false;
  /** The connection ended since the last greeting. */
  #isDown = false;

  constructor(
    world: {
      readonly spool: Spool;
      readonly client: ServiceClient;
      readonly clock: Clock;
      readonly timers: Timers;
      readonly random: Random;
      readonly counters: Counters;
      readonly log: ProcessLog;
    },
    options: ForwarderOptions = {},
  ) {
    this.#spool = world.spool;
    this.#client = world.client;
    this.#clock = world.clock;
    this.#counters = world.counters;
    this.#log = world.log;
    this.#loop = new RetryLoop(world, {
      turn: () => this.#connected(),
      onFailed: (...failure) => this.#failed(...failure),
    });
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
    this.#spool.onDurable = () => this.#loop.wake();
    this.#client.onDown = () => {
      this.#isDown = true;
      this.#loop.wake();
    };
    this.#loop.start();
  }

  /** Ends after the batch that is under way, or without waiting for it at the deadline: it is asked for at the next start. */
  stop(deadlineMs: number): Promise<void> {
    return this.#loop.stop(deadlineMs);
  }

  /** @throws UplinkUnavailable, and what the disk throws. */
  async #connected(): Promise<void> {
    const spool = this.#spool;
    this.#isDown = false;
    let after = await this.#greet();
    let readThrough = spool.position;
    const underway: { readonly stored: Promise<Stored>; readonly entryCount: number }[] = [];
    while (!this.#loop.isStopping) {
      if (this.#isDown) throw new UplinkUnavailable("the connection ended");
      if (underway.length < UNDERWAY_MAX && spool.durable > readThrough) {
        const { batchEntriesMax, batchBytesMax } = this.#options;
        const beganMs = this.#clock.monotonicMs();
        const entries = await spool.read(readThrough, {
          entriesMax: batchEntriesMax,
          bytesMax: batchBytesMax,
        });
        const last = entries.at(-1)?.position;
        if (last !== undefined) {
          const stored = this.#client.store(joinIngestBatch({ epoch: spool.epoch, after }, entries));
          stored.catch(() => {}); // Told when its turn comes.
          underway.push({ stored, entryCount: entries.length });
          after = last;
          readThrough = last;
          if (spool.durable - last > batchEntriesMax)
            await this.#loop.pause(REST_PER_WORK * (this.#clock.monotonicMs() - beganMs));
          continue;
        }
        // Nothing is left of what stood there; that is written down behind it.
        if (underway.length === 0) {
          await spool.confirm(spool.durable);
          readThrough = spool.durable;
          continue;
        }
      }
      const oldest = underway.shift();
      if (oldest === undefined) {
        await this.#loop.until(() => this.#isDown || spool.durable > readThrough);
        continue;
      }
      const stored = await this.#storedOf(oldest.stored);
      this.#loop.resetBackoff();
      if (stored.isGap) {
        this.#counters.add("forwarder_gaps_total");
        await Promise.allSettled(underway.splice(0).map((each) => each.stored));
        after = await this.#greet();
        readThrough = spool.position;
        continue;
      }
      await spool.confirm(stored.position);
      this.#counters.add("forwarder_batches_total");
      this.#counters.add("forwarder_entries_total", oldest.entryCount);
    }
  }

  async #storedOf(stored: Promise<Stored>): Promise<Stored> {
    try {
      return await stored;
    } catch (error) {
      if (!(error instanceof BatchRefused)) throw error;
      // Entries that our own decoders let through are taken by every service of this version.
      this.#counters.add("forwarder_refused_batches_total");
      throw new UplinkUnavailable(error.message, { cause: error });
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
      this.#loop.endProblem();
      this.#counters.add("forwarder_greetings_total");
      return position;
    }
  }

  #failed(error: unknown, reason: string, isNews: boolean): number {
    this.#isConnected = false;
    this.#counters.add("forwarder_failures_total");
    if (isNews) this.#log.warn({ waitingEntries: this.#spool.waitingEntries }, reason);
    if (!(error instanceof UplinkUnavailable)) this.#log.error({ error }, "forwarding failed");
    return 0;
  }
}
