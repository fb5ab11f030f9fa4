import { describe, expect, test } from "vitest";
import { GatewayCore, type GatewayCoreOptions } from "../../gateway/gateway-core.ts";
import { TopicOutcome } from "../../gateway/link.ts";
import { BOARD_ROUTES, TopicKind } from "../../gateway/topic-route.ts";
import { TopicTemplate } from "../../gateway/topic-template.ts";
import type { UplinkBatch } from "../../gateway/uplink.ts";
import type { VirtualTime } from "../../sim/virtual-time.ts";
import type { LogLine } from "../support/frames.ts";
import { virtualWorld } from "../support/gateway-world.ts";
import { HandByteLink } from "../support/hand-byte-link.ts";
import { HandLink } from "../support/hand-link.ts";
import { MemoryUplink } from "../support/memory-uplink.ts";

const ROUTES = [
  ...BOARD_ROUTES,
  { template: TopicTemplate.of("<device>/text"), kind: TopicKind.Text },
  { template: TopicTemplate.of("<device>/debug/log"), kind: TopicKind.Shelly },
];
/** A disk that takes 20,000 entries a second. */
const COMMIT_MS = 2;
const ENTRY_MS = 0.05;

class SlowUplink extends MemoryUplink {
  readonly #time: VirtualTime;
  constructor(time: VirtualTime) {
    super();
    this.#time = time;
  }
  override async commit(batches: readonly UplinkBatch[]): Promise<void> {
    const count = batches.reduce((sum, { entries }) => sum + entries.length, 0);
    await new Promise<void>((resolve) => this.#time.after(COMMIT_MS + count * ENTRY_MS, resolve));
    await super.commit(batches);
  }
}

async function gateway(options: GatewayCoreOptions, senderWaits = false) {
  const base = virtualWorld();
  const world = { ...base, uplink: new SlowUplink(base.time) };
  const core = new GatewayCore(world, options);
  const link = new HandLink({ senderWaits });
  await core.addTopics(link, { project: "default", routes: ROUTES });
  const count = (name: string): number => world.counters.values()[name] ?? 0;
  const losses = (src: string) =>
    world.uplink.entries
      .filter((entry) => entry.src === src && entry.stream === "loss")
      .map(({ msg }) => JSON.parse(msg) as { count: number; first?: number; last?: number; where: string });
  const lostCount = (src: string): number => losses(src).reduce((sum, loss) => sum + loss.count, 0);
  return { ...world, core, link, count, losses, lostCount };
}

const RATE = { entriesPerSecond: 100, burstEntries: 200 };
const FAST = { entriesPerSecond: 1_000, burstEntries: 100 };
const LINES_A_FRAME = 50;

/** A board that logs without end and sends without waiting, and goes back where it is told to, or hears nothing. */
class FloodingBoard {
  readonly #link: HandLink;
  #next = 1;
  #highest = 0;
  #acked = 0;
  #silentMs = 0;
  isDone = false;

