/**
 * Puts a function that is called in one place there, so that sources may be cut into short functions: on Espruino each
 * costs variables, and each call time. Works on a bundle whose names are still those of the sources, where esbuild has
 * seen to it that no inner name hides one of the top level.
 */
import { parse } from "acorn";
import { childrenOf, isReference } from "./espruino-hoisting.mjs";

const LOOPS = new Set([
  "ForStatement",
  "ForOfStatement",
  "ForInStatement",
  "WhileStatement",
  "DoWhileStatement",
]);

const isFunction = (node) => /Function/.test(node.type);
const parsed = (text) => parse(text, { ecmaVersion: "latest", allowReturnOutsideFunction: true });

/** What a constant test leaves out does not count: the build options are such tests. */
function deadBranch(node) {
  const value = node.test?.type === "Literal" ? Boolean(node.test.value) : undefined;
  if (value === undefined || LOOPS.has(node.type)) return undefined;
  return value ? node.alternate : node.consequent;
}

/** Calls `visit(node, ancestors)`, the nearest last. */
function walk(node, visit, ancestors = []) {
  visit(node, ancestors);
  const dead = deadBranch(node);
  for (const child of childrenOf(node)) {
    if (child !== dead) walk(child, visit, [...ancestors, node]);
  }
}

const isWrite = (node, parent) =>
  parent.type === "UpdateExpression" || (parent.type === "AssignmentExpression" && parent.left === node);

/** The text from `start` to `end` with its edits, each `{start, end, raw}`, put in. */
function edited(text, edits, start = 0, end = text.length) {
  let result = "";
  let at = start;
  for (const edit of edits.sort((a, b) => a.start - b.start)) {
    result += text.slice(at, edit.start) + edit.raw;
    at = edit.end;
  }
  return result + text.slice(at, end);
}

/** `let` is shorter, and may stand with its neighbours. */
function withoutConst(text) {
  const edits = [];
  walk(parsed(text), ({ type, kind, start }) => {
    if (type === "VariableDeclaration" && kind === "const") edits.push({ start, end: start + 5, raw: "let" });
  });
  return edited(text, edits);
}

/** Where each name stands, definitions left out. */
function usesByName(tree) {
  const uses = new Map();
  walk(tree, (node, ancestors) => {
    const parent = ancestors.at(-1);
    if (node.type !== "Identifier" || !isReference(node, parent)) return;
    const use = { parent, ancestors, isCall: parent.type === "CallExpression" && parent.callee === node };
    if (uses.get(node.name)?.push(use) === undefined) uses.set(node.name, [use]);
  });
  return uses;
}

/** Takes a last parameter away that nothing reads, and what the calls give for it. */
function withoutOneParameter(text) {
  const program = parsed(text);
  const usesOf = usesByName(program);
  for (const declaration of program.body) {
    const last = declaration.type === "FunctionDeclaration" && declaration.params.at(-1);
    const inside = last && usesByName(declaration);
    if (!last || inside.has(last.name) || inside.has("arguments")) continue;
    const uses = usesOf.get(declaration.id.name) ?? [];
    const count = declaration.params.length;
    const calls = uses.map(({ parent }) => parent);
    // What a call computes may do something: only what surely does nothing goes.
    const isSafe = ({ arguments: args }) =>
      args.length < count || (args.length === count && /Literal|Identifier|Binary/.test(args.at(-1).type));
    if (!uses.every(({ isCall }) => isCall) || !calls.every(isSafe)) continue;
    const cut = (list) => ({ start: list.at(-2)?.end ?? list.at(-1).start, end: list.at(-1).end, raw: "" });
    const edits = calls.filter((one) => one.arguments.length === count).map((one) => cut(one.arguments));
    return edited(text, [...edits, cut(declaration.params)]);
  }
  return undefined;
}

/** What stands in a function of the program, or undefined where that cannot be moved. */
function movable(declaration) {
  const locals = new Set(declaration.params.map((one) => one.name));
  const uses = [];
  const written = new Set();
  const statements = declaration.body.body.filter(
    (one) => one.type !== "IfStatement" || one.alternate || deadBranch(one) !== one.consequent,
  );
  const last = statements.at(-1);
  const result = last?.type === "ReturnStatement" && last.argument ? last : undefined;
  let canMove = declaration.params.every((one) => one.type === "Identifier");
  let hasInner = false;
  let hasCalls = false;
  for (const statement of statements) {
    walk(statement, (node, ancestors) => {
      hasCalls ||= node.type === "CallExpression" || node.type === "NewExpression";
      const parent = ancestors.at(-1) ?? declaration.body;
      const isInner = ancestors.some(isFunction);
      hasInner ||= isFunction(node);
      if (node.type === "ThisExpression" || node.type === "FunctionDeclaration") canMove = false;
      if (node.type === "ReturnStatement" && !isInner && node !== result) canMove = false;
      if (node.type === "VariableDeclarator" && !isInner) locals.add(node.id.name);
      if (node.type !== "Identifier") return;
      if (node.name === "arguments") canMove = false;
      if (isReference(node, parent) || parent.type === "VariableDeclarator") uses.push({ node, parent });
      if (isWrite(node, parent)) written.add(node.name);
      // A parameter of an inner function that hides a local would be renamed with it.
      if (isFunction(parent) && parent.params.includes(node) && locals.has(node.name)) canMove = false;
    });
  }
  return canMove
    ? { locals, uses, written, hasInner, hasCalls, result, isResultAll: result === statements[0] }
    : undefined;
}

