import { describe, expect, test } from "vitest";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import { TopicOutcome } from "../../gateway/link.ts";
import { parseLogLine } from "../../gateway/log-line.ts";
import { TopicKind } from "../../gateway/topic-route.ts";
import { TopicTemplate } from "../../gateway/topic-template.ts";
import { FaultyDisk } from "../../sim/faulty-disk.ts";
import { SeededRandom, virtualWorld } from "../support/gateway-world.ts";
import { HandLink } from "../support/hand-link.ts";

const ROUTES = [
  { template: TopicTemplate.of("sensors/<device>/text"), kind: TopicKind.Text },
  { template: TopicTemplate.of("<device>/log"), kind: TopicKind.MongooseOs },
  { template: TopicTemplate.of("<device>/debug/log"), kind: TopicKind.Shelly },
];

async function gateway(world: ReturnType<typeof virtualWorld> & { disk?: FaultyDisk } = virtualWorld()) {
  const core = new GatewayCore(world);
  const link = new HandLink();
  await core.addTopics(link, { project: "default", routes: ROUTES });
  const count = (name: string): number => world.counters.values()[name] ?? 0;
  return { ...world, world, core, link, count };
}

describe("a log line of firmware without the agent", () => {
  test.each([
    [
      "esp32_A1 17 1633024801.123 2|x: y",
      TopicKind.MongooseOs,
      { number: 17, timeMs: 1_633_024_801_123, clock: "utc", text: "x: y" },
    ],
    [
      "shellyplus1-a8 0 3.5 2|boot",
      TopicKind.Shelly,
      { number: 0, timeMs: 3_500, clock: "uptime", level: "info", text: "boot" },
    ],
    [
      "shellyplus1-a8 9 3.512 1 0|bad | worse\n",
      TopicKind.Shelly,
      { timeMs: 3_512, level: "error", text: "bad | worse" },
    ],
    ["a 1 2 2 4|", TopicKind.MongooseOs, { timeMs: 2_000, level: "debug", text: "" }],
  ] as const)("%j", (text, kind, expected) => {
    expect(parseLogLine(text, kind)).toMatchObject(expected);
  });

  test.each([
    "",
    "hello",
    "a b c d|e",
    "a 1 2.3 4",
    "a 99999999999999999 1.0 2|x",
    "a -1 1.0 2|x",
    " 1 1.0 2|x",
  ])("%j is none", (text) => expect(parseLogLine(text, TopicKind.Shelly)).toBeUndefined());
});

describe("agentless sources", () => {
  test("a text payload is an entry, acked to the broker only once it is durable", async () => {
    const { link, uplink } = await gateway();
    let open: () => void = () => {};
    uplink.gate = () => new Promise((resolve) => (open = resolve));
    let isAcked = false;
    const acked = link.hear("sensors/boiler/text", "21.5 °C\r\n").then(() => {
      isAcked = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isAcked).toBe(false);
    open();
    await acked;
    expect(uplink.texts("boiler")).toEqual(["21.5 °C"]);
    expect(uplink.entries[0]).toMatchObject({ clock: "server", stream: "console" });
  });

  test("lines keep their own number, time and level; a number left out is a loss record at once", async () => {
    const { link, uplink, clock } = await gateway();
    const utcMs = clock.wallMs() - 5_000;
    const s = (utcMs / 1000).toFixed(3);
    await link.hear("plug/debug/log", `plug 41 ${s} 2|one`);
    await link.hear("plug/debug/log", `plug 42 ${s} 1|two`);
    await link.hear("plug/debug/log", `plug 45 ${s} 0|five`);
    const [one, two, loss, five] = uplink.entries;
    expect(one).toMatchObject({ seq: 42, level: "info", timestamp: utcMs, clock: "device" });
    expect(two).toMatchObject({ seq: 43, level: "warn" });
    // What was before the first is not called lost: nobody was listening.
    expect(loss).toMatchObject({ stream: "loss", lost: { first: 44, last: 45 } });
    expect(five).toMatchObject({ seq: 46, level: "error" });
    expect(new Set([one?.boot, two?.boot, five?.boot]).size).toBe(1);
  });

  test("uptime is mapped to UTC", async () => {
    const { link, uplink, time, clock } = await gateway();
    time.advance(60_000);
    await link.hear("esp/log", "esp 0 10.000 2|booted long ago");
    expect(uplink.entries[0]).toMatchObject({
      uptime: 10_000,
      clock: "estimated",
      timestamp: clock.wallMs(),
    });
  });

  test("numbers that start again are a new boot, and what the broker sends again is a duplicate", async () => {
    const { link, uplink, count } = await gateway();
    await link.hear("esp/log", "esp 7 10.000 2|seven");
    await link.hear("esp/log", "esp 7 10.000 2|seven", { isRepeat: true });
    await link.hear("esp/log", "esp 0 0.500 2|again");
    await link.hear("esp/log", "esp 1 0.600 2|and on");
    expect(uplink.texts("esp")).toEqual(["seven", "again", "and on"]);
    expect(count("gateway_duplicate_seqs_total")).toBe(1);
    expect(new Set(uplink.entries.map(({ boot }) => boot)).size).toBe(2);
    expect(uplink.texts("esp", "loss")).toEqual([]);
  });

  test("a gateway that starts again knows the boot: repeats are duplicates, what it missed is lost", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const first = await gateway(Object.assign(virtualWorld(), { disk }));
    await first.link.hear("esp/log", "esp 7 10.000 2|seven");
    await first.link.hear("esp/log", "esp 8 11.000 2|eight");
    const second = await gateway(Object.assign(virtualWorld(), { disk, uplink: first.uplink }));
    await second.link.hear("esp/log", "esp 8 11.000 2|eight", { isRepeat: true });
    await second.link.hear("esp/log", "esp 10 13.000 2|ten");
    expect(second.uplink.texts("esp")).toEqual(["seven", "eight", "ten"]);
    expect(second.uplink.entries.filter(({ stream }) => stream === "loss")).toMatchObject([
      { lost: { first: 10, last: 10 } },
    ]);
  });

  test("what has no number is text, bytes that are no UTF-8 stay readable, nothing and too much are counted", async () => {
    const { link, uplink, count } = await gateway();
    await link.hear("plug/debug/log", "no number here");
    await link.hear("sensors/x/text", Uint8Array.of(0x61, 0xff, 0x62));
    await link.hear("sensors/x/text", "");
    await link.hear("sensors/x/text", "y".repeat(70_000));
    expect(uplink.texts("plug")).toEqual(["no number here"]);
    expect(uplink.texts("x")).toEqual(["a\ufffdb", `${"y".repeat(65_536)} [cut]`]);
    expect(count("mqtt_unnumbered_log_lines_total")).toBe(1);
    expect(count("mqtt_empty_messages_total")).toBe(1);
    expect(count("mqtt_cut_texts_total")).toBe(1);
  });

  test("retained ones and other topics are refused", async () => {
    const { link, uplink, count } = await gateway();
    expect(await link.hear("sensors/x/text", "old", { retained: true })).toBe(TopicOutcome.Refused);
    expect(await link.hear("sensors/x/y/text", "far")).toBe(TopicOutcome.Refused);
    expect(await link.hear("boardlog/default/kitchen/log", "{}")).toBe(TopicOutcome.Refused);
    expect(uplink.entries).toEqual([]);
    expect(count("mqtt_retained_messages_total")).toBe(1);
    expect(count("mqtt_bad_topic_messages_total")).toBe(2);
  });
});
