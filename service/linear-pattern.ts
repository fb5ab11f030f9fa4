import { bad, type Decoded, good } from "../protocol/decoded.ts";

/** Longest pattern, in characters. */
const PATTERN_MAX = 256;
/** Steps of the program a pattern becomes. With `TEXT_MAX` it bounds the work on one text: some 10^6 simple operations. */
const STEPS_MAX = 200;
/** Characters of one text that are looked at. */
export const TEXT_MAX = 16_384;
const ASCII_COUNT = 128;
/** Nesting of groups. */
const DEPTH_MAX = 20;

type CharTest = (code: number) => boolean;
type AssertKind = "start" | "end" | "word" | "not-word";
type Step =
  /** `ascii` answers for the first 128 characters without a call. */
  | { readonly type: "char"; readonly test: CharTest; readonly ascii: Uint8Array }
  | { readonly type: "split"; readonly to: number; readonly or: number }
  | { readonly type: "jump"; readonly to: number }
  | { readonly type: "assert"; readonly kind: AssertKind }
  | { readonly type: "match" };

type Node =
  | { readonly type: "char"; readonly test: CharTest }
  | { readonly type: "assert"; readonly kind: AssertKind }
  | { readonly type: "all"; readonly nodes: readonly Node[] }
  | { readonly type: "any"; readonly nodes: readonly Node[] }
  | { readonly type: "repeat"; readonly node: Node; readonly min: number; readonly max: number };

class PatternError extends Error {}

/**
 * A regular expression that runs in time proportional to the text, whatever the pattern: all alternatives are followed at once and
 * nothing is tried again, so nobody can stall the service with one. The syntax is JavaScript's without lookaround and
 * back-references, which cannot be matched so.
 */
export class LinearPattern {
  readonly #steps: readonly Step[];

  private constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  /** @param isAnyCase as the flag `i`. */
  static parse(pattern: string, isAnyCase: boolean): Decoded<LinearPattern> {
    if (pattern.length > PATTERN_MAX) return bad(`a pattern of more than ${PATTERN_MAX} characters`);
    try {
      const steps: Step[] = [];
      emit(new Parser(pattern, isAnyCase).parse(), steps);
      push(steps, { type: "match" });
      return good(new LinearPattern(steps));
    } catch (error) {
      if (error instanceof PatternError) return bad(error.message);
      throw error;
    }
  }

  /** Whether the pattern matches anywhere in the text (of its first `TEXT_MAX` characters). */
  test(text: string): boolean {
    const steps = this.#steps;
    const end = Math.min(text.length, TEXT_MAX);
    let current: number[] = [];
    let next: number[] = [];
    // When each step was last entered; a step is entered once a position.
    const entered = new Int32Array(steps.length).fill(-1);
    const stack: number[] = [];
    for (let at = 0; ; at++) {
      // A match may begin anywhere.
      current.push(0);
      const waiting: number[] = [];
      for (const first of current) {
        stack.push(first);
        for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
          if (entered[index] === at) continue;
          entered[index] = at;
          const step = steps[index];
          if (step === undefined) continue;
          if (step.type === "match") return true;
          if (step.type === "char") waiting.push(index);
          else if (step.type === "jump") stack.push(step.to);
          else if (step.type === "split") stack.push(step.to, step.or);
          else if (holds(step.kind, text, at)) stack.push(index + 1);
        }
      }
      if (at >= end) return false;
      const code = text.charCodeAt(at);
      next.length = 0;
      for (const index of waiting) {
        const step = steps[index];
        if (step?.type !== "char") continue;
        if (code < ASCII_COUNT ? step.ascii[code] === 1 : step.test(code)) next.push(index + 1);
      }
      [current, next] = [next, current];
    }
  }
}

function holds(kind: AssertKind, text: string, at: number): boolean {
  if (kind === "start") return at === 0;
  if (kind === "end") return at === text.length;
  const isBoundary = isWord(text.charCodeAt(at - 1)) !== isWord(text.charCodeAt(at));
  return (kind === "word") === isBoundary;
}