  constructor(link: HandLink, time: VirtualTime, endMs: number) {
    this.#link = link;
    time.every(1, () => this.#turn(time.monotonicMs() < endMs));
  }

  get highest(): number {
    return this.#highest;
  }

  hear(text: string): void {
    const { ack = 0, resend = false } = JSON.parse(text) as { ack?: number; resend?: boolean };
    if (ack > this.#acked) this.#silentMs = 0;
    this.#acked = Math.max(this.#acked, ack);
    if (resend) this.#next = this.#acked + 1;
  }

  #turn(isLogging: boolean): void {
    this.#silentMs += 1;
    if (this.#silentMs > 1_000) {
      this.#silentMs = 0;
      this.#next = this.#acked + 1;
    }
    if (isLogging) this.#highest = Math.max(this.#highest, this.#next + LINES_A_FRAME - 1);
    this.isDone = !isLogging && this.#acked === this.#highest;
    const last = Math.min(this.#highest, this.#next + LINES_A_FRAME - 1);
    if (last < this.#next) return;
    const lines: LogLine[] = [];
    for (let id = this.#next; id <= last; id++) lines.push({ id, msg: `flood ${id}` });
    void this.#link.frame("flood", { boot: "f", ack: true, first: this.#acked + 1 }, lines);
    this.#next = last + 1;
  }
}

/** Latencies of ten quiet boards, ms from the frame to its ack, ascending. */
async function quietLatencies(options: GatewayCoreOptions, floodMs: number, drainMs = 0) {
  const all = await gateway(options);
  const { time, link } = all;
  const latencies: number[] = [];
  const sentMs = new Map<string, number>();
  const flood = floodMs > 0 ? new FloodingBoard(link, time, floodMs) : undefined;
  link.onSent = (topic, text) => {
    const src = topic.split("/")[2] ?? "";
    if (src === "flood") flood?.hear(text);
    const { ack } = JSON.parse(text) as { ack?: number };
    const startMs = sentMs.get(`${src} ${ack}`);
    if (startMs !== undefined) latencies.push(time.monotonicMs() - startMs);
  };
  for (let seq = 1; seq <= 20; seq++) {
    for (let board = 0; board < 10; board++) {
      sentMs.set(`quiet-${board} ${seq}`, time.monotonicMs());
      void link.frame(`quiet-${board}`, { boot: "q", ack: true, first: seq }, [{ id: seq, msg: "quiet" }]);
      await time.advanceAsync(10);
    }
  }
  for (let ms = 0; ms < drainMs && flood?.isDone === false; ms += 1_000) await time.advanceAsync(1_000);
  latencies.sort((a, b) => a - b);
  return { ...all, flood, p99: latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN, latencies };
}

describe("a board with acks that floods", () => {
  test("moves the others' latency by little; without a rate it does by much", async () => {
    const alone = await quietLatencies({ sourceRate: FAST }, 0);
    const beside = await quietLatencies({ sourceRate: FAST }, 2_000);
    const unlimited = await quietLatencies({}, 2_000);
    expect(alone.latencies).toHaveLength(200);
    expect(beside.latencies).toHaveLength(200);
    const median = (values: readonly number[]) => values[values.length / 2] ?? 0;
    expect(median(beside.latencies)).toBeLessThan(1.5 * median(alone.latencies));
    expect(beside.p99).toBeLessThan(alone.p99 + LINES_A_FRAME * ENTRY_MS * 4);
    expect(unlimited.p99).toBeGreaterThan(10 * alone.p99);
  });

  test("loses nothing: its acks come later, and every line is stored once and in order", async () => {
    const { uplink, flood, count, losses } = await quietLatencies({ sourceRate: FAST }, 200, 60_000);
    expect(flood?.isDone).toBe(true);
    const highest = flood?.highest ?? 0;
    expect(highest).toBeGreaterThan(2 * FAST.burstEntries);
    expect(uplink.texts("flood")).toEqual(
      Array.from({ length: highest }, (_, index) => `flood ${index + 1}`),
    );
    expect(losses("flood")).toEqual([]);
    expect(count("gateway_held_frames_total")).toBeGreaterThan(0);
    expect(count("gateway_over_rate_frames_total")).toBeGreaterThan(0);
    expect(count("gateway_over_rate_lost_entries_total")).toBe(0);
  });

  test("on a connection of its own is held back by it: nothing is refused, and the answers come in time", async () => {
    const { link, time, uplink, count } = await gateway({ sourceRate: RATE }, true);
    const sender = { project: "default", device: "flood" };
    const outcomes: TopicOutcome[] = [];
    for (let id = 1; id <= 1_000; id++) {
      const frame = JSON.stringify({
        v: 1,
        boot: "f",
        cmds: [{ cmd: "/v1/Log.Log", id, args: { msg: "x" } }],
      });
      void link
        .hear("boardlog/default/flood/log", frame, { sender })
        .then((outcome) => outcomes.push(outcome));
    }
    await time.advanceAsync(1_000);
    expect(outcomes.length).toBeGreaterThanOrEqual(RATE.burstEntries);
    expect(outcomes.length).toBeLessThan(400);
    await time.advanceAsync(10_000);
    expect(outcomes).toEqual(Array.from({ length: 1_000 }, () => TopicOutcome.Done));
    expect(uplink.texts("flood")).toHaveLength(1_000);
    expect(count("gateway_over_rate_frames_total")).toBe(0);
  });

  test("a line in more parts than come in a second is stored, though all of them come again every second", async () => {
    const { link, time, uplink } = await gateway({ sourceRate: { entriesPerSecond: 7, burstEntries: 7 } });
    const parts = Array.from({ length: 30 }, (_, index) => `part ${index + 1} `);
    for (let second = 0; second < 20 && link.ackOf("long", "7") < 1; second++) {
      for (const [index, text] of parts.entries()) {
        const number = index + 1 === parts.length ? -parts.length : index + 1;
        const frame = JSON.stringify(["@7", 1, 0, 10, 0, false, number, text]);
        void link.hear("boardlog/default/long/log", frame);
      }
      await time.advanceAsync(1_000);
    }
    expect(link.ackOf("long", "7")).toBe(1);
    expect(uplink.texts("long")).toEqual([parts.join("")]);
  });

  test("what is held when the gateway stops is not acked and not stored", async () => {
    const { core, link, time, uplink } = await gateway({ sourceRate: RATE }, true);
    const sender = { project: "default", device: "flood" };
    const lines = Array.from({ length: 250 }, (_, index) => ({ id: index + 1, msg: "x" }));
    void link.frame("flood", { boot: "f", ack: true }, lines);
    const body = JSON.stringify({ v: 1, boot: "f", ack: true, cmds: [] });
    const late = link.hear("boardlog/default/flood/log", body, { sender });
    await time.advanceAsync(10);
    void core.stop();
    await time.advanceAsync(3_000);
    expect(await late).toBe(TopicOutcome.Stopped);
    expect(uplink.texts("flood")).toHaveLength(250);
    expect(time.pendingCount).toBe(0);
  });
});

describe("a source without acks that floods", () => {
  test("loses what is over its rate, in one piece, and a record counts it; others lose nothing", async () => {
    const { link, time, uplink, losses, lostCount, count } = await gateway({ sourceRate: RATE });
    for (let index = 0; index < 1_000; index++) void link.hear("flood/text", `line ${index}`);
    void link.hear("quiet/text", "hello");
    await time.advanceAsync(1_500);
    void link.hear("flood/text", "again");
    await time.advanceAsync(100);
    const texts = uplink.texts("flood");
    expect(texts).toEqual([...Array.from({ length: texts.length - 1 }, (_, i) => `line ${i}`), "again"]);
    expect(losses("flood")).toHaveLength(1);
    expect(losses("flood")[0]).toMatchObject({
      where: "gateway",
      why: expect.stringContaining("100 entries"),
    });
    expect(texts.length + lostCount("flood")).toBe(1_001);
    expect(count("gateway_over_rate_lost_entries_total")).toBe(lostCount("flood"));
    // In its place: before the line that passed again.
    expect(uplink.entries.filter(({ src }) => src === "flood").at(-2)?.stream).toBe("loss");
    expect(uplink.texts("quiet")).toEqual(["hello"]);
    expect(uplink.texts("quiet", "loss")).toEqual([]);
  });

  test("that then falls silent is told of all the same, and leaves no timer", async () => {
    const { link, time, uplink, lostCount } = await gateway({ sourceRate: RATE });
    for (let index = 0; index < 300; index++) void link.hear("flood/text", "x");
    await time.advanceAsync(11_000);
    expect(uplink.texts("flood").length + lostCount("flood")).toBe(300);
    expect(time.pendingCount).toBe(0);
  });

  test("that floods on has pieces of a second's worth, and few records", async () => {
    const { link, time, uplink, losses, lostCount } = await gateway({ sourceRate: RATE });
    for (let index = 0; index < 10_000; index++) {
      void link.hear("flood/text", `${index}`);
      await time.advanceAsync(1);
    }
    await time.advanceAsync(20_000);
    const texts = uplink.texts("flood");
    expect(texts.length + lostCount("flood")).toBe(10_000);
    expect(losses("flood").length).toBeLessThanOrEqual(11);
    const jumps = texts.filter((text, index) => index > 0 && Number(text) !== Number(texts[index - 1]) + 1);
    expect(jumps.length).toBeLessThanOrEqual(10);
    expect(texts.length).toBeGreaterThan(1_000);
  });

  test("whose lines are numbered loses them by number, at the gateway", async () => {
    const { link, time, uplink, losses, lostCount, count } = await gateway({ sourceRate: RATE });
    for (let number = 0; number < 500; number++) {
      void link.hear("shelly/debug/log", `shelly ${number} ${number}.5 2|line ${number}`);
      await time.advanceAsync(0);
    }
    await time.advanceAsync(2_000);
    void link.hear("shelly/debug/log", "shelly 500 900.5 2|after");
    await time.advanceAsync(100);
    const texts = uplink.texts("shelly");
    expect(texts.at(-1)).toBe("after");
    expect(losses("shelly")).toEqual([
      expect.objectContaining({ where: "gateway", first: texts.length, last: 500 }),
    ]);
    expect(texts.length + lostCount("shelly")).toBe(501);
    expect(count("gateway_lost_on_link_seqs_total")).toBe(0);
  });

  test("that says its losses at a stop", async () => {
    const { core, link, time, uplink, lostCount } = await gateway({ sourceRate: RATE });
    for (let index = 0; index < 300; index++) void link.hear("flood/text", "x");
    await time.advanceAsync(10);
    void core.stop();
    await time.advanceAsync(3_000);
    expect(uplink.texts("flood").length + lostCount("flood")).toBe(300);
    expect(time.pendingCount).toBe(0);
  });

  test("a plain frame over the rate is answered 429", async () => {
    const { link, time, count } = await gateway({ sourceRate: RATE });
    const frame = (id: number): string => {
      const cmds = Array.from({ length: 250 }, () => ({ cmd: "/v1/Log.Log", id, args: { msg: "x" } }));
      return JSON.stringify({ v: 1, cmds });
    };
    void link.hear("boardlog/default/old/log", frame(1));
    void link.hear("boardlog/default/old/log", frame(2));
    await time.advanceAsync(100);
    const statuses = link.sent.map(({ text }) => (JSON.parse(text) as { resp: { status: number }[] }).resp);
    expect(statuses.map((answers) => answers[0]?.status).sort()).toEqual([0, 429]);
    expect(count("gateway_over_rate_refused_commands_total")).toBe(250);
  });

  test("console text on a wire is read on and counted, so that frames behind it still come", async () => {
    const { core, time, uplink, lostCount } = await gateway({ sourceRate: RATE });
    const link = new HandByteLink();
    core.addSerial(link, { project: "default", source: "loud" });
    for (let chunk = 0; chunk < 20; chunk++) {
      link.say("noise\n".repeat(100));
      await time.advanceAsync(10);
    }
    await time.advanceAsync(15_000);
    expect(uplink.texts("loud", "uart").length + lostCount("loud")).toBe(2_000);
    expect(link.pauseCount).toBe(0);
  });
});
