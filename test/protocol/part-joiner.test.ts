import { describe, expect, test } from "vitest";
import { decodeFrameText } from "../../protocol/frame-decoder.ts";
import { PartJoiner } from "../../protocol/part-joiner.ts";
import { sequence } from "../../protocol/sequencing.ts";

/** One boot's frames through joiner and sequencing, from their bodies. */
class Receiver {
  mark = 0;
  readonly #joiner: PartJoiner;
  readonly #sign: string;

  constructor(joiner = new PartJoiner(), sign = "@") {
    this.#joiner = joiner;
    this.#sign = sign;
  }

  /** @returns what became of it: texts of entries, or names of other verdicts; `resend` at the end where that is asked. */
  take(body: string, skipped = this.mark, first = 1): unknown[] {
    const decoded = decodeFrameText(`["${this.#sign}7",${first},${skipped},10,0,${body}]`);
    if (!decoded.ok) throw new Error(decoded.problem.text);
    const { verdicts, mark, resend } = sequence(
      { text: "7", json: '"7"' },
      this.#joiner.join(decoded.value),
      this.mark,
    );
    this.mark = mark;
    const shown = verdicts.map((one) => (one.type === "entry" ? JSON.parse(one.args.msg) : one.type));
    return resend ? [...shown, "resend"] : shown;
  }
}

describe("a line in parts", () => {
  test("is stored when the last one is there, with level and module of that one", () => {
    const receiver = new Receiver();
    expect(receiver.take('2,"before",false,1,"ab"')).toEqual(["before"]);
    expect(receiver.take('false,2,"cd"')).toEqual([]);
    expect(receiver.mark).toBe(1);
    expect(receiver.take('false,-3,"ef","behind"')).toEqual(["abcdef", "behind"]);
    expect(receiver.mark).toBe(3);
  });

  test("keeps its escapes as they came", () => {
    const decoded = decodeFrameText('["@7",1,0,10,0,false,1,"\\u03a9\\/",false,-2,"\\"Ω"]');
    const [command] = decoded.ok ? new PartJoiner().join(decoded.value).commands : [];
    expect(command?.log?.msg).toBe('"\\u03a9\\/\\"Ω"');
  });

  test("of an object is an object, byte for byte; of what is no JSON its text", () => {
    const receiver = new Receiver();
    receiver.take('true,false,1,"{\\"a\\":1."');
    expect(receiver.take('true,false,-2,"0}"')).toEqual([{ a: 1 }]);
    receiver.take('true,false,1,"{\\"self\\":"');
    expect(receiver.take('true,false,-2," ... }"')).toEqual(['{"self": ... }']);
  });

  test("whose first part is missing is like one behind a gap, and comes again", () => {
    const receiver = new Receiver();
    expect(receiver.take('false,2,"cd"')).toEqual([]);
    expect(receiver.take('false,-3,"ef","behind"')).toEqual(["gap", "gap", "resend"]);
    receiver.take('false,1,"ab"');
    receiver.take('false,2,"cd"');
    expect(receiver.take('false,-3,"ef"')).toEqual(["abcdef"]);
  });

  test("keeps what came of it while the parts come again, in any number", () => {
    const receiver = new Receiver();
    receiver.take('false,1,"ab"');
    expect(receiver.take('false,-3,"ef"')).toEqual(["gap", "resend"]);
    expect(receiver.take('false,2,"cd"')).toEqual([]);
    expect(receiver.take('false,1,"ab"')).toEqual([]);
    expect(receiver.take('false,-3,"ef"')).toEqual(["abcdef"]);
  });

  test("that is stored already is a duplicate, whole or not", () => {
    const receiver = new Receiver();
    receiver.take('false,1,"ab"');
    receiver.take('false,-2,"cd"');
    expect(receiver.take('false,-2,"cd"', 0)).toEqual(["duplicate"]);
    receiver.take('false,1,"ab"', 0);
    expect(receiver.take('false,-2,"cd"', 0)).toEqual(["duplicate"]);
    expect(receiver.mark).toBe(1);
  });

  test("that the board dropped in the midst of it is its drop notice", () => {
    const receiver = new Receiver();
    receiver.take('false,1,"ab"');
    expect(receiver.take('-1,"next"')).toEqual(["drop", "next"]);
  });

  test("that never gets whole is given up at last, with a record", () => {
    const receiver = new Receiver();
    for (let turn = 0; turn < 20; turn++) expect(receiver.take('false,-2,"cd"')).toEqual(["gap", "resend"]);
    expect(receiver.take('false,-2,"cd"')).toEqual(["refused"]);
    expect(receiver.mark).toBe(1);
  });

  test("on a link without acks, and where frames stand alone, is refused at once when a part is missing", () => {
    expect(new Receiver(new PartJoiner(), "~").take('false,-2,"cd","next"')).toEqual(["refused", "next"]);
    expect(new Receiver(new PartJoiner({ tornMax: 0 })).take('false,-2,"cd"')).toEqual(["refused"]);
    expect(new Receiver(new PartJoiner({ tornMax: 0 })).take('false,1,"ab",false,-2,"cd"')).toEqual(["abcd"]);
  });

  test("is bounded: what is beyond is cut, said and counted", () => {
    let cuts = 0;
    const receiver = new Receiver(new PartJoiner({ onCut: () => cuts++ }));
    const part = "x".repeat(10_000);
    for (let number = 1; number <= 9; number++) receiver.take(`false,${number},"${part}"`);
    const [text] = receiver.take('false,-10,"end"') as string[];
    expect(text).toBe(`${"x".repeat(60_000)} [cut: 30003 more]`);
    expect(cuts).toBe(1);
  });
});
