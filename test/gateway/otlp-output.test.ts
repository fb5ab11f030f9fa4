import { afterEach, expect, test } from "vitest";
import { OtlpEncoding, OtlpSink, type OtlpSinkOptions } from "../../gateway/outputs/otlp-sink.ts";
import type { SpoolOptions } from "../../gateway/spool/spool.ts";
import { until } from "../support/gateway-world.ts";
import { OtlpReceiver, type OtlpReply, textOf } from "../support/otlp-receiver.ts";
import { type Haste, line, OutputBench, rewindsIn } from "../support/output-bench.ts";
import { runService } from "../support/running-service.ts";

const attributesOf = (list: readonly { readonly key: string; readonly value: object }[]): object =>
  Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0]]));

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function started(
  url: (port: number) => string,
  options: Partial<OtlpSinkOptions> = {},
  {
    spool = {},
    haste = {},
  }: { readonly spool?: Partial<SpoolOptions>; readonly haste?: Partial<Haste> } = {},
) {
  const receiver = new OtlpReceiver();
  await receiver.start();
  ends.push(() => receiver.stop());
  const rejected: { count: number; reason: string }[] = [];
  const bench = new OutputBench(
    (world) =>
      new OtlpSink(world, {
        url: url(receiver.port),
        headers: {},
        resource: {},
        encoding: OtlpEncoding.Json,
        compresses: false,
        name: "collector",
        at: "outputs.otlp",
        rejected: (count, reason) => rejected.push({ count, reason }),
        ...options,
      }),
    { isOutput: true, ...spool },
    haste,
  );
  ends.push(() => bench.stop());
  return { receiver, bench, rejected, ...(await bench.open()) };
}

const plainUrl = (port: number): string => `http://127.0.0.1:${port}`;

test("an entry becomes a log record with both times, severity, scope, attributes and a resource for its source", async () => {
  const { receiver, spool, reader } = await started((port) => `${plainUrl(port)}/otel/v1/logs`, {
    headers: { authorization: "Bearer secret" },
    resource: { "deployment.environment.name": "shelf" },
    compresses: true,
  });
  await spool.commit([
    line("a", 1, { level: "warn", module: "pump", uptime: 1234, clock: "estimated", clockError: 40 }),
    line("//host/b", 1, { clock: "server", stream: "uart" }),
    line("a", 2, { msg: '{"big":1234567890123456789,"huge":12345678901234567890,"f":1.5,"l":[true,null]}' }),
    line("a", 3, { timestamp: Number.MAX_SAFE_INTEGER }),
  ]);
  await until("it is sent", () => reader.waitingEntries === 0);
  const [request] = receiver.requests;
  expect(request?.path).toBe("/otel/v1/logs");
  expect(request?.headers).toMatchObject({
    authorization: "Bearer secret",
    "content-type": "application/json",
    "content-encoding": "gzip",
  });
  const [a, b] = request?.logs.resourceLogs ?? [];
  expect(attributesOf(a?.resource.attributes ?? [])).toEqual({
    "service.name": "a",
    "host.name": "a",
    "deployment.environment.name": "shelf",
  });
  expect(attributesOf(b?.resource.attributes ?? [])).toMatchObject({ "service.name": "//host/b" });
  expect(a?.scopeLogs.map(({ scope }) => scope.name)).toEqual(["pump", ""]);
  const [pump] = a?.scopeLogs[0]?.logRecords ?? [];
  expect(pump).toMatchObject({
    timeUnixNano: "1700000000001000000",
    observedTimeUnixNano: "1700000000500000000",
    severityNumber: 13,
    severityText: "WARN",
    body: { stringValue: "a 1" },
  });
  expect(attributesOf(pump?.attributes ?? [])).toEqual({
    "boardlog.stream": "console",
    "boardlog.boot": "b",
    "boardlog.seq": "1",
    "boardlog.uptime": "1234",
    "boardlog.clock": "estimated",
    "boardlog.clockError": "40",
  });
  // The gateway's own clock is no time of the origin.
  const uart = b?.scopeLogs[0]?.logRecords[0];
  expect(uart).not.toHaveProperty("timeUnixNano");
  expect(uart).not.toHaveProperty("severityNumber");
  const [object, late] = a?.scopeLogs[1]?.logRecords ?? [];
  expect(object?.body).toEqual({
    kvlistValue: {
      values: [
        { key: "big", value: { intValue: "1234567890123456789" } },
        { key: "huge", value: { stringValue: "12345678901234567890" } },
        { key: "f", value: { doubleValue: 1.5 } },
        { key: "l", value: { arrayValue: { values: [{ boolValue: true }, {}] } } },
      ],
    },
  });
  // Beyond what 64 bits of ns can say.
  expect(late).not.toHaveProperty("timeUnixNano");
});