function emit(node: Node, steps: Step[]): void {
  if (node.type === "char") {
    const ascii = Uint8Array.from({ length: ASCII_COUNT }, (_, code) => Number(node.test(code)));
    push(steps, { ...node, ascii });
  } else if (node.type === "assert") push(steps, node);
  else if (node.type === "all") for (const one of node.nodes) emit(one, steps);
  else if (node.type === "any") emitAny(node.nodes, steps);
  else {
    for (let count = 0; count < node.min; count++) {
      const before = steps.length;
      emit(node.node, steps);
      // Nothing, however often: without this a pattern of 30 characters has it repeated for hours, and adds no step.
      if (steps.length === before) return;
    }
    if (node.max === Number.POSITIVE_INFINITY) {
      const split = steps.length;
      push(steps, { type: "split", to: split + 1, or: split + 1 });
      emit(node.node, steps);
      push(steps, { type: "jump", to: split });
      steps[split] = { type: "split", to: split + 1, or: steps.length };
      return;
    }
    const splits: number[] = [];
    for (let count = node.min; count < node.max; count++) {
      splits.push(steps.length);
      push(steps, { type: "split", to: steps.length + 1, or: 0 });
      emit(node.node, steps);
    }
    for (const split of splits) steps[split] = { type: "split", to: split + 1, or: steps.length };
  }
}

function emitAny(nodes: readonly Node[], steps: Step[]): void {
  const jumps: number[] = [];
  for (const [index, node] of nodes.entries()) {
    if (index === nodes.length - 1) {
      emit(node, steps);
      break;
    }
    const split = steps.length;
    push(steps, { type: "split", to: split + 1, or: 0 });
    emit(node, steps);
    jumps.push(steps.length);
    push(steps, { type: "jump", to: 0 });
    steps[split] = { type: "split", to: split + 1, or: steps.length };
  }
  for (const jump of jumps) steps[jump] = { type: "jump", to: steps.length };
}

function push(steps: Step[], step: Step): void {
  if (steps.length >= STEPS_MAX) throw new PatternError("the pattern is too large: repeat less");
  steps.push(step);
}

const isDigit: CharTest = (code) => code >= 48 && code <= 57;
const isWord: CharTest = (code) =>
  isDigit(code) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95;
const isSpace: CharTest = (code) => /\s/.test(String.fromCharCode(code));
const isLineEnd: CharTest = (code) => code === 10 || code === 13 || code === 0x2028 || code === 0x2029;
const not =
  (test: CharTest): CharTest =>
  (code) =>
    !test(code);
const CLASSES: Readonly<Record<string, CharTest>> = {
  d: isDigit,
  D: not(isDigit),
  w: isWord,
  W: not(isWord),
  s: isSpace,
  S: not(isSpace),
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 };

class Parser {
  readonly #text: string;
  readonly #isAnyCase: boolean;
  #at = 0;
  #depth = 0;

  constructor(text: string, isAnyCase: boolean) {
    this.#text = text;
    this.#isAnyCase = isAnyCase;
  }

