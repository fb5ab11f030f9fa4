import { afterEach, describe, expect, test } from "vitest";
import { SerialportLink } from "../../gateway/serialport-link.ts";
import { openPty } from "../../host/pty.ts";
import { logFrame, logLine } from "../support/frames.ts";
import { realWorld, until } from "../support/gateway-world.ts";
import { portAt, SerialBench } from "../support/serial-bench.ts";

describe("a serial port, over a real pty", () => {
  const benches: SerialBench[] = [];
  afterEach(async () => {
    for (const bench of benches.splice(0)) await bench.stop();
  });

  async function bench(options: ConstructorParameters<typeof SerialBench>[0] = {}): Promise<SerialBench> {
    const made = new SerialBench(options);
    benches.push(made);
    await made.open();
    return made;
  }

  function stored(from: SerialBench): readonly (readonly [string, string, string])[] {
    return from.uplink.entries.map(({ src, stream, msg }) => [src, stream, msg]);
  }

  test("a frame split at every byte boundary arrives whole", async () => {
    const port = await bench({ source: "kitchen" });
    const length = logLine({ boot: "b", ack: true }, [{ id: 1, msg: "0000" }]).length;
    for (let split = 1; split < length; split++) {
      const line = logLine({ boot: "b", ack: true }, [{ id: split, msg: `${split}`.padStart(4, "0") }]);
      port.pty.write(line.slice(0, split));
      await new Promise((resolve) => setImmediate(resolve));
      port.pty.write(line.slice(split));
    }
    await until("the last ack", () => port.heard.includes(`"ack":${length - 1},`));
    expect(port.uplink.texts("kitchen")).toEqual(
      Array.from({ length: length - 1 }, (_, index) => `${index + 1}`.padStart(4, "0")),
    );
  });

  test("every byte value on the wire is text, and the next frame is none the worse", async () => {
    const port = await bench({ source: "kitchen" });
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    await port.write(bytes);
    await port.write("\n");
    await port.write(logLine({ boot: "b", ack: true }, [{ id: 1, msg: "fine" }]));
    await until("the frame", () => port.uplink.texts("kitchen").length === 1);
    const [before, after] = port.uplink.texts("kitchen", "uart");
    expect(before).toBe(String.fromCharCode(...Array.from({ length: 10 }, (_, byte) => byte)));
    expect(after?.slice(0, 117)).toBe(
      String.fromCharCode(...Array.from({ length: 117 }, (_, index) => 11 + index)),
    );
    expect(after?.slice(117)).toMatch(/^\ufffd+$/);
  });

  test("what follows a CR in the middle of a line stays, and the one before the LF goes", async () => {
    const port = await bench({ source: "kitchen" });
    await port.write("loading 10%\rloading 100%\r\n\r\n\n\u001b[32mok\u001b[0m grüße\r\n");
    await until("two lines", () => port.uplink.entries.length === 2);
    expect(port.uplink.texts("kitchen", "uart")).toEqual([
      "loading 10%\rloading 100%",
      "\u001b[32mok\u001b[0m grüße",
    ]);
  });

  test("text and frames keep their places, and a frame glued to text is both", async () => {
    const port = await bench({ source: "kitchen" });
    const frame = (id: number): string => logLine({ boot: "b", ack: true }, [{ id, msg: `line ${id}` }]);
    await port.write(
      `before\n${frame(1)}between\n>${frame(2)}{"v":1 is how a frame starts\n${frame(3)}after\n`,
    );
    await until("everything", () => port.uplink.entries.length === 7);
    expect(stored(port).map(([, stream, msg]) => [stream, JSON.parse(msg)])).toEqual([
      ["uart", "before"],
      ["console", "line 1"],
      ["uart", "between"],
      ["uart", ">"],
      ["console", "line 2"],
      ["console", "line 3"],
      ["uart", "after"],
    ]);
    expect(port.count("serial_cut_frame_lines_total")).toBe(1);
  });

  test("a bad checksum, a cut frame and a frame that is none are discarded and counted by name", async () => {
    const port = await bench({ source: "kitchen" });
    const good = logLine({ boot: "b", ack: true, first: 1 }, [{ id: 1, msg: "one" }]);
    await port.write(good.replace("one", "0ne"));
    await port.write(`${good.slice(0, 40)}\n`);
    await port.write('{"v":1,"cmds":7}\n');
    await until("three discarded", () => port.count("serial_bad_frame_lines_total") === 1);
    expect(port.count("serial_bad_checksum_lines_total")).toBe(1);
    expect(port.count("serial_cut_frame_lines_total")).toBe(1);
    expect(port.uplink.entries).toEqual([]);
    await port.write(good);
    await until("the good one", () => port.heard.includes('"ack":1,'));
    expect(port.uplink.texts("kitchen")).toEqual(["one"]);
  });

  test("an endless line is cut at 65,536 bytes, delivered and counted, and memory stays bounded", async () => {
    const port = await bench({ source: "kitchen" });
    await port.write("x".repeat(300_000));
    await port.write("\n");
    await port.write(logLine({ boot: "b", ack: true }, [{ id: 1, msg: "fine" }]));
    await until("the frame", () => port.uplink.texts("kitchen").length === 1);
    expect(port.uplink.texts("kitchen", "uart")).toEqual([`${"x".repeat(65_536)} [cut]`]);
    expect(port.count("serial_cut_long_lines_total")).toBe(1);
    expect(port.count("serial_endless_line_discarded_bytes_total")).toBe(300_000 - 65_536);
  });

  test("without checksum a frame is taken and the ack has none; with one the ack has one", async () => {
    const port = await bench({ source: "kitchen" });
    await port.write(`${logFrame({ boot: "b", ack: true }, [{ id: 1, msg: "one" }])}\n`);
    await until("an ack", () => port.heard.includes('"ack":1,'));
    await port.write(logLine({ boot: "b", ack: true }, [{ id: 2, msg: "two" }]));
    await until("another", () => port.heard.includes('"ack":2,'));
    const acks = port.heard.split("\n").filter((line) => line.includes('"ack"'));
    expect(acks[0]).toMatch(/\}$/);
    expect(acks[1]).toMatch(/\}[0-9a-f]{8}$/);
  });

  test("the first frame names the port; a second source on it is refused, counted and said", async () => {
    const port = await bench();
    await port.write("boot text\n");
    await port.write(logLine({ boot: "b", src: "kitchen", ack: true }, [{ id: 1, msg: "one" }]));
    await port.write("later text\n");
    await port.write(logLine({ boot: "x", src: "cellar", ack: true }, [{ id: 1, msg: "no" }]));
    await port.write(logLine({ src: "cellar" }, [{ id: 9, msg: "no" }]));
    await port.write(logLine({ boot: "b", ack: true }, [{ id: 2, msg: "two" }]));
    await until("the last", () => port.heard.includes('"ack":2,'));
    const portName = port.path.slice(1).replaceAll("/", "-");
    expect(stored(port)).toEqual([
      [portName, "uart", '"boot text"'],
      ["kitchen", "console", '"one"'],
      ["kitchen", "uart", '"later text"'],
      ["kitchen", "console", '"two"'],
    ]);
    expect(port.count("serial_foreign_source_frames_total")).toBe(2);
    expect(port.heard).toContain('"id":9,"status":403');
    expect(port.world.log.lines.filter(({ level }) => level === "warn").length).toBe(1);
  });

  test("a port that another program holds, and one that is not there, are said in words that help", async () => {
    const port = await bench({ source: "kitchen" });
    const second = new SerialportLink(port.world, portAt(port.path));
    second.start({ onUp: () => expect.unreachable(), onBytes: () => {}, onDown: () => {} });
    const absent = new SerialportLink(port.world, portAt("/dev/ttyNONE0"));
    absent.start({ onUp: () => expect.unreachable(), onBytes: () => {}, onDown: () => {} });
    const folder = new SerialportLink(port.world, portAt("/dev/null"));
    folder.start({ onUp: () => expect.unreachable(), onBytes: () => {}, onDown: () => {} });
    await until(
      "three complaints",
      () => port.world.log.lines.filter(({ level }) => level === "warn").length === 3,
    );
    await Promise.all([second.stop(), absent.stop(), folder.stop()]);
    expect(port.world.log.text).toContain(`${port.path}: busy; another program has it open`);
    expect(port.world.log.text).toContain("/dev/ttyNONE0: no such device");
    expect(port.world.log.text).toContain("/dev/null: is no serial port");
  });

  test("hello comes when the port opens and, while no frame has come, twice more", async () => {
    const port = await bench({ source: "kitchen" });
    await until("three hellos", () => port.heard.split('"hello":1').length === 4);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(port.heard.split('"hello":1').length).toBe(4);
  });

  test("unplugged and plugged in again it goes on, and another board may be there", async () => {
    const port = await bench();
    await port.write(logLine({ boot: "b", src: "kitchen", ack: true }, [{ id: 1, msg: "one" }]));
    await until("an ack", () => port.heard.includes('"ack":1,'));
    await port.write("cut off in the midd");
    await until("it is read", () => port.read.endsWith("in the midd"));
    await port.unplug();
    await until("noticed", () => port.world.log.lines.some(({ text }) => text.includes("gone")));
    port.replug();
    await port.open();
    await port.write(logLine({ boot: "c", src: "cellar", ack: true }, [{ id: 1, msg: "first" }]));
    await until("an ack", () => port.heard.includes('"boot":"c","ack":1,'));
    expect(stored(port)).toEqual([
      ["kitchen", "console", '"one"'],
      ["kitchen", "uart", '"cut off in the midd"'],
      ["cellar", "console", '"first"'],
    ]);
    const absent = port.world.log.lines.filter(({ text }) => text.includes("no such device"));
    expect(absent.length).toBeLessThanOrEqual(1);
  });

  test("while the service is away a port that says too much is not read, and nothing is lost", async () => {
    const port = await bench({ source: "kitchen", laneEntriesMax: 500 });
    port.uplink.isAway = true;
    const lines = Array.from({ length: 40_000 }, (_, index) => `${index} ${"x".repeat(20)}`);
    let isAllWritten = false;
    const writing = port.write(lines.map((line) => `${line}\r\n`).join("")).then(() => {
      isAllWritten = true;
    });
    await until("paused", () => port.count("serial_paused_total") > 0);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(isAllWritten).toBe(false);
    port.uplink.isAway = false;
    await writing;
    await until("all lines", () => port.uplink.entries.length === lines.length);
    expect(port.uplink.texts("kitchen", "uart")).toEqual(lines);
  });

  test("unplugged while it is not read, it is found again without a busy loop", async () => {
    const port = await bench({ source: "kitchen", laneEntriesMax: 10 });
    // After a frame no hello is written, which would find the device gone too.
    await port.write(logLine({ boot: "b", ack: true }, [{ id: 1, msg: "here" }]));
    await until("an ack", () => port.heard.includes('"ack":1,'));
    port.uplink.isAway = true;
    void port.write("y\n".repeat(400_000));
    await until("paused", () => port.count("serial_paused_total") > 0);
    await port.unplug();
    port.uplink.isAway = false;
    await until("noticed", () => port.world.log.lines.some(({ text }) => text.includes("gone")));
    port.replug();
    await port.open();
    await port.write(logLine({ boot: "b", ack: true }, [{ id: 2, msg: "back" }]));
    await until("an ack", () => port.heard.includes('"ack":2,'));
  });

  test("a board that says stop hears nothing until it says go, and neither byte is text", async () => {
    const port = await bench({ source: "kitchen", flowControl: "xon-xoff" });
    await port.write(
      `${String.fromCharCode(0x13)}text\n${logLine({ boot: "b", ack: true }, [{ id: 1, msg: "one" }])}`,
    );
    await until("the entry", () => port.uplink.texts("kitchen").length === 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(port.heard).not.toContain('"ack":1,');
    await port.write(String.fromCharCode(0x11));
    await until("the ack", () => port.heard.includes('"ack":1,'));
    expect(port.uplink.texts("kitchen", "uart")).toEqual(["text"]);
  });

  test("what the wire does not take at once follows in its order, once the board reads again", async () => {
    const pty = openPty();
    const link = new SerialportLink(realWorld(), portAt(pty.path));
    await new Promise<void>((resolve) =>
      link.start({ onUp: () => resolve(), onBytes: () => {}, onDown: () => {} }),
    );
    let heard = "";
    pty.onData((bytes) => {
      heard += Buffer.from(bytes).toString("latin1");
    });
    pty.pause();
    const lines = Array.from({ length: 300 }, (_, index) => `line ${index} `.padEnd(200, "x"));
    let takenCount = 0;
    const writes = lines.map(async (line) => {
      const isTaken = await link.write(Buffer.from(line));
      takenCount += 1;
      return isTaken;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(takenCount).toBeGreaterThan(0);
    expect(takenCount).toBeLessThan(lines.length);
    pty.resume();
    expect(new Set(await Promise.all(writes))).toEqual(new Set([true]));
    await until("all of it", () => heard.length >= lines.join("").length);
    expect(heard).toBe(lines.join(""));
    await link.stop();
    expect(await link.write(Buffer.from("late"))).toBe(false);
    await pty.close();
  });

  test("with RTS and CTS the port opens too", async () => {
    const port = await bench({ source: "kitchen", flowControl: "rts-cts" });
    await port.write(logLine({ boot: "b", ack: true }, [{ id: 1, msg: "one" }]));
    await until("the ack", () => port.heard.includes('"ack":1,'));
  });

  test("on one pair of wires what comes back is no text", async () => {
    const port = await bench({ source: "kitchen", isHalfDuplex: true });
    port.pty.onData((bytes) => port.pty.write(bytes)); // The adapter hears what it sends.
    for (let id = 1; id <= 5; id++) {
      await port.write(logLine({ boot: "b", ack: true }, [{ id, msg: `line ${id}` }]));
      await until("its ack", () => port.heard.includes(`"ack":${id},`));
    }
    await port.write("plain text\n");
    await until("the text", () => port.uplink.texts("kitchen", "uart").length >= 1);
    expect(port.uplink.texts("kitchen")).toEqual([1, 2, 3, 4, 5].map((id) => `line ${id}`));
    expect(port.uplink.texts("kitchen", "uart").filter((text) => text !== "plain text")).toEqual([]);
    expect(port.count("serial_echo_lines_total")).toBeGreaterThanOrEqual(4);
  });
});
