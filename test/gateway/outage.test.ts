import { expect, test } from "vitest";
import { Committer } from "../../gateway/committer.ts";
import { Forwarder } from "../../gateway/forwarder.ts";
import { OutputSender } from "../../gateway/outputs/output-sender.ts";
import { type Sink, SinkUnavailable, type SpooledEntry } from "../../gateway/outputs/sink.ts";
import type { ServiceClient, Stored } from "../../gateway/service-client.ts";
import { Spool } from "../../gateway/spool/spool.ts";
import { SpooledUplink } from "../../gateway/spooled-uplink.ts";
import { UplinkUnavailable } from "../../gateway/uplink.ts";
import type { AppendFile } from "../../host/disk.ts";
import { decodeIngestBatch } from "../../protocol/ingest.ts";
import { FaultyDisk } from "../../sim/faulty-disk.ts";
import type { VirtualTime } from "../../sim/virtual-time.ts";
import { SeededRandom, virtualWorld } from "../support/gateway-world.ts";
import { line } from "../support/output-bench.ts";

const OUTAGE_MS = 10 * 60_000;
const TICK_MS = 150;
const LINES_A_TICK = 12;
const LIVE_RATE = (LINES_A_TICK * 1000) / TICK_MS;
/** An SD card's, for a sync, and for a segment of 256 KiB. */
const SYNC_MS = 15;
const SEGMENT_READ_MS = 60;
const ROUND_TRIP_MS = 40;

const wait = (time: VirtualTime, ms: number): Promise<void> =>
  new Promise((resolve) => time.after(ms, resolve));

/** Takes the time of a card in a Pi. */
class CardDisk extends FaultyDisk {
  readonly #time: VirtualTime;

  constructor(time: VirtualTime) {
    super(new SeededRandom(1));
    this.#time = time;
  }

  override async read(path: string): Promise<Uint8Array | undefined> {
    if (path.includes("seg-")) await wait(this.#time, SEGMENT_READ_MS);
    return super.read(path);
  }

  override async openAppend(path: string): Promise<AppendFile> {
    const file = await super.openAppend(path);
    return {
      sizeBytes: file.sizeBytes,
      append: (bytes) => file.append(bytes),
      sync: async () => {
        await wait(this.#time, SYNC_MS);
        await file.sync();
      },
      close: () => file.close(),
    };
  }
}

/** A service far away that knows positions. */
class FarService implements ServiceClient {
  readonly #time: VirtualTime;
  isAway = false;
  position_ = 0;
  readonly arrived: number[] = [];
  onDown = (): void => {};

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  async position(): Promise<number> {
    await this.#way();
    return this.position_;
  }

  async store(batch: Uint8Array): Promise<Stored> {
    await this.#way();
    const decoded = decodeIngestBatch(batch);
    if (!decoded.ok) throw new Error(decoded.problem.text);
    if (decoded.value.after > this.position_) return { position: this.position_, isGap: true };
    for (const { position, entry } of decoded.value.entries)
      if (position > this.position_) this.arrived.push(entry.seq ?? 0);
    this.position_ = Math.max(this.position_, decoded.value.last);
    return { position: this.position_, isGap: false };
  }

  mark(): Promise<number> {
    return Promise.resolve(0);
  }

  async #way(): Promise<void> {
    await wait(this.#time, ROUND_TRIP_MS);
    if (this.isAway) throw new UplinkUnavailable("away");
  }
}

/** A collector of the same kind, that knows none. */
class FarSink implements Sink {
  readonly name = "sink";
  readonly #time: VirtualTime;
  isAway = false;
  readonly arrived: number[] = [];

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  async send(entries: readonly SpooledEntry[], taken: (position: number) => void): Promise<void> {
    await wait(this.#time, ROUND_TRIP_MS);
    if (this.isAway) throw new SinkUnavailable("away");
    for (const { position, entry } of entries) {
      this.arrived.push(entry.seq ?? 0);
      taken(position);
    }
  }

  close(): void {}
}

test("after ten minutes without a service and an output the backlog goes at many times the live rate, and boards are acked as before", async () => {
  const world = virtualWorld();
  const { time } = world;
  const spool = await opened();
  const service = new FarService(time);
  const sink = new FarSink(time);
  const forwarder = new Forwarder({ ...world, spool, client: service });
  const sender = new OutputSender(
    { ...world, reader: spool.output("out"), sink },
    {
      counters: { sentEntries: "sent_total", failures: "failures_total" },
      bounds: { entriesMax: 1_000, bytesMax: 1 << 20 },
    },
  );
  const uplink = new SpooledUplink({ ...world, spool, isConnected: () => true }, { project: "default" });
  const committer = new Committer({ ...world, uplink });
  spool.start();
  forwarder.start();
  sender.start();

  let seq = 0;
  /** Of each commit, in the phase that it began in. */
  let latenciesMs: number[] = [];
  const live = time.every(TICK_MS, () => {
    const startMs = time.monotonicMs();
    const phase = latenciesMs;
    const lines = Array.from({ length: LINES_A_TICK }, () => line("a", ++seq));
    const isTaken = committer.offer("default", "a", lines, () => phase.push(time.monotonicMs() - startMs));
    if (!isTaken) throw new Error("boards are held back");
  });
  const worstOf = async (phase: () => Promise<void>): Promise<number> => {
    latenciesMs = [];
    const mine = latenciesMs;
    await phase();
    return Math.max(...mine);
  };
  const isBehind = (): boolean =>
    spool.waitingEntries > LIVE_RATE || spool.output("out").waitingEntries > LIVE_RATE;

  const calmMs = await worstOf(() => time.advanceAsync(30_000));
  expect(isBehind()).toBe(false);
  service.isAway = true;
  sink.isAway = true;
  service.onDown();
  const awayMs = await worstOf(() => time.advanceAsync(OUTAGE_MS));
  const backlog = spool.waitingEntries;
  expect(backlog).toBeGreaterThan((LIVE_RATE * OUTAGE_MS) / 1000 - LIVE_RATE);
  service.isAway = false;
  sink.isAway = false;
  const drainStartMs = time.monotonicMs();
  const drainMs = await worstOf(async () => {
    while (isBehind()) await time.advanceAsync(1_000);
  });
  const drainedS = (time.monotonicMs() - drainStartMs) / 1000;
  live.cancel();
  await time.advanceAsync(5_000);

  // Of which up to 15 s are the last wait between two tries.
  expect(backlog / drainedS + LIVE_RATE).toBeGreaterThan(5 * LIVE_RATE);
  expect(Math.max(awayMs, drainMs)).toBeLessThanOrEqual(calmMs + SYNC_MS);
  const all = Array.from({ length: seq }, (_, index) => index + 1);
  expect(service.arrived).toEqual(all);
  expect(sink.arrived).toEqual(all);
  await forwarder.stop(0);
  await sender.stop(0);

  function opened(): Promise<Spool> {
    const opening = Spool.open(
      { ...world, disk: new CardDisk(time) },
      {
        gatewaySrc: "gw",
        segmentBytes: 256 << 10,
        tailBytesMax: 256 << 10,
        outputs: [{ name: "out", evictedCounter: "out_evicted_total" }],
      },
    );
    void time.advanceAsync(1_000);
    return opening;
  }
});
