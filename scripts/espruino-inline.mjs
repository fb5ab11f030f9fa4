/**
 * Puts numbers and strings that never change in the place of their names: on Espruino each name costs variables, and
 * esbuild leaves those of a file's top level alone.
 */
import { parse } from "acorn";
import { childrenOf, isReference } from "./espruino-hoisting.mjs";

/** A text used in several places is put into each up to this length. */
const REPEATED_CHARS_MAX = 5;

function walk(node, parent, visit) {
  visit(node, parent);
  for (const child of childrenOf(node)) walk(child, node, visit);
}

/** A number, a text, or `!0` and `!1`, as esbuild writes a boolean. */
const isConstant = (node) =>
  node?.type === "UnaryExpression"
    ? node.operator === "!" && node.argument.type === "Literal"
    : node?.type === "Literal" && (typeof node.value === "number" || typeof node.value === "string");

const isFunction = (node) => /Function/.test(node.type);

/** A list of texts that one statement of the program needs, once: there it does not stay in memory. */
const isPassingList = (node) =>
  node?.type === "ArrayExpression" &&
  node.elements.length > 0 &&
  node.elements.every((one) => one?.type === "Literal" && typeof one.value === "string");

/** @param text a minified function body, in which no inner name hides an outer one that is replaced. */
export function inlineConstants(text) {
  const program = parse(text, { ecmaVersion: "latest", allowReturnOutsideFunction: true });
  const candidates = new Map();
  for (const statement of program.body) {
    if (statement.type !== "VariableDeclaration") continue;
    for (const one of statement.declarations) {
      if (one.id.type === "Identifier" && (isConstant(one.init) || isPassingList(one.init))) {
        candidates.set(one.id.name, { declarator: one, statement, uses: [], isConstant: true });
      }
    }
  }
  walk(program, undefined, (node, parent) => {
    if (node.type !== "Identifier" || !parent) return;
    const candidate = candidates.get(node.name);
    if (candidate === undefined || node === candidate.declarator.id) return;
    const isWritten =
      parent.type === "UpdateExpression" || (parent.type === "AssignmentExpression" && parent.left === node);
    // Another binding of the same name, or shorthand: better left alone.
    const isPlain = isReference(node, parent) && !parent.shorthand;
    if (isWritten || (!isPlain && !isPropertyName(node, parent))) candidate.isConstant = false;
    else if (isPlain) candidate.uses.push(node);
  });
  const functions = [];
  walk(program, undefined, (node) => {
    if (isFunction(node)) functions.push(node);
  });
  const isInFunction = (use) => functions.some((one) => one.start < use.start && use.end < one.end);
  const edits = [];
  const gone = new Set();
  for (const { declarator, uses, isConstant } of candidates.values()) {
    if (isPassingList(declarator.init) && (uses.length !== 1 || isInFunction(uses[0]))) continue;
    const raw = text.slice(declarator.init.start, declarator.init.end);
    if (!isConstant || (uses.length > 1 && raw.length > REPEATED_CHARS_MAX)) continue;
    for (const use of uses) edits.push({ start: use.start, end: use.end, raw });
    gone.add(declarator);
  }
  for (const statement of program.body) {
    if (statement.type !== "VariableDeclaration") continue;
    const kept = statement.declarations.filter((one) => !gone.has(one));
    if (kept.length === statement.declarations.length) continue;
    const inner = edits.filter((one) => one.start > statement.start && one.end <= statement.end);
    const list = kept.map((one) => applied(text, inner, one.start, one.end)).join(",");
    for (const one of inner) edits.splice(edits.indexOf(one), 1);
    edits.push({ start: statement.start, end: statement.end, raw: list && `${statement.kind} ${list};` });
  }
  return applied(text, edits, 0, text.length);
}

/** Of a text that minified its booleans and was printed again without that. */
export function shortBooleans(text) {
  const edits = [];
  walk(parse(text, { ecmaVersion: "latest", allowReturnOutsideFunction: true }), undefined, (node) => {
    if (typeof node.value !== "boolean" || node.type !== "Literal") return;
    const start = / $/.test(text.slice(0, node.start)) ? node.start - 1 : node.start;
    edits.push({ start, end: node.end, raw: node.value ? "!0" : "!1" });
  });
  return applied(text, edits, 0, text.length);
}

