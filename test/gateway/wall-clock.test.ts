import { describe, expect, test } from "vitest";
import { Forwarder } from "../../gateway/forwarder.ts";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import type { ServiceClient, Stored } from "../../gateway/service-client.ts";
import { Spool } from "../../gateway/spool/spool.ts";
import { UnsetSpans } from "../../gateway/spool/unset-spans.ts";
import { SpooledUplink } from "../../gateway/spooled-uplink.ts";
import { BOARD_ROUTES, TopicKind } from "../../gateway/topic-route.ts";
import { TopicTemplate } from "../../gateway/topic-template.ts";
import { type AskSynchronised, WallClock } from "../../gateway/wall-clock.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { decodeIngestBatch } from "../../protocol/ingest.ts";
import { FaultyDisk } from "../../sim/faulty-disk.ts";
import { SeededRandom, virtualWorld } from "../support/gateway-world.ts";
import { HandLink } from "../support/hand-link.ts";

const HOUR_MS = 3_600_000;
/** When the machine starts, in truth. */
const TRUE_START_MS = 1_764_000_000_000;
const ROUTES = [...BOARD_ROUTES, { template: TopicTemplate.of("<device>/text"), kind: TopicKind.Text }];

class MemoryService implements ServiceClient {
  readonly entries: NewEntry[] = [];
  #position = 0;
  onDown = (): void => {};
  async position(): Promise<number> {
    return this.#position;
  }
  async mark(): Promise<number> {
    return 0;
  }
  async store(batch: Uint8Array): Promise<Stored> {
    const decoded = decodeIngestBatch(batch);
    if (!decoded.ok) throw new Error(decoded.problem.text);
    for (const { position, entry } of decoded.value.entries)
      if (position > this.#position) this.entries.push(entry);
    this.#position = Math.max(this.#position, decoded.value.last);
    return { position: this.#position, isGap: false };
  }
}

interface MachineOptions {
  readonly waitMs?: number;
  readonly ask?: AskSynchronised;
}

/** A machine whose clock shows 1970 when it starts; its gateway may start anew, and so may the machine. */
function machine({ waitMs = 2 * HOUR_MS, ask }: MachineOptions = {}) {
  const world = virtualWorld();
  const { time } = world;
  time.setWallMs(0);
  const disk = new FaultyDisk(new SeededRandom(1));
  const service = new MemoryService();
  const start = async (bootId = "boot-1") => {
    const wallClock = new WallClock(world, ask);
    await wallClock.start();
    const dating = await UnsetSpans.open({ ...world, disk, wallClock }, { bootId, waitMs });
    const spool = await Spool.open({ ...world, disk, dating }, { gatewaySrc: "gw", commitIntervalMs: 0 });
    await dating.begin(() => spool.durable);
    const forwarder = new Forwarder({ ...world, spool, client: service });
    forwarder.start();
    const isConnected = () => forwarder.isConnected;
    const uplink = new SpooledUplink(
      { ...world, spool, client: service, isConnected },
      { project: "default" },
    );
    const core = new GatewayCore({ ...world, uplink, wallClock });
    const link = new HandLink();
    await core.addTopics(link, { project: "default", routes: ROUTES });
    await time.advanceAsync(10);
    const stop = async (): Promise<void> => {
      const stopped = core.stop();
      await time.advanceAsync(3_000);
      await stopped;
      const ended = forwarder.stop(500);
      await time.advanceAsync(1_000);
      await ended;
      dating.stop();
      wallClock.stop();
      await spool.close();
    };
    return { link, stop };
  };
  /** What a correct clock would show. */
  const trueMs = (): number => TRUE_START_MS + time.monotonicMs();
  const setClock = (): void => time.setWallMs(trueMs());
  return { ...world, disk, service, start, trueMs, setClock };
}

/** A line of each kind of board, a minute apart, and when each was said in truth. */
async function minutes(
  count: number,
  { link }: { readonly link: HandLink },
  at: ReturnType<typeof machine>,
  from = 1,
): Promise<number[]> {
  const saidMs: number[] = [];
  for (let seq = from; seq < from + count; seq++) {
    saidMs.push(at.trueMs());
    const uptime = at.time.monotonicMs();
    const head = { boot: "b", ack: true, first: seq } as const;
    void link.frame("counts", { ...head, clock: "uptime", now: uptime }, [
      { id: seq, msg: `${seq}`, uptime },
    ]);
    void link.frame("knows", head, [{ id: seq, msg: `${seq}`, timestamp: at.trueMs() }]);
    void link.hear("says/text", `${seq}`);
    // In small steps: each lets promises settle, of which reading a disk takes many.
    for (let step = 0; step < 20; step++) await at.time.advanceAsync(3_000);
  }
  return saidMs;
}

function bySource(entries: readonly NewEntry[], src: string): readonly NewEntry[] {
  return entries.filter((entry) => entry.src === src);
}

/** How far the times of a source's entries are from the truth at most, ms. */
function errorOf(entries: readonly NewEntry[], saidMs: readonly number[]): number {
  const errors = entries.map(({ timestamp, received }, index) =>
    Math.max(Math.abs(timestamp - (saidMs[index] ?? 0)), Math.abs(received - (saidMs[index] ?? 0))),
  );
  return Math.max(...errors);
}

describe("a gateway whose clock nobody has set", () => {
  test("serves for an hour in 1970; once the clock is set all of it is dated, in order", async () => {
    const at = machine();
    const gateway = await at.start();
    const said = await minutes(60, gateway, at);
    expect(at.service.entries).toEqual([]);
    expect(gateway.link.ackOf("counts", "b")).toBe(60);
    expect(gateway.link.sent.some(({ text }) => text.includes('"now"'))).toBe(false);
    at.setClock();
    said.push(...(await minutes(3, gateway, at, 61)));
    for (const [src, clock] of [
      ["counts", "estimated"],
      ["knows", "device"],
      ["says", "server"],
    ] as const) {
      const entries = bySource(at.service.entries, src);
      expect(entries.map(({ msg }) => JSON.parse(msg))).toEqual(said.map((_, index) => `${index + 1}`));
      expect(entries.map((entry) => entry.clock)).toEqual(said.map(() => clock));
      expect(errorOf(entries, said), src).toBeLessThan(50);
    }
    expect(gateway.link.sent.at(-1)?.text).toContain('"now"');
    expect(at.counters.values().gateway_clock_steps_total).toBe(1);
  });

  test("waits for it up to a limit; then lines go on, marked, and later ones are right again", async () => {
    const at = machine({ waitMs: 10 * 60_000 });
    const gateway = await at.start();
    await minutes(5, gateway, at);
    expect(at.service.entries).toEqual([]);
    await minutes(10, gateway, at, 6);
    const counts = bySource(at.service.entries, "counts");
    expect(counts.length).toBeGreaterThanOrEqual(14);
    expect(new Set(counts.map(({ clock }) => clock))).toEqual(new Set(["unset"]));
    expect(new Set(bySource(at.service.entries, "knows").map(({ clock }) => clock))).toEqual(
      new Set(["device"]),
    );
    at.setClock();
    const said = await minutes(3, gateway, at, 16);
    const after = bySource(at.service.entries, "counts").slice(-3);
    expect(after.map(({ clock }) => clock)).toEqual(["estimated", "estimated", "estimated"]);
    expect(errorOf(after, said)).toBeLessThan(50);
  });

  test("starts anew meanwhile, and dates also what the process before it has received", async () => {
    const at = machine();
    const first = await at.start();
    const said = await minutes(5, first, at);
    await first.stop();
    const second = await at.start();
    said.push(...(await minutes(5, second, at, 6)));
    expect(at.service.entries).toEqual([]);
    at.setClock();
    for (let step = 0; step < 20; step++) await at.time.advanceAsync(500);
    const entries = bySource(at.service.entries, "counts");
    expect(entries).toHaveLength(10);
    expect(errorOf(entries, said)).toBeLessThan(50);
  });

  test("whose clock is set while it is down dates them all the same", async () => {
    const at = machine();
    const first = await at.start();
    const said = await minutes(5, first, at);
    await first.stop();
    at.setClock();
    await at.start();
    for (let step = 0; step < 20; step++) await at.time.advanceAsync(500);
    for (const src of ["counts", "says", "knows"])
      expect(errorOf(bySource(at.service.entries, src), said), src).toBeLessThan(50);
  });

  test("lost its power meanwhile: nobody knows when those lines came, and they say so", async () => {
    const at = machine();
    const first = await at.start();
    await minutes(5, first, at);
    await first.stop();
    at.setClock();
    const second = await at.start("boot-2");
    const said = await minutes(2, second, at, 6);
    const entries = bySource(at.service.entries, "says");
    expect(entries.map(({ clock }) => clock)).toEqual([...Array(5).fill("unset"), "server", "server"]);
    expect(errorOf(entries.slice(5), said)).toBeLessThan(50);
  });

  test("that lost its list of them forwards them marked", async () => {
    const at = machine();
    const first = await at.start();
    await minutes(3, first, at);
    await first.stop();
    await at.disk.replace("unset-clock.json", Buffer.from("{"));
    at.setClock();
    await at.start();
    for (let step = 0; step < 20; step++) await at.time.advanceAsync(500);
    expect(new Set(bySource(at.service.entries, "says").map(({ clock }) => clock))).toEqual(
      new Set(["unset"]),
    );
    expect(at.log.text).toContain("unreadable");
  });
});

describe("whether the clock is set", () => {
  test("is what the machine says, also where it shows a plausible time", async () => {
    const world = virtualWorld();
    let isSynchronised = false;
    const clock = new WallClock(world, async () => isSynchronised);
    await clock.start();
    expect(clock.utcMs()).toBeUndefined();
    expect(clock.receipt().isWallSet).toBe(false);
    let calls = 0;
    clock.onSet(() => {
      calls += 1;
    });
    await world.time.advanceAsync(5_000);
    isSynchronised = true;
    await world.time.advanceAsync(2_000);
    expect([clock.isSet, calls, world.time.pendingCount]).toEqual([true, 1, 0]);
  });

  test("a person who sets it by hand has set it", async () => {
    const { time, ...world } = virtualWorld();
    const clock = new WallClock(world, async () => false);
    await clock.start();
    await time.advanceAsync(3_000);
    expect(clock.isSet).toBe(false);
    time.setWallMs(TRUE_START_MS);
    await time.advanceAsync(1_000);
    expect(clock.isSet).toBe(true);
  });

  test("where nobody can tell a plausible time is believed, and one of 1970 is not", async () => {
    const { time, ...world } = virtualWorld();
    const clock = new WallClock(world, async () => undefined);
    await clock.start();
    expect(clock.isSet).toBe(true);
    time.setWallMs(5_000);
    expect(clock.utcMs()).toBeUndefined();
    clock.stop();
  });

  test("a step is told of and counted; a clock that is slewed makes none", async () => {
    const { time, counters, log, ...world } = virtualWorld();
    const clock = new WallClock({ ...world, counters, log });
    clock.receipt();
    for (let minute = 0; minute < 600; minute++) {
      await time.advanceAsync(60_000);
      // As fast as a kernel slews.
      time.setWallMs(time.wallMs() + 29);
      clock.receipt();
    }
    expect(counters.values().gateway_clock_steps_total).toBeUndefined();
    time.setWallMs(time.wallMs() - 2_000);
    clock.receipt();
    clock.receipt();
    expect(counters.values().gateway_clock_steps_total).toBe(1);
    expect(log.text).toContain('"byMs":-2000');
  });
});

test("without a spool what comes in 1970 is marked at once", async () => {
  const world = virtualWorld();
  world.time.setWallMs(0);
  const core = new GatewayCore(world);
  const link = new HandLink();
  await core.addTopics(link, { project: "default", routes: ROUTES });
  void link.frame("b", { boot: "1", ack: true, first: 3 }, [
    { id: 3, msg: "x" },
    { id: 4, msg: "y", timestamp: 9 },
  ]);
  void link.hear("says/text", "z");
  await world.time.advanceAsync(10);
  const clocks = world.uplink.entries.map(({ src, stream, clock }) => `${src} ${stream} ${clock}`);
  expect(clocks.sort()).toEqual([
    "b console device",
    "b console unset",
    "b loss unset",
    "says console unset",
  ]);
});
