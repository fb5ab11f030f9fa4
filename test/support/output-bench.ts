import { OutputSender } from "../../gateway/outputs/output-sender.ts";
import type { Sink } from "../../gateway/outputs/sink.ts";
import { Spool, type SpoolOptions } from "../../gateway/spool/spool.ts";
import { lossOfCount } from "../../gateway/spool/spool-loss.ts";
import type { SpoolReader } from "../../gateway/spool/spool-reader.ts";
import type { Timers } from "../../host/clock.ts";
import { systemTimers } from "../../host/system-clock.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { FaultyDisk } from "../../sim/faulty-disk.ts";
import { RememberingTimers, realWorld, SeededRandom } from "./gateway-world.ts";

/** What a numbered line says. */
export function line(src: string, number: number, more: Partial<NewEntry> = {}): NewEntry {
  return {
    src,
    stream: "console",
    msg: JSON.stringify(`${src} ${number}`),
    timestamp: 1_700_000_000_000 + number,
    received: 1_700_000_000_500,
    clock: "device",
    boot: "b",
    seq: number,
    ...more,
  };
}

export interface Haste {
  /** How many times faster time passes. */
  readonly factor: number;
  /** What the longest waits for an answer become: long enough for a busy machine, unless answers are to be missed. */
  readonly answerMs: number;
}

const HASTE: Haste = { factor: 100, answerMs: 10_000 };
/** Longest waits for an answer, and for a connection. */
const ANSWERS_MS: readonly number[] = [30_000, 10_000];

/**
 * Turns of the event loop that a wait lasts beyond its time: where the process was held up meanwhile, what it was to wait for is there
 * and is heard first.
 */
const TURNS = 10;

/** Timers of which waits of seconds are waits of moments, and which remember what was asked for. */
class HastyTimers extends RememberingTimers {
  readonly #haste: Haste;

  constructor(haste: Haste) {
    super();
    this.#haste = haste;
  }

  override after(delayMs: number, action: () => void) {
    this.delaysMs.push(delayMs);
    const { factor, answerMs } = this.#haste;
    let turnsLeft = TURNS;
    let timer = systemTimers.after(ANSWERS_MS.includes(delayMs) ? answerMs : delayMs / factor, turn);
    return { cancel: () => timer.cancel() };

    function turn(): void {
      if (turnsLeft-- === 0) action();
      else timer = systemTimers.after(1, turn);
    }
  }

  override every(periodMs: number, action: () => void) {
    return systemTimers.every(periodMs / this.#haste.factor, action);
  }
}

export type BenchWorld = ReturnType<typeof realWorld> & {
  readonly timers: Timers;
  readonly disk: FaultyDisk;
};

export interface Opened {
  readonly spool: Spool;
  readonly reader: SpoolReader;
  readonly sender: OutputSender;
}

/** A spool on a disk in memory and a sink that it is sent to, in lives one after the other. */
export class OutputBench {
  readonly timers: HastyTimers;
  readonly world: BenchWorld;
  readonly #sinkOf: (world: BenchWorld, spool: () => Spool) => Sink;
  readonly #options: Partial<SpoolOptions> & { readonly isOutput?: boolean };
  readonly #senders: OutputSender[] = [];

  /** @param options of the spool; with `isOutput` the sink is an output beside the service. */
  constructor(
    sinkOf: (world: BenchWorld, spool: () => Spool) => Sink,
    options: Partial<SpoolOptions> & { readonly isOutput?: boolean } = {},
    haste: Partial<Haste> = {},
  ) {
    this.#sinkOf = sinkOf;
    this.#options = options;
    this.timers = new HastyTimers({ ...HASTE, ...haste });
    const disk = new FaultyDisk(new SeededRandom(1));
    this.world = { ...realWorld(), timers: this.timers, disk };
  }

  async open(): Promise<Opened> {
    const { isOutput = false, ...options } = this.#options;
    const spool = await Spool.open(this.world, {
      gatewaySrc: "gw",
      commitIntervalMs: 0,
      ...options,
      outputs: isOutput ? [{ name: "out", evictedCounter: "out_evicted_total" }] : [],
    });
    const reader = isOutput ? spool.output("out") : spool;
    const sink = this.#sinkOf(this.world, () => spool);
    const sender = new OutputSender(
      { ...this.world, reader, sink },
      {
        counters: { sentEntries: "sent_total", failures: "failures_total" },
        bounds: { entriesMax: 50, bytesMax: 100_000 },
        lossOf: (count) => lossOfCount("gw", count, { why: "evicted", receivedMs: 1 }),
      },
    );
    if (!isOutput) await spool.greet(spool.position);
    sender.start();
    this.#senders.push(sender);
    return { spool, reader, sender };
  }

  /** kill -9: what was not written is forgotten. */
  kill({ sender }: Opened): void {
    void sender.stop(0);
    this.world.disk.kill();
  }

  async stop(): Promise<void> {
    for (const sender of this.#senders) await sender.stop(0);
  }
}

/**
 * How often numbered lines go back, each time to one that was there; says where they skip.
 * @param count that there are in all.
 */
export function rewindsIn(texts: readonly unknown[], count: number): number {
  let rewinds = 0;
  let highest = 0;
  let last = 0;
  for (const text of texts) {
    const number = Number(String(text).split(" ").at(-1));
    if (!(number <= highest + 1)) throw new Error(`${String(text)} comes after ${highest}`);
    if (number <= last) rewinds += 1;
    last = number;
    highest = Math.max(highest, number);
  }
  if (highest !== count) throw new Error(`${highest} lines came, not ${count}`);
  return rewinds;
}