/** What the path of a line looks up most, the most first. */
const HOT =
  "last space mark written lines floor clock next output after busy open chunks textBytes serial bytes pieceMs input fresh blocked gone refused ackTimer".split(
    " ",
  );

/**
 * Names are looked up one by one, from the first to the last: the hot ones come first, and behind them what needs nothing
 * that runs. A hot one that does need something gets its value where it stands.
 * @param text a function body with the names of its sources.
 */
export function hotNamesFirst(text) {
  const program = parse(text, { ecmaVersion: "latest", allowReturnOutsideFunction: true });
  const useCounts = new Map();
  walk(program, undefined, (node, parent) => {
    if (node.type !== "Identifier" || !parent || !isReference(node, parent)) return;
    useCounts.set(node.name, (useCounts.get(node.name) ?? 0) + 1);
  });
  const usesOf = ({ id }) => useCounts.get(id.name) ?? 0;
  const rankOf = ({ id }) => (HOT.includes(id.name) ? HOT.indexOf(id.name) : HOT.length);
  const byHeat = (a, b) => rankOf(a) - rankOf(b) || usesOf(b) - usesOf(a);
  const slice = (node) => text.slice(node.start, node.end);
  const own = new Set(
    program.body.flatMap((one) => [one, ...(one.declarations ?? [])]).map((one) => one.id?.name),
  );
  const first = [];
  const functions = [];
  const others = [];
  /** The last of `others` is a declaration that more may join. */
  let open = false;
  for (const statement of program.body) {
    if (statement.type === "FunctionDeclaration") functions.push(statement);
    else if (statement.type === "VariableDeclaration") {
      for (const one of statement.declarations) {
        // A value that nothing reads is what an option left behind.
        if (usesOf(one) === 0 && (one.init?.type === "Identifier" || isReady(one.init, own))) continue;
        if (isReady(one.init, own)) first.push({ id: one.id, raw: slice(one) });
        else if (HOT.includes(one.id.name)) {
          first.push({ id: one.id, raw: one.id.name });
          others.push(`${slice(one)};`);
          open = false;
        } else {
          if (open) others[others.length - 1] = `${others.at(-1).slice(0, -1)},${slice(one)};`;
          else others.push(`var ${slice(one)};`);
          open = true;
        }
      }
    } else {
      others.push(slice(statement));
      open = false;
    }
  }
  first.sort(byHeat);
  const declared = first.length > 0 ? `var ${first.map((one) => one.raw).join(",")};` : "";
  return declared + functions.sort(byHeat).map(slice).join("") + others.join("");
}

/** Whether a value needs nothing that runs. */
const isReady = (node, own) =>
  node === null ||
  isConstant(node) ||
  (node.type === "UnaryExpression" && node.operator === "-" && isConstant(node.argument)) ||
  (node.type === "ArrayExpression" && node.elements.length === 0) ||
  (node.type === "ObjectExpression" && node.properties.length === 0) ||
  isGiven(node, own);

/** What is not of the bundle and stays as it is. */
const isGiven = (node, own) =>
  node.type === "Identifier"
    ? /^(options|(set|clear)Timeout)$/.test(node.name) && !own.has(node.name)
    : node.type === "MemberExpression" &&
      /^(options|Date|E|JSON|Math)$/.test(node.object.name) &&
      !own.has(node.object.name);

function isPropertyName(node, parent) {
  return (
    (parent.type === "MemberExpression" && parent.property === node && !parent.computed) ||
    (parent.type === "Property" && parent.key === node && !parent.computed && !parent.shorthand)
  );
}

function applied(text, edits, start, end) {
  let result = "";
  let at = start;
  for (const edit of edits
    .filter((one) => one.start >= start && one.end <= end)
    .sort((a, b) => a.start - b.start)) {
    result += text.slice(at, edit.start) + edit.raw;
    at = edit.end;
  }
  return result + text.slice(at, end);
}
