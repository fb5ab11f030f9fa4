import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import type { SerialInputOptions } from "../../gateway/serial-input.ts";
import { virtualWorld } from "../support/gateway-world.ts";
import { HandByteLink } from "../support/hand-byte-link.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: what a prompt is to hear
const CALL = /^\x1b\[2H\x10global\.boardlogDown&&boardlogDown\('(\{.*\})',(\d+)\)\n$/;
/** As Espruino prints while its prompt stands there: taken away before, put back after. */
const printed = (text: string): string => `\r\x1b[J${text}\r\n>`;

function frame(seq: number, text: string, boot = "b"): string {
  const json = `["!${boot}",${seq},0,1000,0,${JSON.stringify(text)}]`;
  return `${json}${crc32(json).toString(16).padStart(8, "0")}`;
}

function openPort(options: Partial<SerialInputOptions> = {}) {
  const world = virtualWorld();
  const link = new HandByteLink();
  const { down } = link;
  const core = new GatewayCore(world);
  core.addSerial(link, { project: "default", source: "pump", isConsole: true, ...options });
  return {
    core,
    down,
    pass: (ms: number) => world.time.advanceAsync(ms),
    say: (bytes: string | Uint8Array) => link.say(bytes),
    replug: () => link.replug(),
    /** What was called, and that each call says so in the one way that is allowed. */
    calls: () =>
      down.splice(0).map((line) => {
        const [, json = "", sum] = CALL.exec(line) ?? [];
        expect(Number(sum), line).toBe(crc32(json));
        return JSON.parse(json);
      }),
    lines: () => world.uplink.texts("pump"),
    text: () => world.uplink.texts("pump", "uart"),
    count: (name: string) => world.counters.values()[name] ?? 0,
  };
}

describe("a port whose other end is a board's console", () => {
  test("hellos, acks and leases go down as calls, and the prompt is no text", async () => {
    const port = openPort();
    await port.pass(0);
    expect(port.calls()).toMatchObject([{ hello: 1 }]);
    port.say(`\r\n 2v29 (c) 2026 G.Williams\r\n\r\n>${printed("tick")}${printed(frame(1, "one"))}`);
    await port.pass(100);
    expect(port.calls()).toMatchObject([{ boot: "b", ack: 1 }]);
    port.core.setLevel("default", "pump", { level: "debug", module: "it's", forMs: 1000 });
    await port.pass(0);
    const [lease = ""] = port.down.splice(0);
    expect(lease).toContain('"module":"it\\\'s"');
    expect(port.lines()).toEqual(["one"]);
    expect(port.text()).toEqual([" 2v29 (c) 2026 G.Williams", "tick"]);
  });

  test("split at every byte, what comes is the same", async () => {
    const wire = `>${printed("tick")}ab\x1b[D\x1b[D${printed(frame(1, "one"))}ab${"\r\x1b[J"}:x\r\n>ab1+1\r\n=2\r\n>${printed(frame(2, "two"))}`;
    for (let at = 0; at <= wire.length; at++) {
      const port = openPort();
      port.say(wire.slice(0, at));
      await port.pass(1);
      port.say(wire.slice(at));
      await port.pass(100);
      expect(port.lines()).toEqual(["one", "two"]);
      expect(port.text()).toEqual(["tick", ":x", "ab1+1", "=2"]);
    }
  });

  test.each(Array.from({ length: 256 }, (_, byte) => byte))(
    "byte %i between and before frames harms neither the frame behind it nor the one after",
    async (byte) => {
      const port = openPort();
      const noise = Uint8Array.of(byte);
      for (let seq = 1; seq <= 2; seq++) {
        port.say(noise);
        port.say(printed(frame(seq, `line ${seq}`)));
        port.say(noise);
        port.say("\n");
      }
      await port.pass(100);
      expect(port.lines()).toEqual(["line 1", "line 2"]);
    },
  );

  test("nothing is said into a half-typed line, and what waited goes when it is entered", async () => {
    const port = openPort();
    await port.pass(5_000);
    port.down.length = 0;
    port.say(`>${printed(frame(1, "one")).replace(/>$/, ">prin")}`);
    await port.pass(10_000);
    expect(port.down).toEqual([]);
    port.say('t("x")\r\nx\r\n=undefined\r\n>');
    await port.pass(100);
    expect(port.calls()).toMatchObject([{ ack: 1 }]);
    expect(port.text()).toEqual(['print("x")', "x", "=undefined"]);
  });

  test("a line of open brackets is half typed too; one that was taken back is none", async () => {
    const port = openPort();
    await port.pass(5_000);
    port.down.length = 0;
    port.say(`${printed(frame(1, "one"))}f(\r\n:`);
    await port.pass(5_000);
    expect(port.down).toEqual([]);
    port.say(")\r\n=1\r\n>ab\b \b\b \b");
    await port.pass(100);
    expect(port.calls()).toMatchObject([{ ack: 1 }]);
  });

  test("a half-typed line that nobody touches for a minute is spoken over", async () => {
    const port = openPort();
    await port.pass(5_000);
    port.down.length = 0;
    port.say(printed(frame(1, "one")).replace(/>$/, ">forgotten"));
    await port.pass(59_000);
    expect(port.down).toEqual([]);
    await port.pass(2_000);
    expect(port.calls()).toContainEqual(expect.objectContaining({ ack: 1 }));
  });

  test("a half-typed line of a board that went away holds up nothing", async () => {
    const port = openPort();
    await port.pass(0);
    port.say(">half");
    await port.pass(1_500);
    port.down.length = 0;
    port.replug();
    await port.pass(100);
    expect(port.calls()).toContainEqual(expect.objectContaining({ hello: 1 }));
  });

  test("the echo of a call whose silencing byte was lost is counted and no text", async () => {
    const port = openPort();
    await port.pass(0);
    const [hello = ""] = port.down;
    port.say(`>${hello.slice(5, -1)}\r\n=undefined\r\n>`);
    await port.pass(100);
    expect(port.text()).toEqual(["=undefined"]);
    expect(port.count("serial_echo_lines_total")).toBe(1);
  });

  test("a port that nobody called a console hears one hello of three as a call", async () => {
    const port = openPort({ isConsole: false });
    await port.pass(60_000);
    expect(port.down.map((line) => CALL.test(line))).toEqual([false, true, false]);
  });

  test("a port that nobody called a console becomes one with the first frame that asks for calls", async () => {
    const port = openPort({ isConsole: false });
    await port.pass(0);
    expect(port.down.splice(0)[0]).toMatch(/^\{"v":1,"hello":1/);
    port.say(`>${printed(frame(1, "one"))}${printed("tick")}`);
    await port.pass(100);
    expect(port.calls()).toMatchObject([{ ack: 1 }]);
    expect(port.text()).toEqual(["tick"]);
    await port.pass(25_000);
    expect(port.calls()).toContainEqual(expect.objectContaining({ hello: 1 }));
  });
});
