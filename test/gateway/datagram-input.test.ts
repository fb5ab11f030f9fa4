import { createSocket } from "node:dgram";
import { afterEach, describe, expect, test } from "vitest";
import { Gateway } from "../../gateway/gateway.ts";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import type { DatagramLink, DatagramListener } from "../../gateway/link.ts";
import { TopicKind } from "../../gateway/topic-route.ts";
import { Senders, UdpLink, UdpListenError } from "../../gateway/udp-link.ts";
import { realWorld, until, virtualWorld } from "../support/gateway-world.ts";

async function gateway() {
  const world = virtualWorld();
  await world.time.advanceAsync(1_000_000);
  const core = new GatewayCore(world);
  let listener: DatagramListener = () => {};
  const link: DatagramLink = {
    start: async (given) => {
      listener = given;
    },
    stop: async () => {},
  };
  await core.addDatagrams(link, { project: "default", kind: TopicKind.Shelly });
  const say = async (...lines: readonly (string | Uint8Array)[]): Promise<void> => {
    for (const line of lines) {
      listener(Buffer.from(line as string), "10.0.0.7");
      await world.time.advanceAsync(1);
    }
  };
  const count = (name: string): number => world.counters.values()[name] ?? 0;
  const losses = () =>
    world.uplink.entries
      .filter(({ stream }) => stream === "loss")
      .map(({ msg }) => JSON.parse(msg) as { boot: string; first: number; last: number });
  return { ...world, core, say, count, losses };
}

describe("log lines as datagrams", () => {
  test("are entries of the device that they name, with its number, level and time", async () => {
    const { say, uplink, time } = await gateway();
    await say(
      "shellyplus1-a8 0 3.500 2 1|boot",
      "shellyplus1-a8 1 3.512 2 0|bad | worse\n",
      "shellypro-7 9 55.0 1 3|x",
    );
    expect(uplink.texts("shellyplus1-a8")).toEqual(["boot", "bad | worse"]);
    expect(uplink.entries).toMatchObject(
      [
        { src: "shellyplus1-a8", seq: 1, level: "warn", uptime: 3_500, clock: "estimated", boot: /^line-/ },
        { src: "shellyplus1-a8", seq: 2, level: "error", uptime: 3_512 },
        { src: "shellypro-7", seq: 10, level: "debug" },
      ].map((entry) => ({ ...entry, ...("boot" in entry && { boot: expect.stringMatching(/^line-/) }) })),
    );
    expect(Math.abs((uplink.entries[0]?.timestamp ?? 0) - time.wallMs())).toBeLessThan(20);
  });

  test("that get lost are loss records at the next line", async () => {
    const { say, losses } = await gateway();
    await say("s 0 1.0 1 2|a", "s 4 1.4 1 2|e");
    expect(losses()).toMatchObject([{ first: 2, last: 4, where: "link" }]);
  });

  test("that come twice are taken once, and one that was overtaken makes no boot", async () => {
    const { say, uplink, losses, count } = await gateway();
    await say("s 0 1.0 1 2|a", "s 0 1.0 1 2|a", "s 2 1.2 1 2|c", "s 1 1.1 1 2|b", "s 3 1.3 1 2|d");
    expect(uplink.texts("s")).toEqual(["a", "c", "d"]);
    expect(new Set(uplink.entries.map(({ boot }) => boot)).size).toBe(1);
    expect(losses()).toMatchObject([{ first: 2, last: 2 }]);
    expect(count("udp_repeated_datagrams_total")).toBe(1);
    expect(count("udp_overtaken_datagrams_total")).toBe(1);
  });

  test("of a device that starts anew again and again are of as many boots, and nothing is called lost", async () => {
    const { say, uplink, losses } = await gateway();
    for (let boot = 0; boot < 5; boot++) await say("s 0 0.3 1 2|a", "s 1 0.4 1 2|b", "s 2 0.6 1 0|panic");
    expect(uplink.texts("s")).toHaveLength(15);
    expect(new Set(uplink.entries.map(({ boot }) => boot)).size).toBe(5);
    expect(losses()).toEqual([]);
  });

  test("anything else is counted and thrown away, and told in the gateway's log without its text", async () => {
    const { say, count, uplink, log } = await gateway();
    await say(
      "",
      "secret-text",
      Buffer.alloc(60_000, 0xff),
      "s x 1.0 2|a",
      "\u0001 0 1.0 1 2|a",
      `${"n".repeat(300)} 0 1.0 1 2|a`,
    );
    expect(uplink.entries).toEqual([]);
    expect(count("udp_bad_datagrams_total")).toBe(6);
    expect(log.text).toContain("no log line");
    expect(log.text).not.toContain("secret-text");
  });

  test("made-up devices without end do not take the place of those that are there", async () => {
    const { say, count, uplink } = await gateway();
    await say("real 0 1.0 1 2|a");
    for (let index = 0; index < 1_200; index++) await say(`fake-${index} 0 1.0 1 2|x`);
    await say("real 1 2.0 1 2|b");
    expect(uplink.texts("real")).toEqual(["a", "b"]);
    expect(count("udp_devices_over_limit_datagrams_total")).toBe(201);
  });

  test("after a stop nothing is taken", async () => {
    const { say, core, time, uplink } = await gateway();
    void core.stop();
    await say("s 0 1.0 1 2|a");
    await time.advanceAsync(3_000);
    expect(uplink.entries).toEqual([]);
    expect(time.pendingCount).toBe(0);
  });
});

describe("a UDP port", () => {
  const ends: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  function senders(...texts: readonly string[]): Senders {
    const parsed = Senders.parse(texts);
    if (!parsed.ok) throw new Error(parsed.problem.text);
    return parsed.value;
  }

  test("hears those who may send, and counts the others", async () => {
    const world = realWorld();
    const heard: string[] = [];
    for (const [from, who] of [
      [senders("127.0.0.0/8"), "friends"],
      [senders("192.0.2.1", "2001:db8::/32"), "strangers"],
    ] as const) {
      const link = new UdpLink(world, { host: "127.0.0.1", port: 0, senders: from });
      await link.start((payload, address) =>
        heard.push(`${who} ${address} ${Buffer.from(payload).toString()}`),
      );
      ends.push(() => link.stop());
      const socket = createSocket("udp4");
      ends.push(async () => void socket.close());
      socket.send("hello", link.port, "127.0.0.1");
    }
    await until(
      "both",
      () => heard.length === 1 && world.counters.values().udp_foreign_sender_datagrams_total === 1,
    );
    expect(heard).toEqual(["friends 127.0.0.1 hello"]);
  });

  test("that is taken is said; the gateway does not start with half of its inputs", async () => {
    const world = realWorld();
    const link = new UdpLink(world, { host: "127.0.0.1", port: 0, senders: senders("127.0.0.1") });
    await link.start(() => {});
    ends.push(() => link.stop());
    const setting = {
      host: "127.0.0.1",
      port: link.port,
      senders: senders("127.0.0.1"),
      kind: TopicKind.Shelly,
    };
    const gateway = new Gateway(world, { project: "default", udp: [setting] });
    await expect(gateway.start()).rejects.toBeInstanceOf(UdpListenError);
  });

  test.each(["here", "10.0.0.0/33", "10.0.0.0/", "10.0.0", "::1/129", ""])("%j is no sender", (text) => {
    expect(Senders.parse([text])).toMatchObject({
      ok: false,
      problem: { text: expect.stringContaining("from: ") },
    });
  });
});