test.each(Object.values(OtlpEncoding))(
  "the log service's own /v1/logs takes it in %s: source, stream, level, module, time and text are the same there",
  async (encoding) => {
    const service = await runService();
    ends.push(() => service.stop());
    const { spool, reader, sender } = await started(() => service.url, {
      headers: { "x-api-key": service.key },
      encoding,
      compresses: encoding === OtlpEncoding.Protobuf,
    });
    await spool.commit([
      line("a", 1, { level: "error", module: "pump" }),
      line("a", 2, { stream: "uart", msg: '{"t":21.5,"ok":true}' }),
      line("b", 1, { clock: "server" }),
    ]);
    await until("it is sent", () => reader.waitingEntries === 0);
    const listed = async (src: string): Promise<unknown> => {
      const answer = await service.post("/v1/Log.List", JSON.stringify({ src, fields: ["level", "module"] }));
      return ((await answer.json()) as { resp: unknown }).resp;
    };
    expect(await listed("a")).toMatchObject([
      { stream: "console", msg: "a 1", level: "error", module: "pump", timestamp: 1_700_000_000_001 },
      { stream: "uart", msg: { t: 21.5, ok: true }, timestamp: 1_700_000_000_002 },
    ]);
    expect(await listed("b")).toMatchObject([{ msg: "b 1", timestamp: 1_700_000_000_500 }]);
    expect(sender.problem).toBeUndefined();
  },
);

test("what is answered in protobuf is understood", async () => {
  const { receiver, spool, reader, rejected, bench } = await started(plainUrl);
  const headers = { "content-type": "application/x-protobuf" };
  const replies: OtlpReply[] = [
    // google.rpc.Status {code: 14, message: "busy"}, then partial_success {rejected_log_records: 1, error_message: "old"}.
    { status: 503, headers, bytes: "080e120462757379" },
    { status: 200, headers, bytes: "0a07080112036f6c64" },
  ];
  receiver.reply = () => replies.shift() ?? {};
  await spool.commit([line("a", 1), line("a", 2)]);
  await until("it is sent", () => reader.waitingEntries === 0);
  expect(bench.world.log.text).toContain("HTTP 503: busy");
  expect(rejected).toEqual([{ count: 1, reason: "old" }]);
});

test.each([
  ["429", { status: 429, headers: { "retry-after": "7" } }, 7_000],
  [
    "503 with a date",
    {
      status: 503,
      headers: { "retry-after": "Fri, 01 Jan 2027 00:00:09 GMT", date: "Fri, 01 Jan 2027 00:00:00 GMT" },
    },
    9_000,
  ],
  ["502", { status: 502 }, 0],
  ["401", { status: 401, body: '{"code":16,"message":"no good key"}' }, 0],
  ["404", { status: 404, body: "<html>" }, 0],
  ["a connection that ends", { fault: "close" }, 0],
  ["no answer", { fault: "hang" }, 0],
] as const)("after %s it is sent again, in order, and no sooner than asked", async (_, reply, waitMs) => {
  const { receiver, spool, reader, sender, bench, rejected } = await started(
    plainUrl,
    {},
    {
      haste: _ === "no answer" ? { answerMs: 300 } : {},
    },
  );
  let failures = 0;
  receiver.reply = () => (failures++ < 3 ? reply : {});
  for (let number = 1; number <= 20; number++) await spool.commit([line("a", number)]);
  await until("it is sent", () => reader.waitingEntries === 0);
  expect(rewindsIn(receiver.texts, 20)).toBe(0);
  expect(rejected).toEqual([]);
  expect(bench.timers.delaysMs.filter((delayMs) => delayMs === waitMs)).toHaveLength(waitMs === 0 ? 0 : 3);
  expect(sender.problem).toBeUndefined();
  if (_ === "401") expect(bench.world.log.text).toContain("collector: HTTP 401: no good key");
});

