import { expect, test } from "vitest";
import { Forwarder } from "../../gateway/forwarder.ts";
import type { ServiceClient, Stored } from "../../gateway/service-client.ts";
import { Spool } from "../../gateway/spool/spool.ts";
import { SpoolFull } from "../../gateway/spool/spool-errors.ts";
import { SpooledUplink } from "../../gateway/spooled-uplink.ts";
import { UplinkUnavailable } from "../../gateway/uplink.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { decodeIngestBatch } from "../../protocol/ingest.ts";
import { FaultyDisk } from "../../sim/faulty-disk.ts";
import { SeededRandom, virtualWorld } from "../support/gateway-world.ts";

/** A service in memory that answers, stores and loses its answers as a seed says. */
class ShakyService implements ServiceClient {
  readonly #random: SeededRandom;
  readonly texts: string[] = [];
  readonly #positions = new Map<string, number>();
  onDown = (): void => {};
  failureChance = 0;
  markCount = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  async position(epoch: string): Promise<number> {
    this.#shake();
    return this.#positions.get(epoch) ?? 0;
  }

  async store(batch: Uint8Array): Promise<Stored> {
    this.#shake();
    const decoded = decodeIngestBatch(batch);
    if (!decoded.ok) throw new Error(decoded.problem.text);
    const { epoch, after, last, entries } = decoded.value;
    const stands = this.#positions.get(epoch) ?? 0;
    if (after > stands) return { position: stands, isGap: true };
    for (const { position, entry } of entries)
      if (position > stands) this.texts.push(JSON.parse(entry.msg) as string);
    this.#positions.set(epoch, Math.max(stands, last));
    // Stored, and the answer is lost on its way.
    this.#shake();
    return { position: Math.max(stands, last), isGap: false };
  }

  async mark(): Promise<number> {
    this.#shake();
    this.markCount += 1;
    return 7;
  }

  #shake(): void {
    if (this.#random.fraction() < this.failureChance) throw new UplinkUnavailable("shaken");
  }
}

const entry = (number: number, more: Partial<NewEntry> = {}): NewEntry => ({
  src: "a",
  stream: "uart",
  msg: JSON.stringify(`line ${number}`),
  timestamp: 1,
  received: 1,
  clock: "server",
  ...more,
});

async function start(seed: number) {
  const world = virtualWorld();
  const disk = new FaultyDisk(new SeededRandom(seed));
  const client = new ShakyService(seed);
  const open = () => Spool.open({ ...world, disk }, { gatewaySrc: "gw", commitIntervalMs: 0 });
  const spool = await open();
  const forwarder = new Forwarder({ ...world, spool, client }, { batchEntriesMax: 3 });
  return { world, disk, client, spool, open, forwarder };
}

test("lines without seqs arrive exactly once and in order over a service that fails, loses answers and comes back", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const { world, disk, client, spool, open, forwarder } = await start(seed);
    client.failureChance = 0.4;
    forwarder.start();
    for (let number = 1; number <= 30; number++) {
      await spool.commit([entry(number)]);
      if (number % 4 === 0) await world.time.advanceAsync(700);
    }
    // Killed at any moment, the next life goes on where the service says.
    void forwarder.stop(0);
    disk.kill();
    client.failureChance = 0;
    await world.time.advanceAsync(1);
    const again = await open();
    const next = new Forwarder({ ...world, spool: again, client }, { batchEntriesMax: 3 });
    again.start();
    next.start();
    await again.commit([entry(31)]);
    await world.time.advanceAsync(120_000);
    expect(client.texts, `seed ${seed}`).toEqual(
      Array.from({ length: 31 }, (_, index) => `line ${index + 1}`),
    );
    expect(again.waitingEntries).toBe(0);
    void next.stop(0);
    await world.time.advanceAsync(1);
  }
});

test("a boot that the spool knows is never asked for; one it does not know is, unless the service is away", async () => {
  const { world, client, spool } = await start(1);
  let isConnected = true;
  const uplink = new SpooledUplink(
    { ...world, spool, client, isConnected: () => isConnected },
    { project: "default" },
  );
  await uplink.commit([{ project: "default", entries: [entry(1, { boot: "b", seq: 4 })] }]);
  expect(await uplink.mark("default", "a", "b")).toBe(4);
  expect(client.markCount).toBe(0);
  expect(await uplink.mark("default", "a", "other", 1)).toBe(7);
  isConnected = false;
  // It holds its lines from 9 on: what is below is not called lost.
  expect(await uplink.mark("default", "a", "third", 9)).toBe(8);
  await expect(uplink.mark("default", "a", "third")).rejects.toThrow(UplinkUnavailable);
});

test("a spool that takes nothing is a problem that is said until it takes again", async () => {
  const { world, spool } = await start(1);
  let failure: Error | undefined;
  const commit = async (): Promise<void> => {
    if (failure !== undefined) throw failure;
  };
  const uplink = new SpooledUplink(
    { ...world, spool: { markOf: spool.markOf.bind(spool), commit }, isConnected: () => true },
    { project: "default" },
  );
  const put = () => uplink.commit([{ project: "default", entries: [entry(1)] }]);
  await put();
  expect(uplink.problem).toBeUndefined();
  failure = new SpoolFull(40);
  await expect(put()).rejects.toThrow(SpoolFull);
  expect(uplink.problem).toMatch(/spool takes nothing for now: it is full .* boards get no acks/);
  failure = undefined;
  await put();
  expect(uplink.problem).toBeUndefined();
});
