import { createSocket } from "node:dgram";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { SyslogDatagrams } from "../../gateway/outputs/syslog-datagrams.ts";
import { parseSyslogUrl, type SyslogSinkOptions, shownSyslog } from "../../gateway/outputs/syslog-setting.ts";
import { SyslogStream } from "../../gateway/outputs/syslog-stream.ts";
import { encodeSyslog, type SyslogTextOptions } from "../../gateway/outputs/syslog-text.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { LEVELS } from "../../protocol/level.ts";
import { Certificates } from "../support/certificates.ts";
import { until } from "../support/gateway-world.ts";
import { type Haste, line, type Opened, OutputBench, rewindsIn } from "../support/output-bench.ts";
import { requires } from "../support/requirements.ts";
import { parseSyslog, SyslogReceiver } from "../support/syslog-receiver.ts";

const TEXT: SyslogTextOptions = { facility: "local0", appName: "boardlog", bytesMax: 8_192 };
/** An entry counts as taken after 3 s of patience: here 150 ms, which a receiver in the same process reads within. */
const HASTE: Partial<Haste> = { factor: 20 };

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const messageOf = (entry: NewEntry, options: Partial<SyslogTextOptions> = {}) =>
  parseSyslog(encodeSyslog(entry, { ...TEXT, ...options }).bytes);

describe("an entry as RFC 5424 writes it", () => {
  test("has its source, boot and stream in the header, and its clock and number as structured data", () => {
    const entry = line("greenhouse", 17, {
      level: "warn",
      module: "pump",
      uptime: 42_119,
      clock: "estimated",
      clockError: 12,
    });
    expect(messageOf(entry)).toEqual({
      priority: 16 * 8 + 4,
      version: 1,
      timestamp: "2023-11-14T22:13:20.017Z",
      hostname: "greenhouse",
      appName: "boardlog",
      procId: "b",
      msgId: "console",
      elements: {
        timeQuality: { tzKnown: "1", isSynced: "1", syncAccuracy: "12000" },
        meta: { sequenceId: "17", sysUpTime: "4211" },
        "boardlog@32473": {
          src: "greenhouse",
          module: "pump",
          clock: "estimated",
          received: "2023-11-14T22:13:20.500Z",
        },
      },
      hasBom: false,
      text: "greenhouse 17",
    });
  });

  test("without a level, boot or seq it has none, and a time of the gateway's is not called synchronised", () => {
    const { boot: _, seq: __, ...bare } = line("a", 1, { clock: "server", msg: '{"t":1.0}' });
    expect(messageOf(bare, { facility: "daemon" })).toMatchObject({
      priority: 3 * 8 + 6,
      procId: undefined,
      elements: { timeQuality: { tzKnown: "1", isSynced: "0" } },
      text: '{"t":1.0}',
    });
  });

  test("each level has its severity", () => {
    const severities = LEVELS.map((level) => messageOf(line("a", 1, { level })).priority % 8);
    expect(severities).toEqual([7, 6, 4, 3]);
  });

  test("a sequence number beyond 31 bits begins anew, and a time that no year of four digits holds is none", () => {
    const late = messageOf(line("a", 2_147_483_648, { timestamp: Number.MAX_SAFE_INTEGER }));
    expect(late.timestamp).toBeUndefined();
    expect(late.elements.meta).toEqual({ sequenceId: "1" });
  });

  test("text that is cut stays whole characters, and says so", () => {
    const entry = line("a", 1, { msg: JSON.stringify("ä€😀".repeat(300)) });
    for (let bytesMax = 480; bytesMax < 490; bytesMax++) {
      const { bytes, isCut } = encodeSyslog(entry, { ...TEXT, bytesMax });
      expect(bytes.length).toBeLessThanOrEqual(bytesMax);
      expect(bytes.length).toBeGreaterThan(bytesMax - 4);
      expect(isCut).toBe(true);
      expect(parseSyslog(bytes)).toMatchObject({ hasBom: true, text: expect.not.stringContaining("\ufffd") });
    }
  });

  test("whatever stands in an entry, it is good by the grammar and comes out as it went in", () => {
    const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(name, name, fc.string({ unit: "binary" }), name, (src, stream, text, module) => {
        const message = messageOf(line(src, 1, { stream, module, msg: JSON.stringify(text) }), {
          bytesMax: 100_000,
        });
        const wellFormed = (given: string): string => Buffer.from(given, "utf8").toString("utf8");
        expect(message.elements["boardlog@32473"]).toMatchObject({
          src: wellFormed(src),
          module: wellFormed(module),
        });
        // A mark at the front of the text is taken for ours by any receiver.
        expect(message.text).toBe(wellFormed(text));
      }),
    );
  });
});

