import { createContext, runInContext } from "node:vm";
import { type Node, parse } from "acorn";
import {
  findUnsupported,
  MISSING_GLOBALS,
  MISSING_MEMBERS,
  MISSING_METHODS,
} from "../../scripts/espruino-syntax.mjs";

/** Node with what Espruino lacks taken away and what it does in another way done so, run before anything else. */
const DIFFERENCES = `
  delete Error.prototype.name;
  for (const one of [TypeError, ReferenceError, SyntaxError, RangeError]) {
    delete one.prototype.name;
    Object.setPrototypeOf(one.prototype, Object.prototype);
  }
  const { stringify, parse } = JSON;
  JSON.stringify = (value) => {
    const open = [];
    const text = stringify(value, function (key, inner) {
      if (typeof inner !== "object" || inner === null) return inner;
      while (open.length > 0 && open[open.length - 1] !== this) open.pop();
      if (open.includes(inner)) return "\\u0001...\\u0001";
      open.push(inner);
      return ArrayBuffer.isView(inner) ? [...inner] : inner;
    });
    return text?.replace(/"\\\\u0001\\.\\.\\.\\\\u0001"/g, " ... ").replace(/[\\u007f-\\uffff]/g,
      (unit) => "\\\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0"));
  };
  const { split } = String.prototype;
  String.prototype.split = function (by) { return split.call(this, by); };
  clearTimeout = undefined;
`;

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly raw: string;
}

/** The same text with functions defined where they stand, and one binding for all turns of a loop. */
export function asEspruinoReads(text: string): string {
  const edits: Edit[] = [];
  const visit = (node: Node & Record<string, unknown>): void => {
    if (node.type === "FunctionDeclaration") {
      const { id } = node as unknown as { id: { name: string; start: number; end: number } };
      edits.push({ start: node.start, end: id.end, raw: `var ${id.name}=function` });
      edits.push({ start: node.end, end: node.end, raw: ";" });
    }
    if (/^For/.test(node.type)) {
      const head = (node.init ?? node.left) as (Node & { kind?: string }) | undefined;
      if (head?.type === "VariableDeclaration" && head.kind !== "var")
        edits.push({ start: head.start, end: head.start + (head.kind?.length ?? 0), raw: "var" });
    }
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? value : [value]) {
        if (child && typeof (child as Node).type === "string") visit(child);
      }
    }
  };
  visit(parse(text, { ecmaVersion: "latest", allowReturnOutsideFunction: true }) as never);
  let result = "";
  let at = 0;
  for (const edit of edits.sort((a, b) => a.start - b.start || a.end - b.end)) {
    result += text.slice(at, edit.start) + edit.raw;
    at = edit.end;
  }
  return result + text.slice(at);
}

/**
 * Runs a script as Espruino would, as far as Node can: what the language check refuses throws, names that it lacks are not
 * there. `print` takes what the script prints.
 */
export function runAsEspruino(script: string, print: (text: string) => void): void {
  const [refused] = findUnsupported(script);
  if (refused !== undefined) throw new SyntaxError(`${refused.construct} in line ${refused.line}`);
  const context = createContext({
    print,
    R: (value: unknown) => print(JSON.stringify(value) ?? "undefined"),
  });
  const gone = [
    ...[...MISSING_GLOBALS]
      .filter((name) => name !== "globalThis")
      .map((name) => `delete globalThis.${name};`),
    ...[...MISSING_MEMBERS].map((name) => `delete ${name};`),
    ...[...MISSING_METHODS].map(
      (name) =>
        `delete Array.prototype.${name}; delete String.prototype.${name}; delete Promise.prototype.${name};`,
    ),
  ];
  runInContext(`{${DIFFERENCES}}${gone.join("")}delete globalThis.globalThis;`, context);
  runInContext(asEspruinoReads(script), context);
}