  parse(): Node {
    const node = this.#alternatives();
    if (this.#at < this.#text.length) throw new PatternError("a ) too many");
    return node;
  }

  #alternatives(): Node {
    const nodes = [this.#sequence()];
    while (this.#take("|")) nodes.push(this.#sequence());
    return { type: "any", nodes };
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    while (this.#at < this.#text.length && !"|)".includes(this.#peek())) nodes.push(this.#repeated());
    return { type: "all", nodes };
  }

  #repeated(): Node {
    const node = this.#atom();
    const range = this.#quantifier();
    if (range === undefined) return node;
    if (node.type === "assert") throw new PatternError("nothing to repeat");
    // Which of several matches is found makes no difference to whether there is one.
    this.#take("?");
    if ("*+?".includes(this.#peek()) && this.#peek() !== "") throw new PatternError("nothing to repeat");
    const [min, max] = range;
    if (min > max) throw new PatternError("{n,m}: n is more than m");
    return { type: "repeat", node, min, max };
  }

  #quantifier(): readonly [number, number] | undefined {
    if (this.#take("*")) return [0, Number.POSITIVE_INFINITY];
    if (this.#take("+")) return [1, Number.POSITIVE_INFINITY];
    if (this.#take("?")) return [0, 1];
    const found = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(this.#text.slice(this.#at, this.#at + 12));
    if (found === null) return undefined;
    this.#at += found[0].length;
    const min = Number(found[1]);
    if (found[2] === undefined) return [min, min];
    return [min, found[3] === "" ? Number.POSITIVE_INFINITY : Number(found[3])];
  }

  #atom(): Node {
    const char = this.#next();
    if (char === "(") return this.#group();
    if (char === "[") return { type: "char", test: this.#set() };
    if (char === ".") return { type: "char", test: not(isLineEnd) };
    if (char === "^") return { type: "assert", kind: "start" };
    if (char === "$") return { type: "assert", kind: "end" };
    if ("*+?".includes(char)) throw new PatternError("nothing to repeat");
    if (char !== "\\") return { type: "char", test: this.#equal(char.charCodeAt(0)) };
    const kind = this.#peek();
    if (kind === "b" || kind === "B") {
      this.#at += 1;
      return { type: "assert", kind: kind === "b" ? "word" : "not-word" };
    }
    const escaped = this.#escape();
    return { type: "char", test: typeof escaped === "number" ? this.#equal(escaped) : escaped };
  }

  #group(): Node {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw new PatternError("groups are nested too deep");
    if (this.#take("?") && !this.#take(":"))
      throw new PatternError("only (?: groups; no lookaround, no names");
    const node = this.#alternatives();
    if (!this.#take(")")) throw new PatternError("a ) is missing");
    this.#depth -= 1;
    return node;
  }

  #set(): CharTest {
    const isNegated = this.#take("^");
    const tests: CharTest[] = [];
    while (!this.#take("]")) {
      const low = this.#setAtom();
      const isRange =
        this.#peek() === "-" && this.#text[this.#at + 1] !== "]" && this.#at + 1 < this.#text.length;
      if (!isRange || typeof low !== "number") {
        tests.push(typeof low === "number" ? this.#equal(low) : low);
        continue;
      }
      this.#at += 1;
      const high = this.#setAtom();
      if (typeof high !== "number") throw new PatternError("a class is no end of a range");
      if (low > high) throw new PatternError("a range is out of order");
      tests.push(this.#between(low, high));
    }
    const isOne: CharTest = (code) => tests.some((test) => test(code));
    return isNegated ? not(isOne) : isOne;
  }

  #setAtom(): number | CharTest {
    const char = this.#next("a ] is missing");
    if (char !== "\\") return char.charCodeAt(0);
    if (this.#take("b")) return 8;
    return this.#escape();
  }

  #escape(): number | CharTest {
    const char = this.#next("a \\ at the end");
    const inClass = CLASSES[char];
    if (inClass !== undefined) return inClass;
    const control = CONTROLS[char];
    if (control !== undefined) return control;
    if (/[1-9k]/.test(char)) throw new PatternError("no back-references");
    if (/[pPcuxU]/.test(char)) {
      const digits = char === "x" ? 2 : 4;
      const hex = this.#text.slice(this.#at, this.#at + digits);
      if ((char !== "x" && char !== "u") || !new RegExp(`^[0-9a-fA-F]{${digits}}$`).test(hex)) {
        throw new PatternError(`\\${char} is not understood here`);
      }
      this.#at += digits;
      return Number.parseInt(hex, 16);
    }
    return char.charCodeAt(0);
  }

  #equal(code: number): CharTest {
    return this.#between(code, code);
  }

  #between(low: number, high: number): CharTest {
    const isIn: CharTest = (code) => code >= low && code <= high;
    if (!this.#isAnyCase) return isIn;
    return (code) => {
      if (isIn(code)) return true;
      const char = String.fromCharCode(code);
      return isIn(char.toLowerCase().charCodeAt(0)) || isIn(char.toUpperCase().charCodeAt(0));
    };
  }

  #peek(): string {
    return this.#text[this.#at] ?? "";
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at += 1;
    return true;
  }

  #next(missing = "the pattern ends too soon"): string {
    const char = this.#text[this.#at];
    if (char === undefined) throw new PatternError(missing);
    this.#at += 1;
    return char;
  }
}
