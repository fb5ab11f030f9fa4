import { expect, test } from "vitest";
import { inlineCalls } from "../../scripts/espruino-inline-calls.mjs";

/** What a text gives as `result`, as it is and with its calls put in place. */
function bothWays(text: string): { readonly inlined: string; readonly result: unknown } {
  const inlined = inlineCalls(text);
  const run = (body: string): unknown => new Function(`${body}\nreturn result;`)();
  expect(run(inlined)).toEqual(run(text));
  return { inlined, result: run(inlined) };
}

test("a function called once stands where it was called, and one called twice stays", () => {
  const { inlined, result } = bothWays(
    "var result = []; function twice(x) { let y = x; result.push(y); } function once(x) { twice(x); twice(x + 1); } once(5);",
  );
  expect(result).toEqual([5, 6]);
  expect(inlined).not.toContain("once");
  expect(inlined).toContain("function twice");
});

test("a function that does one short thing stands in every place, unless its value is looked at", () => {
  const { inlined, result } = bothWays(
    "var a = 1; function set(x) { a = x; } var later = () => set(3); set(2); later(); var result = [a]; set(!a); result.push(a);",
  );
  expect(result).toEqual([3, false]);
  expect(inlined).not.toContain("set(");
  expect(
    bothWays("var a = 1; function set(x) { a = x; } var result = [set(2), set(3), a];").inlined,
  ).toContain("function set");
});

test("a short function that gives what a call gives stands in every place where it is called", () => {
  const { inlined, result } = bothWays(
    "var n = 1; var tick = () => n++; function now() { return tick(); } var result = [now()]; result.push(now() - 1);",
  );
  expect(result).toEqual([1, 1]);
  expect(inlined).not.toContain("now");
  expect(
    bothWays(
      "var n = 1; var tick = () => n++; function now() { return tick(); } var result = [now(), now].length;",
    ).inlined,
  ).toContain("function now");
});

test.each([
  [
    "its value begins a variable",
    "function f(x) { let y = x * 2; return y + 1; } var result = 0; { let y = 5; let z = f(y); result = [y, z]; }",
  ],
  [
    "its value is assigned",
    "var result = 0; function f(x) { x++; return x; } function g(a) { result = f(a); } g(3); g(4);",
  ],
  ["its value is all of it", "var result = 1; function f() { return result + 1; } result = [f(), 3];"],
  [
    "a parameter is written",
    "var result = []; function f(n) { while (n--) result.push(n); } function g(n) { f(n); result.push(n); } g(3); g(1);",
  ],
  [
    "what is given changes meanwhile",
    "var n = 1; var result = []; function f(a) { n++; result.push(a, n); } function g() { f(n); } g(); g();",
  ],
  [
    "names are the same inside and outside",
    "var result = []; function f(a) { let b = a + 1; result.push(a, b); } function g(b, a) { f(b); result.push(a, b); } g(1, 2); g(3, 4);",
  ],
  [
    "it is what an if does",
    "var result = 0; function f(a) { let b = a; result = b; } function g(c) { if (c) f(c); else result = -1; } g(1); g(0);",
  ],
  [
    "too little is given",
    "var result = 0; function f(a, b) { result = [a, b]; } function g() { f(1); } g(); g();",
  ],
  [
    "shorthand and keys have the name of a local",
    "var result = 0; function f(a) { let b = 2; result = { a, b, c: a.b }; } function g(x) { f(x); } g({ b: 1 }); g({ b: 3 });",
  ],
  [
    "what is given changes while it runs",
    "var n = 1; var result = []; function f(a) { n = 2; result.push(a); } function g(a) { h(); result.push(a); } function h() { n = 3; } f(n); g(n); h();",
  ],
  [
    "what is given changes before and after, but not in it",
    "var n = 1; var m = 0; var result = []; function f(a) { if (a > 1) m = a; result = [a, m]; } function g() { n++; f(n); n++; } g(); g(); result.push(n);",
  ],
  [
    "the last parameter is read by nobody",
    "var result = []; function f(a, b) { result.push(a); } f(1, 2); f(3); f(4, result.length);",
  ],
])("the same comes out where %s", (_, text) => {
  bothWays(text);
});

test.each([
  ["it returns early", "var result = 0; function f(a) { if (a) return; result = 1; } f(1);"],
  ["it takes what it is called with", "var result = 0; function f() { result = arguments.length; } f(1, 2);"],
  ["it is called by itself", "var result = 0; function f(n) { result++; if (n) f(n - 1); } var g = f; g(3);"],
  ["it is given away", "var result = []; function f(a) { result.push(a); } [1, 2].forEach(f);"],
  [
    "it keeps its variables in a loop",
    "var result = []; function f(i) { let j = i; result.push(() => j); } for (let i = 0; i < 3; i++) f(i); result = result.map((g) => g());",
  ],
  [
    "its last parameter stands for something done",
    "var n = 0; var result = []; function f(a, b) { result.push(a); } f(1, n++); f(2, n++); result.push(n);",
  ],
])("stays as it is where %s", (_, text) => {
  expect(bothWays(text).inlined).toContain("function f");
});
