import fc from "fast-check";
import { expect, test } from "vitest";
import { entriesText } from "../../protocol/answer.ts";
import type { StoredEntry } from "../../protocol/entry.ts";
import { EXTRA_FIELDS } from "../../protocol/methods.ts";

/** Near each other, and near where numbers become longer or too large for 31 bits. */
const number = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(2_000),
  fc.nat(2_000).map((near) => 2 ** 31 - 1_000 + near),
  fc.nat(2_000).map((near) => 1_763_784_000_000 + near),
  fc.constantFrom(0, 999, 1_000, 2 ** 31 - 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const name = fc.oneof(fc.constantFrom("a", 'quo"ted', "\\", "\u2028é", "__proto__"), fc.string());
const entry = fc.record(
  {
    id: fc.stringMatching(/^[0-9a-v]{17}$/),
    src: name,
    stream: name,
    msg: fc.json(),
    timestamp: number,
    received: number,
    clock: fc.constantFrom("device", "estimated", "server", "unset"),
    level: fc.constantFrom("debug", "info", "warn", "error"),
    module: name,
    boot: name,
    seq: number,
    uptime: number,
    clockError: number,
  },
  { requiredKeys: ["id", "src", "stream", "msg", "timestamp", "received", "clock"] },
) as fc.Arbitrary<StoredEntry>;

test("entries of an answer are written as JSON writes each of them, with msg as it is", () => {
  fc.assert(
    fc.property(fc.array(entry), fc.subarray([...EXTRA_FIELDS]), (entries, fields) => {
      const wanted = entries.map((one) => {
        const rest = fields
          .filter((field) => one[field] !== undefined)
          .map((field) => `,"${field}":${JSON.stringify(one[field])}`);
        const head = `{"stream":${JSON.stringify(one.stream)},"msg":${one.msg},"timestamp":${one.timestamp}`;
        return `${head},"id":"${one.id}"${rest.join("")}}`;
      });
      expect(entriesText(entries, fields)).toBe(`[${wanted.join(",")}]`);
    }),
  );
});