test("addresses have their ports, and what is none is refused", () => {
  const shown = (url: string): string | undefined => {
    const place = parseSyslogUrl(url);
    return place.ok ? shownSyslog(place.value) : undefined;
  };
  expect(shown("tls://logs.example")).toBe("tls://logs.example:6514");
  expect(shown("tcp://10.0.0.1/")).toBe("tcp://10.0.0.1:514");
  expect(shown("udp://[::1]:5514")).toBe("udp://[::1]:5514");
  for (const url of [
    "http://x",
    "tcp://",
    "tcp://x:0",
    "tcp://x:70000",
    "tcp://a:b@x",
    "tcp://x/y",
    "udp://x:1?a",
  ])
    expect(shown(url), url).toBeUndefined();
});

function benchOf(
  place: () => Partial<SyslogSinkOptions> & Pick<SyslogSinkOptions, "port">,
  haste = HASTE,
): OutputBench {
  const bench = new OutputBench(
    (world) => {
      const options = {
        transport: "tcp",
        host: "127.0.0.1",
        text: TEXT,
        name: "syslog",
        at: "outputs.syslog",
      } as const;
      const all = { ...options, ...place() };
      return all.transport === "udp" ? new SyslogDatagrams(world, all) : new SyslogStream(world, all);
    },
    { isOutput: true },
    haste,
  );
  ends.push(() => bench.stop());
  return bench;
}

async function receiverAt(receiver = new SyslogReceiver()): Promise<SyslogReceiver> {
  await receiver.start();
  ends.push(() => receiver.stop());
  return receiver;
}

const textsOf = (receiver: SyslogReceiver): readonly string[] => receiver.messages.map(({ text }) => text);

describe("over TCP with octet counting", () => {
  test("all arrives once and in order, line feeds and all, and counts when the connection lived on", async () => {
    const receiver = await receiverAt();
    const bench = benchOf(() => ({ port: receiver.port }));
    const { spool, reader } = await bench.open();
    for (let number = 1; number <= 200; number++) await spool.commit([line("a", number)]);
    await spool.commit([line("a", 201, { msg: '"two\\nlines é"' })]);
    await until("it is sent", () => reader.waitingEntries === 0);
    expect(rewindsIn(textsOf(receiver).slice(0, -1), 200)).toBe(0);
    expect(textsOf(receiver).at(-1)).toBe("two\nlines é");
    expect(receiver.problems).toEqual([]);
    expect(receiver.connectionCount).toBe(1);
    expect(bench.world.counters.values().sent_total).toBe(201);
  });

  test("connections that end in the middle, a receiver that is restarted, a gateway that is killed: nothing lost, in order", async () => {
    const receiver = await receiverAt();
    const bench = benchOf(() => ({ port: receiver.port }));
    let present: Opened = await bench.open();
    let number = 0;
    for (let round = 1; round <= 9; round++) {
      for (let count = 0; count < 30; count++) await present.spool.commit([line("a", ++number)]);
      const seen = receiver.messages.length;
      await until("something came", () => receiver.messages.length > seen);
      if (round % 3 === 0) {
        await receiver.stop();
        await receiver.start();
      } else if (round % 3 === 1) receiver.cut();
      else {
        bench.kill(present);
        present = await bench.open();
      }
    }
    await until("it is sent", () => present.reader.waitingEntries === 0);
    expect(rewindsIn(textsOf(receiver), number)).toBeLessThanOrEqual(9);
    expect(receiver.problems).toEqual([]);
  });

  test("a receiver that reads nothing is given up after a while, and told again what it may not have read", async () => {
    const receiver = await receiverAt();
    receiver.isStuck = true;
    const bench = benchOf(() => ({ port: receiver.port, text: { ...TEXT, bytesMax: 100_000 } }), {
      // The kernel's buffers are full before what went first counts as taken, on a busy machine too.
      factor: 1,
      answerMs: 4_000,
    });
    const { spool, reader, sender } = await bench.open();
    const long = "x".repeat(60_000);
    // More than the kernel of both sides takes.
    await spool.commit(
      Array.from({ length: 250 }, (_, index) =>
        line("a", index + 1, { msg: JSON.stringify(`${long} ${index + 1}`) }),
      ),
    );
    await until("it is given up", () => bench.world.log.text.includes("it takes nothing for 30 s"));
    receiver.isStuck = false;
    await until("it is sent", () => reader.waitingEntries === 0);
    expect(rewindsIn(textsOf(receiver), 250)).toBe(0);
    expect(sender.problem).toBeUndefined();
  });

  test("a stop in order leaves nothing to send again", async () => {
    const receiver = await receiverAt();
    const bench = benchOf(() => ({ port: receiver.port }));
    const first = await bench.open();
    await first.spool.commit([line("a", 1), line("a", 2)]);
    await until("they came", () => receiver.messages.length === 2);
    await first.sender.stop(10_000);
    await first.spool.close();
    const second = await bench.open();
    await second.spool.commit([line("a", 3)]);
    await until("it is sent", () => second.reader.waitingEntries === 0);
    expect(textsOf(receiver)).toEqual(["a 1", "a 2", "a 3"]);
  });
});