test("partial success is not sent again, and counted with its reason", async () => {
  const { receiver, spool, reader, rejected } = await started(plainUrl);
  receiver.reply = () => ({
    body: '{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}',
  });
  await spool.commit([1, 2, 3].map((number) => line("a", number)));
  await until("it is sent", () => reader.waitingEntries === 0);
  expect(receiver.requests).toHaveLength(1);
  expect(rejected).toEqual([{ count: 2, reason: "too old" }]);
});

test.each([400, 413])(
  "of a request that gets %i the one record that it is about is given up, the others arrive in order",
  async (status) => {
    const { receiver, spool, reader, rejected } = await started(plainUrl);
    receiver.reply = (records) =>
      records.some((record) => textOf(record) === "a 13")
        ? { status, body: '{"code":3,"message":"bad record"}' }
        : {};
    await spool.commit(Array.from({ length: 30 }, (_, index) => line("a", index + 1)));
    await until("it is sent", () => reader.waitingEntries === 0);
    expect(receiver.texts).toEqual(
      Array.from({ length: 30 }, (_, index) => `a ${index + 1}`).filter((text) => text !== "a 13"),
    );
    expect(rejected).toEqual([{ count: 1, reason: `HTTP ${status}: bad record` }]);
  },
);

test("where everything is called wrong nothing is given up", async () => {
  const { receiver, spool, reader, sender, bench, rejected } = await started(plainUrl);
  let isWrong = true;
  receiver.reply = () => (isWrong ? { status: 400 } : {});
  await spool.commit([1, 2, 3].map((number) => line("a", number)));
  await until("many tries", () => (bench.world.counters.values().failures_total ?? 0) > 12);
  expect(sender.problem).toBe("HTTP 400: no reason given");
  isWrong = false;
  await until("it is sent", () => reader.waitingEntries === 0);
  expect(rejected).toEqual([]);
  expect(receiver.texts).toEqual(["a 1", "a 2", "a 3"]);
});

test("receiver restarted and gateway killed in turn: nothing lost, in order, twice only after a kill", async () => {
  const { receiver, bench, ...first } = await started(plainUrl);
  let present: typeof first | Awaited<ReturnType<OutputBench["open"]>> = first;
  let number = 0;
  for (let round = 1; round <= 6; round++) {
    for (let count = 0; count < 40; count++) await present.spool.commit([line("a", ++number)]);
    if (round % 2 === 0) {
      await receiver.stop();
      await receiver.start();
    } else {
      bench.kill(present);
      present = await bench.open();
    }
  }
  await until("it is sent", () => present.reader.waitingEntries === 0);
  expect(rewindsIn(receiver.texts, number)).toBeLessThanOrEqual(6);
});

test("what left the spool before the output had it is told as a loss record, once", async () => {
  const { receiver, spool, reader, bench } = await started(
    plainUrl,
    {},
    {
      spool: {
        bytesMax: 9_000,
        reserveBytes: 1_000,
        segmentBytes: 500,
        tailBytesMax: 400,
        replayHorizonMs: 1_000,
      },
    },
  );
  receiver.reply = () => ({ status: 503 });
  for (let number = 1; number <= 300; number++) {
    await spool.commit([line("a", number)]);
    await spool.read(spool.position, { entriesMax: 10, bytesMax: 1e6 });
    await spool.confirm(spool.durable);
  }
  // What was read before it went is on its way no more.
  const failures = (): number => bench.world.counters.values().failures_total ?? 0;
  const before = failures();
  await until("it was tried again", () => failures() > before + 1);
  receiver.reply = () => ({});
  await until("it is sent", () => reader.waitingEntries === 0);
  const evicted = Number(bench.world.counters.values().out_evicted_total);
  expect(evicted).toBeGreaterThan(100);
  const losses = receiver.texts.filter((text) => text.startsWith("{"));
  expect(losses).toEqual([expect.stringContaining(`"intValue":"${evicted}"`)]);
  expect(receiver.texts.filter((text) => text.startsWith("a"))).toEqual(
    Array.from({ length: 300 - evicted }, (_, index) => `a ${evicted + index + 1}`),
  );
});
