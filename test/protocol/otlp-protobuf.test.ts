import fc from "fast-check";
import { expect, test } from "vitest";
import type { MsgJson } from "../../protocol/entry.ts";
import { LEVELS } from "../../protocol/level.ts";
import { otlpLogs } from "../../protocol/otlp.ts";
import { decodeOtlpProtobuf, encodeOtlpProtobuf } from "../../protocol/otlp-protobuf.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("a log record is the bytes that opentelemetry-proto gives it", () => {
  const request = {
    resourceLogs: [
      {
        resource: { attributes: [{ key: "k", value: { stringValue: "v" } }] },
        scopeLogs: [
          {
            scope: { name: "s" },
            logRecords: [
              {
                timeUnixNano: "1700000000001000000",
                observedTimeUnixNano: "2",
                severityNumber: 17,
                severityText: "ERROR",
                body: { intValue: "-1" },
                attributes: [{ key: "b", value: { boolValue: false } }],
              },
            ],
          },
        ],
      },
    ],
  };
  const size = (text: string): string => (text.length / 2).toString(16).padStart(2, "0");
  const record = [
    "0940423936fe9c9717", // time_unix_nano, fixed64
    "1011", // severity_number
    "1a054552524f52", // severity_text
    "2a0b18ffffffffffffffffff01", // body.int_value -1, ten bytes
    "32070a016212021000", // attributes: b = false
    "590200000000000000", // observed_time_unix_nano, fixed64
  ].join("");
  const scope = `0a030a017312${size(record)}${record}`;
  const inner = `0a0a0a080a016b12030a017612${size(scope)}${scope}`;
  expect(hex(encodeOtlpProtobuf("Request", request))).toBe(`0a${size(inner)}${inner}`);
});

test("what is written is read again, whatever stands in an entry", () => {
  const entry = fc.record({
    src: fc.string({ unit: "grapheme", minLength: 1 }),
    module: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
    level: fc.option(fc.constantFrom(...LEVELS), { nil: undefined }),
    timestamp: fc.option(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), { nil: undefined }),
    received: fc.integer({ min: 0, max: 2 ** 43 }),
    msg: fc.json({ maxDepth: 3 }).map((json): MsgJson => json),
    fields: fc.array(
      fc.tuple(fc.string(), fc.oneof(fc.string({ unit: "grapheme" }), fc.integer({ min: 0 }))),
      { maxLength: 4 },
    ),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
      const logs = otlpLogs(entries, { region: "shelf" });
      const decoded = decodeOtlpProtobuf("Request", encodeOtlpProtobuf("Request", logs));
      if (!decoded.ok) throw new Error(decoded.problem.text);
      // Integers are strings in JSON, and numbers here where these hold them; an empty message has no fields to show.
      expect(plain(decoded.value)).toEqual(plain(logs));
    }),
    { numRuns: 200 },
  );
});

/** Without empty lists, and with integers as text. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value as Record<string, unknown>)
    .filter(([, member]) => !(Array.isArray(member) && member.length === 0))
    .map(([name, member]) => [name, name === "intValue" ? String(member) : plain(member)] as const);
  return Object.fromEntries(members);
}
