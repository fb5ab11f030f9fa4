import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import {
  buildFirmware,
  bundleForEspruino,
  bundlePort,
  checkForEspruino,
  FEATURES,
} from "../../scripts/build-firmware.mjs";
import { findUnsupported } from "../../scripts/espruino-syntax.mjs";

const REFUSED: [construct: string, text: string][] = [
  ["default value of a parameter", "function f(a, b = 2) {}"],
  ["default value of a parameter", "var f = (a, b = 2) => a + b;"],
  ["rest parameter", "function f(a, ...b) {}"],
  ["spread", "f(...[1, 2]);"],
  ["spread", "var a = [0, ...b];"],
  ["spread", "var a = { ...b };"],
  ["destructuring", "var { a } = o;"],
  ["destructuring", "let [a, b] = o;"],
  ["destructuring", "function f({ a }) {}"],
  ["destructuring", "[a, b] = [b, a];"],
  ["destructuring", "for (var [a, b] of list) f(a);"],
  ["tagged template", "f`a`;"],
  ["#private name", "class A { #p = 3; }"],
  ["static block", "class A { static { f(); } }"],
  ["class field without a value", "class A { p; }"],
  ["new.target or import.meta", "function A() { return new.target; }"],
  ["computed key", "var o = { [k]: 1 };"],
  ["computed key", "class A { [k]() {} }"],
  ["optional chaining (?.)", "o?.a;"],
  ["optional chaining (?.)", "o.f?.();"],
  ["exponent (**)", "2 ** 10;"],
  ["assignment with ??=", "a ??= 5;"],
  ["assignment with ||=", "a ||= 5;"],
  ["assignment with &&=", "a &&= 5;"],
  ["assignment with **=", "a **= 5;"],
  ["async function", "async function f() {}"],
  ["async function", "var f = async () => 1;"],
  ["await", "async function f() { await 1; }"],
  ["generator", "function* g() {}"],
  ["yield", "function* g() { yield 1; }"],
  ["label", "a: for (;;) break a;"],
  ["BigInt", "var a = 1n;"],
  ["default that is not last in its switch", "switch (a) { default: b(); break; case 1: c(); }"],
  [
    "function in a loop that keeps the loop's variable",
    "for (let i = 0; i < 3; i++) f.push(function () { return i; });",
  ],
  ["function in a loop that keeps the loop's variable", "for (const i of list) f.push(() => i);"],
  ["function in a loop that keeps the loop's variable", "for (const k in o) f.push(() => k);"],
  ["arguments in an arrow function", "function f() { return (() => arguments[0])(); }"],
  ["assignment to length", "list.length = 0;"],
  ["split with a limit", 'a.split(",", 2);'],
  ["instanceof Error", "e instanceof Error;"],
  ["Map, which is not there", "new Map();"],
  ["Symbol, which is not there", "a[Symbol.iterator];"],
  ["globalThis, which is not there", "globalThis.a = 1;"],
  ["Array.from", "Array.from(a);"],
  ["Math.trunc", "Math.trunc(1.5);"],
  ["Number.isInteger", "Number.isInteger(1);"],
  ["Object.freeze", "Object.freeze(a);"],
  ["Promise.race", "Promise.race(a);"],
  [".flat()", "a.flat();"],
  [".at()", "a.at(-1);"],
  [".matchAll()", "a.matchAll(b);"],
  [".finally()", "p.finally(f);"],
  ["regular expression with {n}, lazy or (?", "/a{2,3}/;"],
  ["regular expression with {n}, lazy or (?", "/<.*?>/;"],
  ["regular expression with {n}, lazy or (?", "/a(?=b)/;"],
  ["regular expression with [ in a set", "/a\\[[^b][c[]/;"],
  ["regular expression flag u", "/a/u;"],
  ["variable named of", "f(of);"],
  ["line continuation in a string", '"a\\\nb";'],
  ["in within the start of a for", 'for (var i = ("a" in o) ? 1 : 0; i < 2; i++);'],
  ["import", 'import a from "a";'],
  ["import()", 'import("a");'],
  ["export", "export var a = 1;"],
  ["use before its definition of f", "f(); function f() {}"],
  ["use before its definition of f", "function g() { return f(); function f() {} }"],
  ["use before its definition of x", "function f() { x = 5; var x; return x; }"],
  ["use before its definition of x", "if (a) { f(x); let x = 1; }"],
  ["use before its definition of g, which f needs", "function f() { g(); } f(); function g() {}"],
  [
    "use before its definition of h, which f needs",
    "function f() { g(); } function g() { h(); } f(); var h = function () {};",
  ],
  ["use before its definition of g", "list.forEach(function (a) { g(a); }); function g() {}"],
  ["use before its definition of g", "(function () { g(); })(); function g() {}"],
];

