/**
 * Finds names that are used before their definition has run. Nothing is hoisted on Espruino: a function that stands
 * further down does not exist yet. Looks through calls too: a function used here needs all that it needs.
 */

/** Callbacks of these run before the call returns. */
const RUN_AT_ONCE = new Set([
  "every",
  "filter",
  "find",
  "findIndex",
  "forEach",
  "map",
  "reduce",
  "replace",
  "some",
  "sort",
]);

const isFunction = (node) =>
  node.type === "FunctionDeclaration" ||
  node.type === "FunctionExpression" ||
  node.type === "ArrowFunctionExpression";

export function childrenOf(node) {
  const children = [];
  for (const [key, value] of Object.entries(node)) {
    if (key === "loc" || key === "parent") continue;
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child && typeof child.type === "string") children.push(child);
    }
  }
  return children;
}

/** Identifiers that a pattern binds; patterns other than a name are refused elsewhere. */
function boundNames(pattern) {
  if (pattern.type === "Identifier") return [pattern];
  if (pattern.type === "AssignmentPattern") return boundNames(pattern.left);
  return pattern.type === "MemberExpression" ? [] : childrenOf(pattern).flatMap(boundNames);
}

/** Whether an identifier stands for a variable, not for a property, key or label. */
export function isReference(node, parent) {
  if (parent.type === "MemberExpression") return parent.object === node || parent.computed;
  if (parent.type === "Property") return parent.value === node || parent.computed;
  if (parent.type === "MethodDefinition" || parent.type === "PropertyDefinition")
    return parent.value === node;
  if (parent.type === "VariableDeclarator") return parent.id !== node;
  if (isFunction(parent)) return parent.body === node;
  return ![
    "ClassDeclaration",
    "CatchClause",
    "LabeledStatement",
    "BreakStatement",
    "ContinueStatement",
    "MetaProperty",
  ].includes(parent.type);
}

class Scope {
  names = new Map();

  constructor(parent, owner) {
    this.parent = parent;
    this.owner = owner;
  }

  declare(identifier, readyAt, value) {
    if (!this.names.has(identifier.name)) {
      this.names.set(identifier.name, { name: identifier.name, readyAt, value, owner: this.owner });
    }
  }

  find(name) {
    return this.names.get(name) ?? this.parent?.find(name);
  }

  functionScope() {
    return this.parent && this.parent.owner === this.owner ? this.parent.functionScope() : this;
  }
}

/** Declares what a block defines; a `var` goes to the function, from inner blocks too. */
function declareAll(node, scope, varsOnly = false) {
  for (const child of childrenOf(node)) {
    if (child.type === "VariableDeclaration") {
      if (varsOnly && child.kind !== "var") continue;
      const target = child.kind === "var" ? scope.functionScope() : scope;
      for (const { id, init } of child.declarations) {
        const value = init && isFunction(init) ? init : undefined;
        for (const name of boundNames(id)) target.declare(name, init?.end ?? id.end, value);
      }
    } else if (child.type === "FunctionDeclaration" || child.type === "ClassDeclaration") {
      if (!varsOnly) scope.declare(child.id, child.end, isFunction(child) ? child : undefined);
    } else if (!isFunction(child)) {
      declareAll(child, scope, varsOnly || child.type === "BlockStatement" || isLoop(child));
    }
  }
}

const isLoop = (node) => ["ForStatement", "ForInStatement", "ForOfStatement"].includes(node.type);

/** Calls `report(identifier node, name)` for each use before the definition. */
export function findEarlyUses(program, report) {
  /** Every use, with the function that runs it and the functions around it. */
  const uses = [];

  const visit = (node, parent, scope, runners) => {
    let inner = scope;
    let around = runners;
    if (isFunction(node)) {
      const callee = parent?.type === "CallExpression" && parent.callee === node;
      const callback =
        parent?.type === "CallExpression" &&
        parent.arguments.includes(node) &&
        RUN_AT_ONCE.has(parent.callee.property?.name);
      // What runs at once runs as part of the function around it.
      around = callee || callback ? runners : [...runners, node];
      inner = new Scope(scope, around[around.length - 1]);
      if (callee || callback) inner.functionScope = () => inner;
      if (node.id && node.type === "FunctionExpression") inner.declare(node.id, node.start, node);
      for (const param of node.params) for (const name of boundNames(param)) inner.declare(name, node.start);
      declareAll(node.body, inner);
    } else if ((node.type === "BlockStatement" && !isFunction(parent)) || isLoop(node)) {
      inner = new Scope(scope, runners[runners.length - 1]);
      declareAll(node, inner);
    } else if (node.type === "Identifier" && isReference(node, parent)) {
      const binding = scope.find(node.name);
      if (binding) uses.push({ node, binding, around: runners });
      return;
    }
    for (const child of childrenOf(node)) visit(child, node, inner, around);
  };

  const root = new Scope(undefined, program);
  declareAll(program, root);
  for (const child of childrenOf(program)) visit(child, program, root, [program]);

  const usesInside = new Map();
  for (const use of uses) {
    for (const owner of use.around) {
      if (!usesInside.has(owner)) usesInside.set(owner, []);
      usesInside.get(owner).push(use);
    }
  }
  /** All bindings that running a function may touch. */
  const needs = (functionNode, seen) => {
    for (const use of usesInside.get(functionNode) ?? []) {
      if (seen.has(use.binding)) continue;
      seen.add(use.binding);
      if (use.binding.value) needs(use.binding.value, seen);
    }
    return seen;
  };
  for (const { node, binding, around } of uses) {
    const runner = around[around.length - 1];
    if (runner !== binding.owner) continue;
    if (node.start < binding.readyAt) {
      report(node, binding.name);
      continue;
    }
    const missing =
      binding.value &&
      [...needs(binding.value, new Set())].find((need) => need.owner === runner && node.start < need.readyAt);
    if (missing) report(node, `${missing.name}, which ${binding.name} needs`);
  }
}