/** A call that is a statement, or all of what a statement keeps; `put` makes the statement of what the call gives. */
function asStatement(text, call, ancestors) {
  const statement = ancestors.at(-1);
  const isInList = Array.isArray(ancestors.at(-2)?.body);
  const around = (node) => (value) =>
    `${text.slice(node.start, call.start)}${value}${text.slice(call.end, node.end)}`;
  if (statement.type === "ExpressionStatement") return { statement, isInList, put: () => "" };
  const isKept =
    (statement.type === "AssignmentExpression" &&
      statement.operator === "=" &&
      statement.left.type === "Identifier" &&
      ancestors.at(-2).type === "ExpressionStatement") ||
    (statement.type === "VariableDeclarator" && ancestors.at(-2).declarations.length === 1);
  if (!isKept || !Array.isArray(ancestors.at(-3)?.body)) return undefined;
  return {
    statement: ancestors.at(-2),
    isInList: true,
    needsResult: true,
    put: around(ancestors.at(-2)),
    newName: statement.type === "VariableDeclarator" ? statement.id.name : undefined,
  };
}

/** Names that may change while a function runs: those of the program, and what an inner function writes. */
function changeableNames(program) {
  const names = new Set();
  const ofProgram = new Set();
  for (const statement of program.body) {
    for (const one of statement.declarations ?? []) ofProgram.add(one.id.name);
  }
  walk(program, (node, ancestors) => {
    if (node.type !== "Identifier" || !isWrite(node, ancestors.at(-1))) return;
    if (ofProgram.has(node.name) || ancestors.filter(isFunction).length > 1) names.add(node.name);
  });
  return names;
}

/**
 * The statements of a function and what it gives; locals get a mark that makes them unique, parameters what the call gives.
 * `keptAs` names the variable that the result goes to, where that does not exist yet.
 */
function moved(text, declaration, body, args, changeable, mark, keptAs) {
  const { locals, uses, written, hasCalls, result } = body;
  // What changes elsewhere does not change in here, where nothing is called.
  const isSteady = (name) => !changeable.has(name) || !(hasCalls || written.has(name));
  const given = new Map();
  if (keptAs) given.set(result.argument.name, keptAs);
  let bindings = "";
  declaration.params.forEach(({ name }, index) => {
    const arg = args[index];
    const raw = arg ? text.slice(arg.start, arg.end) : "undefined";
    const isFixed = arg?.type === "Literal" || (arg?.type === "Identifier" && isSteady(arg.name));
    if (isFixed && !written.has(name)) given.set(name, raw);
    else bindings += `let ${name}${mark} = ${raw};`;
  });
  const edits = uses
    .filter(({ node }) => locals.has(node.name))
    .map(({ node, parent }) => {
      const raw = given.get(node.name) ?? node.name + mark;
      return { start: node.start, end: node.end, raw: parent.shorthand ? `${node.name}: ${raw}` : raw };
    });
  const within = (start, end) =>
    edited(
      text,
      edits.filter((one) => one.start >= start && one.end <= end),
      start,
      end,
    );
  return {
    bindings,
    statements: bindings + within(declaration.body.start + 1, result?.start ?? declaration.body.end - 1),
    value: result && within(result.argument.start, result.argument.end),
  };
}

/** Whether a function's result is a variable of its outermost block, alone in its declaration. */
function givesOwnVariable(declaration, result) {
  return declaration.body.body.some(
    (one) =>
      one.type === "VariableDeclaration" &&
      one.declarations.length === 1 &&
      result?.argument.type === "Identifier" &&
      one.declarations[0].id.name === result.argument.name,
  );
}

