import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { MsgJson } from "../../protocol/entry.ts";
import { otlpLogs } from "../../protocol/otlp.ts";
import { decodeOtlpProtobuf, encodeOtlpProtobuf } from "../../protocol/otlp-protobuf.ts";
import { recordsOf } from "../../service/ingest/otlp-records.ts";
import { type RunningService, runService } from "../support/running-service.ts";

let running: RunningService;

beforeEach(async () => {
  running = await runService({ nameQuota: { sourcesPerKeyMax: 3 } });
});
afterEach(() => running.stop());

const record = (body: object, more: object = {}) => ({ timeUnixNano: "1763784000000123456", body, ...more });
const request = (name: string | undefined, logRecords: readonly object[]) => ({
  resourceLogs: [
    {
      resource: {
        attributes: name === undefined ? [] : [{ key: "service.name", value: { stringValue: name } }],
      },
      scopeLogs: [{ scope: { name: "http" }, logRecords }],
    },
  ],
});
const post = (body: object, headers: Record<string, string> = {}) =>
  running.post("/v1/logs", JSON.stringify(body), headers);
async function entries(src: string): Promise<unknown> {
  const fields = ["level", "module"];
  const answer = await running.post("/v1/Log.List", JSON.stringify({ src, fields }));
  return ((await answer.json()) as { resp: unknown }).resp;
}

test("records become entries: source, module, level, time and whatever stands beside the body", async () => {
  const answer = await post(
    request("api", [
      record({ stringValue: "started" }, { severityNumber: 9 }),
      record({ intValue: "7" }, { severityNumber: 17 }),
      record(
        { kvlistValue: { values: [{ key: "a", value: { arrayValue: { values: [{ boolValue: true }] } } }] } },
        { attributes: [{ key: "boardlog.stream", value: { stringValue: "audit" } }] },
      ),
      record({ stringValue: "GET /" }, { attributes: [{ key: "code", value: { intValue: "200" } }] }),
    ]),
  );
  expect([answer.status, await answer.json()]).toEqual([200, {}]);
  const timestamp = 1_763_784_000_000;
  expect(await entries("api")).toMatchObject([
    { msg: "started", level: "info", module: "http", stream: "console", timestamp },
    { msg: "7", level: "error" },
    { msg: { a: [true] }, stream: "audit" },
    { msg: { body: "GET /", code: 200 } },
  ]);
});

test("a level that has only a name is known by it, and a line keeps the way to its trace", async () => {
  const names = ["TRACE", "Debug", "INFO2", "Notice", "warning", "ERROR", "Fatal", "audit"];
  const named = names.map((severityText) => record({ stringValue: severityText }, { severityText }));
  const traced = record(
    { stringValue: "GET /" },
    { traceId: "5b8efff798038103d269b633813fc60c", spanId: "eee19b7ec3c1b174" },
  );
  expect(
    (await post(request("api", [...named, traced, record({ stringValue: "no trace" }, { traceId: "" })])))
      .status,
  ).toBe(200);
  const stored = (await entries("api")) as { level?: string; msg: unknown }[];
  const levels = ["debug", "debug", "info", "info", "warn", "error", "error", undefined];
  expect(stored.slice(0, names.length).map(({ level }) => level)).toEqual(levels);
  expect(stored.slice(names.length).map(({ msg }) => msg)).toEqual([
    { body: "GET /", trace_id: "5b8efff798038103d269b633813fc60c", span_id: "eee19b7ec3c1b174" },
    "no trace",
  ]);
});

test("a trace in protobuf is the text that JSON has", () => {
  const traceId = "5b8efff798038103d269b633813fc60c";
  const message = {
    resourceLogs: [{ scopeLogs: [{ logRecords: [{ traceId, spanId: "00e19b7ec3c1b174" }] }] }],
  };
  expect(decodeOtlpProtobuf("Request", encodeOtlpProtobuf("Request", message))).toEqual({
    ok: true,
    value: message,
  });
});