test("over UDP each entry is a datagram", async () => {
  const socket = createSocket("udp4");
  const messages: ReturnType<typeof parseSyslog>[] = [];
  socket.on("message", (bytes) => messages.push(parseSyslog(bytes)));
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  ends.push(() => socket.close());
  const bench = benchOf(() => ({ transport: "udp", port: socket.address().port }));
  const { spool, reader } = await bench.open();
  for (let number = 1; number <= 50; number++) await spool.commit([line("a", number)]);
  await until("they came", () => messages.length === 50 && reader.waitingEntries === 0);
  expect(messages.map(({ text }) => text)).toEqual(
    Array.from({ length: 50 }, (_, index) => `a ${index + 1}`),
  );
});

const openssl = requires("openssl");
describe.skipIf(openssl.isMissing)(`over TLS${openssl.note}`, () => {
  async function started(more: (certificates: Certificates) => Partial<SyslogSinkOptions>) {
    const certificates = new Certificates(openssl.path ?? "");
    ends.push(() => certificates.dispose());
    for (const name of ["server", "gateway"]) certificates.sign(name);
    const receiver = await receiverAt(
      new SyslogReceiver({
        cert: certificates.text("server.crt"),
        key: certificates.text("server.key"),
        ca: certificates.text("ca.crt"),
      }),
    );
    const bench = benchOf(() => ({ transport: "tls", port: receiver.port, ...more(certificates) }));
    return { receiver, ...(await bench.open()) };
  }

  test("lines arrive through a client certificate", async () => {
    const { receiver, spool, reader } = await started((certificates) => ({
      tls: {
        ca: certificates.text("ca.crt"),
        cert: certificates.text("gateway.crt"),
        key: certificates.text("gateway.key"),
      },
    }));
    await spool.commit([line("a", 1), line("a", 2)]);
    await until("it is sent", () => reader.waitingEntries === 0);
    expect(textsOf(receiver)).toEqual(["a 1", "a 2"]);
  });

  test("what is wrong is said with the setting that mends it", async () => {
    const distrusting = await started(() => ({ tls: {} }));
    await distrusting.spool.commit([line("a", 1)]);
    await until("a complaint", () => distrusting.sender.problem !== undefined);
    expect(distrusting.sender.problem).toMatch(
      /authority not known here: name that in outputs\.syslog\.caFile/,
    );
    const nameless = await started((certificates) => ({ tls: { ca: certificates.text("ca.crt") } }));
    await nameless.spool.commit([line("a", 1)]);
    await until("a complaint", () => nameless.sender.problem !== undefined);
    expect(nameless.sender.problem).toMatch(/client certificate: name one in outputs\.syslog\.certFile/);
  });
});
