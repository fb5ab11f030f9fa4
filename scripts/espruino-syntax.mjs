/**
 * What Espruino does not take, or silently takes differently, found in the syntax tree of a finished bundle. Each rule
 * was seen on a real interpreter: firmware-js/language-table.json has what it did, and a test holds the rules to it.
 */
import { parse } from "acorn";
import { childrenOf, findEarlyUses, isReference } from "./espruino-hoisting.mjs";

export const MISSING_GLOBALS = new Set([
  ..."BigInt Map Proxy Reflect Set Symbol WeakMap WeakRef WeakSet".split(" "),
  ..."TextDecoder TextEncoder performance queueMicrotask structuredClone globalThis".split(" "),
]);
export const MISSING_MEMBERS = new Set(
  "Array.from Array.of Math.clz32 Math.imul Math.trunc Number.MAX_SAFE_INTEGER Number.isFinite Number.isInteger Object.freeze Object.is Promise.race String.raw Uint8Array.from".split(
    " ",
  ),
);
export const MISSING_METHODS = new Set(["at", "codePointAt", "finally", "flat", "flatMap", "matchAll"]);
const REGEX_UNSUPPORTED = /\{\d|[*+?}]\?|\(\?/;
/** Behind anything else, a set that holds a bracket. */
const REGEX_BRACKET_IN_SET = /^(?:[^\\[]|\\.|\[(?:[^\]\\[]|\\.)*\])*\[(?:[^\]\\[]|\\.)*\[/;

const isFunction = (node) => /^(Arrow)?Function/.test(node.type);

/** The rules by node type: each gives the name of the construct, or undefined. */
const RULES = {
  ArrayPattern: () => "destructuring",
  ObjectPattern: () => "destructuring",
  AssignmentPattern: () => "default value of a parameter",
  RestElement: () => "rest parameter",
  SpreadElement: () => "spread",
  TaggedTemplateExpression: () => "tagged template",
  PrivateIdentifier: () => "#private name",
  StaticBlock: () => "static block",
  MetaProperty: () => "new.target or import.meta",
  ChainExpression: () => "optional chaining (?.)",
  AwaitExpression: () => "await",
  YieldExpression: () => "yield",
  LabeledStatement: () => "label",
  ImportDeclaration: () => "import",
  ImportExpression: () => "import()",
  ExportNamedDeclaration: () => "export",
  ExportDefaultDeclaration: () => "export",
  ExportAllDeclaration: () => "export",
  PropertyDefinition: (node) => (node.value ? undefined : "class field without a value"),
  Property: (node) => (node.computed ? "computed key" : undefined),
  MethodDefinition: (node) => (node.computed ? "computed key" : undefined),
  BinaryExpression(node) {
    if (node.operator === "**") return "exponent (**)";
    if (node.operator === "instanceof" && node.right.name === "Error") return "instanceof Error";
    return undefined;
  },
  AssignmentExpression(node) {
    if (["**=", "??=", "||=", "&&="].includes(node.operator)) return `assignment with ${node.operator}`;
    if (node.left.type === "MemberExpression" && node.left.property.name === "length")
      return "assignment to length";
    return undefined;
  },
  Literal(node) {
    if (node.bigint) return "BigInt";
    if (node.regex) {
      if (/[suvy]/.test(node.regex.flags)) return `regular expression flag ${node.regex.flags}`;
      if (REGEX_BRACKET_IN_SET.test(node.regex.pattern)) return "regular expression with [ in a set";
      return REGEX_UNSUPPORTED.test(node.regex.pattern)
        ? "regular expression with {n}, lazy or (?"
        : undefined;
    }
    return typeof node.value === "string" && node.raw.includes("\\\n")
      ? "line continuation in a string"
      : undefined;
  },
  SwitchStatement(node) {
    const index = node.cases.findIndex((one) => !one.test);
    return index >= 0 && index < node.cases.length - 1 ? "default that is not last in its switch" : undefined;
  },
  MemberExpression(node) {
    const name = node.computed ? undefined : node.property.name;
    if (node.object.type === "Identifier" && MISSING_MEMBERS.has(`${node.object.name}.${name}`)) {
      return `${node.object.name}.${name}`;
    }
    return undefined;
  },
  NewExpression: (node) =>
    /Error$/.test(node.callee.name ?? "") && node.arguments.length > 1 ? "cause of an error" : undefined,
  CallExpression(node) {
    const name =
      node.callee.type === "MemberExpression" && !node.callee.computed ? node.callee.property.name : "";
    if (MISSING_METHODS.has(name)) return `.${name}()`;
    return name === "split" && node.arguments.length > 1 ? "split with a limit" : undefined;
  },
  ForOfStatement: (node) => (node.await ? "for await" : loopClosure(node, node.left)),
  ForInStatement: (node) => loopClosure(node, node.left),
  ForStatement(node) {
    if (node.init && some(node.init, (one) => one.type === "BinaryExpression" && one.operator === "in")) {
      return "in within the start of a for";
    }
    return loopClosure(node, node.init);
  },
};

function some(node, test) {
  return test(node) || childrenOf(node).some((child) => some(child, test));
}

/** All turns of a loop share its head's variables on Espruino: a function that keeps one sees the last value. */
function loopClosure(loop, head) {
  if (head?.type !== "VariableDeclaration" || head.kind === "var") return undefined;
  const names = head.declarations.map((one) => one.id.name);
  const captures = some(
    loop,
    (node) => isFunction(node) && some(node, (one) => one.type === "Identifier" && names.includes(one.name)),
  );
  return captures ? "function in a loop that keeps the loop's variable" : undefined;
}

function constructOf(node, parent, functionAround) {
  if (isFunction(node)) {
    if (node.async) return "async function";
    if (node.generator) return "generator";
  }
  if (node.type === "Identifier" && parent && isReference(node, parent)) {
    if (node.name === "of") return "variable named of";
    if (node.name === "arguments" && functionAround?.type === "ArrowFunctionExpression") {
      return "arguments in an arrow function";
    }
    if (MISSING_GLOBALS.has(node.name) && parent.operator !== "typeof")
      return `${node.name}, which is not there`;
  }
  return RULES[node.type]?.(node);
}

/**
 * The constructs in `text` that must not reach an Espruino, in the order they stand: `{construct, line, column}`, line
 * from 1 and column from 0. Empty when it may go.
 */
export function findUnsupported(text) {
  let program;
  try {
    program = parse(text, {
      ecmaVersion: "latest",
      sourceType: "script",
      allowReturnOutsideFunction: true,
      allowImportExportEverywhere: true,
      allowAwaitOutsideFunction: true,
      locations: true,
    });
  } catch (error) {
    return [{ construct: error.message, line: error.loc?.line ?? 1, column: error.loc?.column ?? 0 }];
  }
  const findings = [];
  const report = (node, construct) => {
    findings.push({ construct, line: node.loc.start.line, column: node.loc.start.column, at: node.start });
  };
  const visit = (node, parent, functionAround) => {
    const construct = constructOf(node, parent, functionAround);
    if (construct) report(node, construct);
    const around = isFunction(node) ? node : functionAround;
    for (const child of childrenOf(node)) visit(child, node, around);
  };
  visit(program, undefined, undefined);
  findEarlyUses(program, (node, name) => report(node, `use before its definition of ${name}`));
  return findings.sort((a, b) => a.at - b.at).map(({ at: _, ...finding }) => finding);
}
