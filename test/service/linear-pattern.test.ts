import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LinearPattern } from "../../service/linear-pattern.ts";
import { parseTerm } from "../../service/term.ts";
import { cpuMs } from "../support/cpu-time.ts";

function matches(pattern: string, text: string, isAnyCase = false): boolean {
  const parsed = LinearPattern.parse(pattern, isAnyCase);
  if (!parsed.ok) throw new Error(`${pattern}: ${parsed.problem.text}`);
  return parsed.value.test(text);
}

const plainAtom = fc.constantFrom(
  ...[..."abcAB1 _-", "\\d", "\\W", "\\s", "\\.", ".", "^", "$", "\\b", "\\B"],
  ...["[ab]", "[^a]", "[a-c1]", "[\\d_]", "[a-]", "[]", "[^]", "\\x61", "\\u0062", "[\\]b]"],
);
const quantifier = fc.constantFrom("", "", "*", "+", "?", "{2}", "{1,2}", "{0,}", "*?", "+?");
const alternatives = (atom: fc.Arbitrary<string>): fc.Arbitrary<string> => {
  const repeated = fc
    .tuple(atom, quantifier)
    .map(([one, times]) => (/^(?:[\^$]|\\b|\\B)$/i.test(one) ? one : one + times));
  const sequence = fc.array(repeated, { maxLength: 4 }).map((all) => all.join(""));
  return fc.array(sequence, { minLength: 1, maxLength: 3 }).map((all) => all.join("|"));
};
/** Patterns over few letters, so that they match often; every construct there is, groups in groups. */
const group = (inner: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom("(", "(?:"), inner).map(([open, all]) => `${open}${all})`);
const inner = group(alternatives(plainAtom));
const middle = group(alternatives(fc.oneof(plainAtom, inner)));
const pattern = alternatives(fc.oneof(plainAtom, inner, middle));
const text = fc.array(fc.constantFrom(..."abcAB1 _-.\n]"), { maxLength: 6 }).map((all) => all.join(""));

describe("a pattern", () => {
  test("matches what JavaScript's own matches", () => {
    fc.assert(
      fc.property(pattern, text, fc.boolean(), (source, subject, isAnyCase) => {
        const parsed = LinearPattern.parse(source, isAnyCase);
        fc.pre(parsed.ok);
        const own = new RegExp(source, isAnyCase ? "i" : "").test(subject);
        expect(parsed.ok && parsed.value.test(subject), `/${source}/ on ${JSON.stringify(subject)}`).toBe(
          own,
        );
      }),
      { numRuns: 2000 },
    );
  });

  test("that would keep a backtracking engine busy for years takes milliseconds", () => {
    const long = `${"a".repeat(5000)}!`;
    for (const evil of [
      "(a+)+$",
      "^(a|a)*$",
      "(a|aa)+$",
      "(.*a){12}$",
      "(?:a?){30}a{30}b",
      "^(([a-z])+.)+[A-Z]([a-z])+$",
    ]) {
      const startMs = cpuMs();
      expect(matches(evil, long)).toBe(false);
      expect(cpuMs() - startMs, evil).toBeLessThan(500);
    }
  });

  test("that repeats nothing is read at once, however often", () => {
    const startMs = cpuMs();
    for (const empty of ["(((){9999}){9999}){9999}", "((?:|){2}(){9999}){0}", "(?:(){9999,}){9999}a"]) {
      const parsed = LinearPattern.parse(empty, false);
      if (parsed.ok) expect(parsed.value.test("abc"), empty).toBe(true);
    }
    expect(cpuMs() - startMs).toBeLessThan(500);
  });

  test.each([
    ["(", "a ) is missing"],
    [")", "a ) too many"],
    ["[a", "a ] is missing"],
    ["*a", "nothing to repeat"],
    ["a**", "nothing to repeat"],
    ["(?=a)", "only (?: groups; no lookaround, no names"],
    ["(?<n>a)", "only (?: groups; no lookaround, no names"],
    ["(a)\\1", "no back-references"],
    ["a{3,2}", "{n,m}: n is more than m"],
    ["[b-a]", "a range is out of order"],
    ["a\\", "a \\ at the end"],
    ["a{1000}", "the pattern is too large: repeat less"],
    ["((a{20}){20}){20}", "the pattern is too large: repeat less"],
    ["a".repeat(257), "a pattern of more than 256 characters"],
    ["(".repeat(100), "groups are nested too deep"],
  ])("%s is refused in words", (source, words) => {
    expect(LinearPattern.parse(source, false)).toMatchObject({ ok: false, problem: { text: words } });
  });

  test("of any text is a result, never an exception", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), fc.string({ maxLength: 40 }), (source, subject) => {
        const parsed = LinearPattern.parse(source, true);
        if (parsed.ok) parsed.value.test(subject);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("a term", () => {
  const found = (term: string, msg: string): boolean => {
    const parsed = parseTerm(term);
    if (!parsed.ok) throw new Error(parsed.problem.text);
    return parsed.value.matches({ msg });
  };
  test("is part of the text in any case, or a pattern between slashes", () => {
    expect(found("FLOW 3", '"Flow 31"')).toBe(true);
    expect(found("a.c", '"abc"')).toBe(false);
    expect(found("/a.c/", '"abc"')).toBe(true);
    expect(found("/A.c/", '"abc"')).toBe(false);
    expect(found("/A.c/i", '"abc"')).toBe(true);
    expect(found("/^abc$/", '"abc"')).toBe(true);
    expect(found('"temp":2', '{"temp":21}')).toBe(true);
    expect(found("/", '"a/b"')).toBe(true);
    expect(found("/usr/bin", '"no /USR/bin/env here"')).toBe(true);
    expect(found("/dev/ttyUSB0", '"/dev/ttyusb0 is gone"')).toBe(true);
    expect(found("é", '"\\u00c9"')).toBe(true);
  });
  test("that is wrong is refused by name", () => {
    expect(parseTerm("/a(/")).toMatchObject({ problem: { text: "term: a ) is missing" } });
    expect(parseTerm("/a/g")).toMatchObject({
      problem: { text: "term: i is the only flag of a pattern there is" },
    });
    expect(parseTerm("x".repeat(300))).toMatchObject({ problem: { status: 400 } });
  });
});