function inlineOne(text, mark) {
  const program = parsed(text);
  const changeable = changeableNames(program);
  const usesOf = usesByName(program);
  for (const declaration of program.body) {
    if (declaration.type !== "FunctionDeclaration" || OUT_OF_LINE.has(declaration.id.name)) continue;
    const uses = usesOf.get(declaration.id.name);
    const use = uses?.[0];
    if (uses?.length !== 1 || !use.isCall || use.ancestors.includes(declaration)) continue;
    const body = movable(declaration);
    if (!body || (body.hasInner && use.ancestors.some((one) => LOOPS.has(one.type)))) continue;
    const place = asStatement(text, use.parent, use.ancestors.slice(0, -1));
    const keptAs = givesOwnVariable(declaration, body.result) ? place?.newName : undefined;
    const { bindings, statements, value } = moved(
      text,
      declaration,
      body,
      use.parent.arguments,
      changeable,
      mark,
      keptAs,
    );
    let edit;
    if (place && (value ?? !place.needsResult)) {
      const end = place.needsResult ? place.put(`(${value})`) : value ? `${value};` : "";
      const raw = statements + (keptAs ? "" : end);
      edit = { ...place.statement, raw: place.isInList ? raw : `{${raw}}` };
    } else if (body.isResultAll && bindings === "") {
      edit = { ...use.parent, raw: `(${value})` };
    } else continue;
    return edited(text, [{ start: declaration.start, end: declaration.end, raw: "" }, edit]);
  }
  return undefined;
}

/**
 * Called by few of the lines that pass: Espruino reads over what it skips word by word, so that it stays a function. Others
 * like it (`shorten`, `dropOldest`) gain 1.5 percent together and cost 20 variables.
 */
const OUT_OF_LINE = new Set(["begin", "logOther", "writeEnd"]);

/** Longest text of a function, as in the sources, that is put into several places. */
const SETTER_CHARS_MAX = 30;

/** Puts a short function that does one thing into every place where nobody looks at what it gives. */
function inlineSetter(text) {
  const program = parsed(text);
  const usesOf = usesByName(program);
  for (const declaration of program.body) {
    const [only, ...others] = declaration.type === "FunctionDeclaration" ? declaration.body.body : [];
    if (others.length > 0 || only?.type !== "ExpressionStatement") continue;
    const { expression } = only;
    if (expression.end - expression.start > SETTER_CHARS_MAX) continue;
    const params = declaration.params.map((one) => one.name);
    const inner = usesByName(only);
    if (params.some((name) => inner.get(name)?.length !== 1)) continue;
    const uses = usesOf.get(declaration.id.name) ?? [];
    const isPlain = ({ isCall, parent, ancestors }) =>
      isCall &&
      parent.arguments.length === params.length &&
      (ancestors.at(-2).type === "ExpressionStatement" ||
        (ancestors.at(-2).type === "ArrowFunctionExpression" && ancestors.at(-2).body === parent));
    if (uses.length === 0 || !uses.every(isPlain)) continue;
    const edits = uses.map(({ parent }) => {
      const given = [];
      walk(only, (node, ancestors) => {
        const index = node.type === "Identifier" ? params.indexOf(node.name) : -1;
        if (index < 0 || !isReference(node, ancestors.at(-1))) return;
        const arg = parent.arguments[index];
        given.push({ start: node.start, end: node.end, raw: `(${text.slice(arg.start, arg.end)})` });
      });
      const raw = `(${edited(text, given, expression.start, expression.end)})`;
      return { start: parent.start, end: parent.end, raw };
    });
    return edited(text, [{ start: declaration.start, end: declaration.end, raw: "" }, ...edits]);
  }
  return undefined;
}

/** Puts what a short function without parameters gives into every place where it is called: a call takes longer. */
function inlineGetter(text) {
  const program = parsed(text);
  const usesOf = usesByName(program);
  for (const declaration of program.body) {
    const [only, ...others] = declaration.type === "FunctionDeclaration" ? declaration.body.body : [];
    if (only?.type !== "ReturnStatement" || others.length > 0 || declaration.params.length > 0) continue;
    const { argument } = only;
    if (argument?.type !== "CallExpression" || argument.end - argument.start > SETTER_CHARS_MAX) continue;
    const uses = usesOf.get(declaration.id.name) ?? [];
    const isCalled = ({ isCall, ancestors }) => isCall && !ancestors.includes(declaration);
    if (uses.length === 0 || !uses.every(isCalled)) continue;
    const raw = text.slice(argument.start, argument.end);
    const edits = uses.map(({ parent }) => ({ start: parent.start, end: parent.end, raw }));
    return edited(text, [{ start: declaration.start, end: declaration.end, raw: "" }, ...edits]);
  }
  return undefined;
}

/** @param text a function body with the names of its sources, not minified. */
export function inlineCalls(text) {
  let result = withoutConst(text);
  for (let turn = 1; ; turn++) {
    const next =
      withoutOneParameter(result) ??
      inlineSetter(result) ??
      inlineGetter(result) ??
      inlineOne(result, `$${turn}`);
    if (next === undefined) return result;
    result = next;
  }
}