test.each(REFUSED)("refuses: %s: %s", (construct, text) => {
  const findings = findUnsupported(`var before = 1;\n${text}`);
  expect(findings.map((one) => one.construct)).toContain(construct);
  const found = findings.find((one) => one.construct === construct);
  expect(found?.line).toBeGreaterThanOrEqual(2);
});

const ALLOWED = [
  "function f() { g(); } function g() { f(); } f();",
  "var timer = setTimeout(function () { later(); }, 1); function later() {}",
  "for (let i = 0; i < 3; i++) f(i);",
  "for (var i = 0; i < 3; i++) { let j = i; f.push(function () { return j; }); }",
  "switch (a) { case 1: b(); break; default: c(); }",
  "var a = b ?? 1; class A extends B { p = 1; get x() { return super.x; } static s() {} }",
  "try { f(); } catch { g(); }",
  "var o = { a, get b() { return 1; } }; `x`; for (const k of [1]) h(k);",
  "/^a+[b-c]*[\\[d]e\\[[f]$/gi.test(s); s.split(','); o.length; typeof Map;",
  "var x = 1; function shadow(f) { f(); } { let f = 1; use(f); } function f() {}",
];

test.each(ALLOWED)("lets through: %s", (text) => {
  expect(findUnsupported(text)).toEqual([]);
});

test("text that does not parse is refused with its line", () => {
  expect(findUnsupported("var a;\nvar = 1;")[0]).toMatchObject({ line: 2 });
});

test("the error names the bundle, every construct and its line", () => {
  expect(() => checkForEspruino("app.js", "var a = 1;\nlabel: for (;;) { a = 2n; }")).toThrow(
    "app.js holds what Espruino does not take:\n  app.js:2:1: label\n  app.js:2:23: BigInt",
  );
});

async function source(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-syntax-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "app.ts");
  await writeFile(file, text);
  return file;
}

test("what is refused after bundling is named by the line of the source", async () => {
  const file = await source(
    "const list: number[] = [];\n\nexpect();\nfor (let i = 0; i < 3; i++) {\n  list.forEach(() => i);\n}\nfunction expect() {}\n",
  );
  await expect(bundleForEspruino(file)).rejects.toMatchObject({
    code: "UNSUPPORTED_SYNTAX",
    findings: expect.arrayContaining([
      {
        construct: expect.stringContaining("function in a loop"),
        where: expect.stringMatching(/app\.ts:4$/),
      },
    ]),
  });
});

test("optional chaining and exponents are lowered, default parameters and async refused with file and line", async () => {
  const lowered = await bundleForEspruino(await source("declare const o: any;\no.x = o?.a ** 2;\n"));
  expect(findUnsupported(lowered)).toEqual([]);
  await expect(
    bundleForEspruino(await source("(globalThis as any).f = function (a = 1) {};\n")),
  ).rejects.toThrow(/app\.ts:1/);
});

test("the build writes its files, in ASCII, and says their sizes", async () => {
  const outDir = await mkdtemp(join(tmpdir(), "boardlog-firmware-"));
  onTestFinished(() => rm(outDir, { recursive: true }));
  const sizes = await buildFirmware({ outDir });
  expect(Object.keys(sizes)).toEqual([
    "agent.js",
    "agent-demo.js",
    "agent-full.js",
    "espruino-serial.js",
    "espruino-console.js",
    "espruino-mqtt.js",
  ]);
  for (const [name, bytes] of Object.entries(sizes)) {
    const text = await readFile(join(outDir, name), "utf8");
    expect(text).toMatch(/^[\n -~]*$/);
    expect(text.length).toBe(bytes);
    expect(() => new Function("env", text)).not.toThrow();
  }
});

test("the agent with the serial port keeps to 4 KB, and with every option of a board to 7 KB", async () => {
  expect((await bundlePort("serial")).length).toBeLessThanOrEqual(4096);
  expect((await bundlePort("mqtt")).length).toBeLessThanOrEqual(4096);
  const all = FEATURES.filter((one) => one !== "plain" && one !== "lab");
  expect((await bundlePort("serial", all)).length).toBeLessThanOrEqual(7168);
  await expect(bundlePort("serial", ["no-such-option"])).rejects.toThrow(
    "no build option is called no-such-option",
  );
});