test("what is refused is counted and named, and spoils nothing beside it", async () => {
  const { resourceLogs } = request(undefined, [record({ stringValue: "whose?" })]);
  const both = {
    resourceLogs: [...resourceLogs, ...request("api", [record({ stringValue: "x" })]).resourceLogs],
  };
  const answer = await post(both);
  expect([answer.status, await answer.json()]).toEqual([
    200,
    { partialSuccess: { rejectedLogRecords: "1", errorMessage: expect.stringContaining("service.name") } },
  ]);
  expect(await entries("api")).toHaveLength(1);
  for (const name of ["a", "b"]) await post(request(name, [record({ stringValue: "x" })]));
  const over = await post(request("endless", [record({ stringValue: "x" })]));
  expect(await over.json()).toMatchObject({
    partialSuccess: { errorMessage: expect.stringContaining("3 sources") },
  });
  expect(await entries("endless")).toEqual([]);
});

test("bad requests are refused as exporters understand it, and nothing of them is stored", async () => {
  const statusOf = async (body: string | Uint8Array, headers: Record<string, string> = {}) =>
    (await running.post("/v1/logs", body, headers)).status;
  const good = JSON.stringify(request("api", [record({ stringValue: "x" })]));
  expect(await statusOf(good, { "x-api-key": "wrong" })).toBe(401);
  expect(await statusOf(good, { "content-type": "text/plain" })).toBe(415);
  for (const body of ["", "[", "{", `${good}x`, `{"resourceLogs":${"[".repeat(40)}${"]".repeat(40)}}`])
    expect(await statusOf(body), body).toBe(400);
  const many = request("api", new Array(10_001).fill(record({ stringValue: "x" })));
  expect(await statusOf(JSON.stringify(many))).toBe(413);
  expect(await statusOf(gzipSync(Buffer.alloc(5 * 1024 * 1024)), { "content-encoding": "gzip" })).toBe(413);
  for (const odd of ["{}", '{"__proto__":{"x":1}}', '{"resourceLogs":[{"scopeLogs":[{}]}]}'])
    expect(await statusOf(odd), odd).toBe(200);
  expect(await entries("api")).toEqual([]);
  const { key } = await running.keys.add({ project: "default", rights: ["write"], src: "own" });
  const other = await post(request("api", [record({ stringValue: "x" })]), { "x-api-key": key });
  expect(await other.json()).toMatchObject({ partialSuccess: { rejectedLogRecords: "1" } });
});

/** A length-delimited field of a message. */
const field = (number: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  const length = body.length < 128 ? [body.length] : [(body.length % 128) | 128, body.length >> 7];
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), body]);
};
const text = (number: number, value: string): Buffer => field(number, Buffer.from(value));
const nanos = Buffer.alloc(9, 0x09);
nanos.writeBigUInt64LE(1_763_784_000_000_123_456n, 1);

/** Field numbers of opentelemetry/proto/logs/v1/logs.proto; with a field (15) that nobody knows. */
function protobuf(name: string): Buffer {
  const resource = field(1, field(1, text(1, "service.name"), field(2, text(1, name))));
  const attribute = field(
    6,
    text(1, "n"),
    field(2, Buffer.from([0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])),
  );
  const one = field(2, nanos, Buffer.from([0x10, 13]), field(5, text(1, "grüße")), text(15, "later"));
  const two = field(2, nanos, field(5, field(5, field(1, Buffer.from([0x10, 1])))), attribute);
  return field(1, resource, field(2, field(1, text(1, "http")), one, two));
}
const TYPE = { "content-type": "application/x-protobuf" };

test("protobuf says the same, and is answered in protobuf", async () => {
  const answer = await running.post("/v1/logs", protobuf("api"), TYPE);
  expect([answer.status, (await answer.arrayBuffer()).byteLength]).toEqual([200, 0]);
  expect(answer.headers.get("content-type")).toBe("application/x-protobuf");
  expect(await entries("api")).toMatchObject([
    { msg: "grüße", level: "warn", module: "http", timestamp: 1_763_784_000_000 },
    { msg: { body: [true], n: -1 } },
  ]);
  const partial = await running.post("/v1/logs", protobuf(""), TYPE);
  const bytes = Buffer.from(await partial.arrayBuffer());
  expect([bytes[0], bytes[2], bytes[3]]).toEqual([0x0a, 0x08, 2]);
  expect(bytes.toString()).toContain("service.name");
});

