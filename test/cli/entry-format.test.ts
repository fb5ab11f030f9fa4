import { describe, expect, it } from "vitest";
import type { ReadEntry } from "../../cli/api-client.ts";
import { makeFormat } from "../../cli/entry-format.ts";
import { encodeExport } from "../../cli/export-format.ts";
import { makeStyle } from "../../cli/style.ts";

const plain = makeStyle(false);

function entry(msg: string, more: Record<string, unknown> = {}): ReadEntry {
  const fields = {
    src: "pump",
    stream: "console",
    timestamp: 1_763_784_000_123,
    id: "a1",
    received: 1_763_784_000_500,
    level: "warn",
    ...more,
  };
  const map = new Map(Object.entries(fields).map(([name, value]) => [name, JSON.stringify(value)]));
  map.set("msg", msg);
  return { ...fields, msg, fields: map } as unknown as ReadEntry;
}

/** Everything that could move a cursor, change a colour, ring, retitle or turn text around. */
const HOSTILE = "\u001b[31mred\u001b]0;title\u0007\u009b2J\r\b\u007f\u202eevil\u2066\u200f\ufeff\u0085";
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const DRIVES = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

describe("what is printed of an entry", () => {
  it("never drives the terminal, in any form, whatever the text, the source, the stream or the module", () => {
    const hostile = entry(JSON.stringify(HOSTILE), { src: HOSTILE, stream: HOSTILE, module: HOSTILE });
    const raw = entry(`{"a":\n"${"\u009b\u202e\u007f"}"}`);
    for (const options of [
      {},
      { json: true },
      { fields: "src,stream,module,msg,text" },
      { template: "{src} {stream} {module} {msg} {text} {msg.a}" },
    ]) {
      for (const one of [hostile, raw]) {
        expect(makeFormat(options, plain)(one), JSON.stringify(options)).not.toMatch(DRIVES);
        expect(makeFormat(options, plain)(one)).not.toContain("\n");
      }
    }
  });

  it("gives JSON that parses to the same text, one line each", () => {
    const line = makeFormat({ json: true }, plain)(entry(JSON.stringify(HOSTILE)));
    expect((JSON.parse(line) as { msg: string }).msg).toBe(HOSTILE);
    const numbers = makeFormat({ json: true }, plain)(entry('{"b":1.0,\n"a":12345678901234567890}'));
    expect(numbers).toContain('"msg":{"b":1.0, "a":12345678901234567890}');
  });

  it("fills templates from an object that came as its JSON text, as console.log of a board sends it", () => {
    const line = makeFormat({ template: "{msg.a}|{msg.b.c}" }, plain);
    for (const [text, filled] of [
      ['{"a":1,"b":{"c":"x"}}', "1|x"],
      ["{ not json", "|"],
      ["a text", "|"],
    ] as const)
      expect(line(entry(JSON.stringify(text)))).toBe(filled);
  });

  it("picks fields and fills templates", () => {
    const one = entry('{"temp":21.5,"who":{"name":"x"}}');
    expect(makeFormat({ fields: "src,level,seq,msg" }, plain)(one)).toBe(
      'pump\twarn\t\t{"temp":21.5,"who":{"name":"x"}}',
    );
    expect(makeFormat({ template: "{{{src}}} {msg.temp}\\t{msg.who.name}|{msg.nothing}|" }, plain)(one)).toBe(
      "{pump} 21.5\tx||",
    );
    expect(makeFormat({ json: true, fields: "src,text" }, plain)(entry('"hi"'))).toBe(
      '{"src":"pump","text":"hi"}',
    );
  });

  it("names what it does not know", () => {
    expect(() => makeFormat({ fields: "src,colour" }, plain)).toThrow(
      '--fields: "colour" is not one of time,',
    );
    expect(() => makeFormat({ template: "{sorce}" }, plain)).toThrow('--template: "sorce" is not one of');
    expect(() => makeFormat({ template: "{src}", json: true }, plain)).toThrow("--template: not together");
  });

  it("says a loss in plain words", () => {
    const msg = '{"boot":"b1","first":4,"last":9,"count":6,"where":"link","why":"noise"}';
    expect(makeFormat({ fields: "text" }, plain)(entry(msg, { stream: "loss" }))).toBe(
      "lines 4 to 9 (6) are missing of boot b1, lost at the link: noise",
    );
  });

  it("gives each of the first sources a colour of its own", () => {
    const style = makeStyle(true);
    const codes = Array.from({ length: 11 }, (_, index) => style.source(`board-${index}`).split("m")[0]);
    expect(new Set(codes).size).toBe(11);
  });
});

describe("exports", () => {
  it("writes CSV that a reader of RFC 4180 takes", () => {
    const text = encodeExport("csv", [entry(JSON.stringify('a "quoted", line\nand more'))], true);
    expect(text.split("\r\n")[0]).toBe(
      "id,src,stream,timestamp,received,clock,level,module,boot,seq,uptime,msg",
    );
    expect(text).toContain(',"a ""quoted"", line\nand more"\r\n');
  });

  it("writes OTLP JSON: times in ns as text, severity numbers, bodies by type, one resource a source", () => {
    const text = encodeExport(
      "otlp",
      [entry('{"n":7,"x":1.5,"on":true,"none":null,"list":["a"]}'), entry('"hi"', { src: "fan", seq: 3 })],
      true,
    );
    const logs = JSON.parse(text);
    expect(logs.resourceLogs).toHaveLength(2);
    expect(logs.resourceLogs[1].resource.attributes[0]).toEqual({
      key: "service.name",
      value: { stringValue: "fan" },
    });
    const [record] = logs.resourceLogs[0].scopeLogs[0].logRecords;
    expect(record).toMatchObject({
      timeUnixNano: "1763784000123000000",
      observedTimeUnixNano: "1763784000500000000",
      severityNumber: 13,
      severityText: "WARN",
    });
    expect(record.body.kvlistValue.values).toEqual([
      { key: "n", value: { intValue: "7" } },
      { key: "x", value: { doubleValue: 1.5 } },
      { key: "on", value: { boolValue: true } },
      { key: "none", value: {} },
      { key: "list", value: { arrayValue: { values: [{ stringValue: "a" }] } } },
    ]);
  });
});