test("any damage to protobuf is a refusal in words or other data, never a failure", () => {
  const whole = protobuf("api");
  const mutation = fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }));
  const runs = Number(process.env.FUZZ_RUNS ?? 2_000);
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), fc.nat(whole.length), (changes, end) => {
      const bytes = Buffer.from(whole.subarray(0, end));
      for (const [at, value] of changes) if (at < end) bytes[at] = value;
      const decoded = decodeOtlpProtobuf("Request", bytes);
      if (decoded.ok) recordsOf(decoded.value);
      else expect(decoded.problem.text).toMatch(/^body: /);
    }),
    { numRuns: runs },
  );
  let nested = text(1, "x");
  for (let depth = 0; depth < 40; depth++) nested = field(5, field(1, nested));
  expect(decodeOtlpProtobuf("Request", field(1, field(2, field(2, field(5, nested))))).ok).toBe(false);
});

test("a body of another shape is refused by name, not answered as if it were taken", async () => {
  const refusalOf = async (body: unknown) => {
    const answer = await post(body as object);
    return [answer.status, ((await answer.json()) as { message?: string }).message];
  };
  for (const body of [[], "text", 7]) {
    expect(await refusalOf(body)).toEqual([400, "body: must be an object with resourceLogs"]);
  }
  const of = (name: string) => [400, `${name}: must be an array of objects`];
  expect(await refusalOf({ resourceLogs: 5 })).toEqual(of("resourceLogs"));
  expect(await refusalOf({ resourceLogs: [null] })).toEqual(of("resourceLogs"));
  expect(await refusalOf({ resourceLogs: [{ scopeLogs: {} }] })).toEqual(of("scopeLogs"));
  expect(await refusalOf({ resourceLogs: [{ scopeLogs: [{ logRecords: ["x"] }] }] })).toEqual(
    of("logRecords"),
  );
});

/** Objects in objects, `depth` of them, around a string: as a value of OTLP, in JSON and in protobuf, and as what it says. */
const kvlists = (depth: number): object =>
  depth === 0 ? { stringValue: "x" } : { kvlistValue: { values: [{ key: "k", value: kvlists(depth - 1) }] } };
const kvlistsInProtobuf = (depth: number): Buffer =>
  depth === 0 ? text(1, "x") : field(6, field(1, text(1, "k"), field(2, kvlistsInProtobuf(depth - 1))));
const objects = (depth: number): unknown => (depth === 0 ? "x" : { k: objects(depth - 1) });

test("a body as deep as msg may be is taken, and a deeper one spoils nothing beside it", async () => {
  const answer = await post(
    request("api", [record(kvlists(16)), record(kvlists(17)), record({ stringValue: "beside it" })]),
  );
  const refused = {
    partialSuccess: { rejectedLogRecords: "1", errorMessage: "body: nested deeper than 16" },
  };
  expect([answer.status, await answer.json()]).toEqual([200, refused]);
  const resource = field(1, field(1, text(1, "service.name"), field(2, text(1, "binary"))));
  const records = [16, 17, 0].map((depth) => field(2, field(5, kvlistsInProtobuf(depth))));
  const binary = await running.post("/v1/logs", field(1, resource, field(2, ...records)), TYPE);
  expect(binary.status).toBe(200);
  expect(await entries("api")).toMatchObject([{ msg: objects(16) }, { msg: "beside it" }]);
  expect(await entries("binary")).toMatchObject([{ msg: objects(16) }, { msg: "x" }]);
});

test("what boardlog itself exports of the deepest msg is taken again as it was", async () => {
  const msg = JSON.stringify({ list: [1, 1.5, null, true], deep: objects(15) }) as MsgJson;
  const exported = otlpLogs([{ src: "again", received: 1_763_784_000_000, msg, fields: [["seq", 3]] }]);
  expect(await (await post(exported)).json()).toEqual({});
  const answer = await running.post("/v1/Log.List", JSON.stringify({ src: "again" }));
  expect(await answer.text()).toContain(`"msg":${msg}`);
});

test("nothing that stands in a record is lost for its name or its kind", async () => {
  const values: Record<string, object> = {
    body: { stringValue: "beside" },
    nan: { doubleValue: "NaN" },
    huge: { intValue: "9007199254740993" },
    bytes: { bytesValue: "AAEC" },
    nothing: {},
  };
  const attributes = [...Object.entries(values), ["__proto__", { stringValue: "a name" }] as const].map(
    ([key, value]) => ({ key, value }),
  );
  const long = `org.example.${"a".repeat(60)}.Server`;
  const { resourceLogs } = request("api", [record({ stringValue: "line" }, { attributes })]);
  const odd = resourceLogs.map(({ resource, scopeLogs }) => ({
    resource,
    scopeLogs: scopeLogs.map(({ logRecords }) => ({ scope: { name: long }, logRecords })),
  }));
  expect(await (await post({ resourceLogs: odd })).json()).toEqual({});
  const raw = JSON.stringify(request("api", [record({ stringValue: "half a pair: #" })])).replace(
    "#",
    "\\ud83d",
  );
  expect(await (await running.post("/v1/logs", raw)).json()).toEqual({});
  const answer = await running.post("/v1/Log.List", JSON.stringify({ src: "api", fields: ["module"] }));
  const listed = await answer.text();
  const wanted = `{"body":"line","attributes.body":"beside","nan":"NaN","huge":"9007199254740993","bytes":"AAEC","nothing":null,"__proto__":"a name","otel.scope.name":"${long}"}`;
  expect(listed).toContain(`"msg":${wanted}`);
  expect(listed).toContain('"msg":"half a pair: \ufffd"');
  expect(listed.match(/"module"/g)).toHaveLength(1);
});

test("a value of a kind that its name does not say is text, never our failure", async () => {
  const wrong = [
    record({ stringValue: {} }),
    record({ stringValue: [1] }),
    record({ intValue: {} }),
    record({ intValue: 9007199254740993n.toString() }),
    record({ doubleValue: {} }),
    { timeUnixNano: {}, body: { stringValue: "when?" } },
  ];
  expect(await (await post(request("api", wrong))).json()).toEqual({});
  expect(await entries("api")).toMatchObject([
    { msg: "{}" },
    { msg: "[1]" },
    { msg: "{}" },
    { msg: "9007199254740993" },
    { msg: "{}" },
    { msg: "when?" },
  ]);
});

test("the type and the coding of a body are named in any case of letters", async () => {
  const good = JSON.stringify(request("api", [record({ stringValue: "x" })]));
  for (const headers of [
    { "content-type": "Application/JSON; charset=UTF-8" },
    { "content-encoding": "identity" },
  ])
    expect((await running.post("/v1/logs", good, headers)).status).toBe(200);
  const packed = { "content-encoding": "GZIP" };
  expect((await running.post("/v1/logs", gzipSync(good), packed)).status).toBe(200);
  expect(await entries("api")).toHaveLength(3);
});

test("what is refused before it is read is refused in the exporter's own form", async () => {
  const good = JSON.stringify(request("api", [record({ stringValue: "x" })]));
  const refusalOf = async (body: string | Uint8Array, headers: Record<string, string>) => {
    const answer = await running.post("/v1/logs", body, headers);
    return [answer.status, await answer.json()];
  };
  expect(await refusalOf(good, { "content-encoding": "br" })).toEqual([
    415,
    { code: 3, message: "content-encoding: must be gzip, zstd or identity" },
  ]);
  expect(await refusalOf("no gzip", { "content-encoding": "gzip" })).toMatchObject([400, { code: 3 }]);
  expect(await refusalOf(`${good}${" ".repeat(4 * 1024 * 1024)}`, {})).toEqual([
    413,
    { code: 3, message: "body: larger than 4194304 bytes" },
  ]);
  const inProtobuf = await running.post("/v1/logs", protobuf("api"), { ...TYPE, "content-encoding": "br" });
  expect([inProtobuf.status, inProtobuf.headers.get("content-type")]).toEqual([
    415,
    "application/x-protobuf",
  ]);
  const { key } = await running.keys.add({ project: "default", rights: ["read"] });
  expect(await refusalOf(good, { "x-api-key": key })).toEqual([
    403,
    { code: 7, message: "this key has no right to write" },
  ]);
  expect(await entries("api")).toEqual([]);
});
