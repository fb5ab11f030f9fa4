/** Deepest nesting taken, counted anew inside a verbatim value (docs/protocol.md 2.1). JSON.parse takes millions and blocks. */
export const JSON_DEPTH_MAX = 16;

/** JSON text kept byte for byte instead of being parsed. */
export class Verbatim {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }

  get type(): "string" | "object" | "array" | "other" {
    const start = this.text.charCodeAt(0);
    return start === QUOTE
      ? "string"
      : start === BRACE_OPEN
        ? "object"
        : start === BRACKET_OPEN
          ? "array"
          : "other";
  }
}

/** A number that JavaScript would change: not finite, or an integer beyond 2^53-1 (docs/protocol.md 2.2). */
export class InexactNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type JsonValue = string | number | boolean | null | Verbatim | InexactNumber | JsonArray | JsonObject;
export type JsonArray = readonly JsonValue[];
/** Inherits nothing (`BareObject`): `__proto__` and `constructor` are names like any other (docs/protocol.md 2.3). */
export type JsonObject = { readonly [name: string]: JsonValue };

/** A `JsonObject` whose members are being set. */
export type JsonObjectBuilding = { [name: string]: JsonValue };

/**
 * Makes a `JsonObject`: its prototype has nothing, and no prototype itself. Of an object without any the engine makes a hash table from
 * the start, which took 450 bytes more for each entry of a frame.
 */
export const BareObject = function BareObject() {} as unknown as new () => JsonObjectBuilding;
BareObject.prototype = Object.freeze(Object.create(null));

export interface JsonParserOptions {
  /** Says whether the value of `name`, in the object that is the value of `parent` (undefined at the top), is kept as text. */
  readonly verbatim?: (name: string, parent: string | undefined) => boolean;
  /** The text was decoded with loss: U+FFFD in names and parsed strings is refused. */
  readonly lossy?: boolean;
  /** Deepest nesting of what is parsed; `JSON_DEPTH_MAX` when absent. */
  readonly depthMax?: number;
  /** A lone surrogate in a string becomes U+FFFD; without this it is refused. */
  readonly mendsSurrogates?: boolean;
}

export type JsonParsed =
  | { readonly ok: true; readonly value: JsonValue }
  | { readonly ok: false; readonly reason: string; readonly index: number };

const QUOTE = 0x22;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const INTEGER = /^-?[0-9]+$/;
const HEX4 = /[0-9a-fA-F]{4}/y;

class Refusal extends Error {
  readonly index: number;
  constructor(reason: string, index: number) {
    super(reason);
    this.index = index;
  }
}

/**
 * Parses RFC 8259 JSON without changing anything on the way: chosen values stay text, numbers that a double cannot hold are
 * marked, duplicate names, deep nesting and trailing text are refused.
 */
export function parseJson(text: string, options: JsonParserOptions = {}): JsonParsed {
  return parsed(() => new Parser(text, options).document());
}

/** Takes a text that is one value, and nothing around it, as `verbatim` does: by its form alone. */
export function parseVerbatim(text: string): JsonParsed {
  return parsed(() => new Parser(text, {}).verbatimDocument());
}

function parsed(parse: () => JsonValue): JsonParsed {
  try {
    return { ok: true, value: parse() };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, reason: error.message, index: error.index };
    throw error;
  }
}

class Parser {
  readonly #text: string;
  readonly #options: JsonParserOptions;
  readonly #depthMax: number;
  #index = 0;

  constructor(text: string, options: JsonParserOptions) {
    this.#text = text;
    this.#options = options;
    this.#depthMax = options.depthMax ?? JSON_DEPTH_MAX;
  }

  document(): JsonValue {
    this.#space();
    const value = this.#value(0, undefined);
    this.#space();
    this.#end();
    return value;
  }

  verbatimDocument(): Verbatim {
    const value = this.#verbatim();
    this.#end();
    return value;
  }

  #end(): void {
    if (this.#index < this.#text.length) throw this.#refuse("unexpected text after the end");
  }

  #refuse(reason: string): Refusal {
    return new Refusal(reason, this.#index);
  }

  #space(): void {
    for (;;) {
      const unit = this.#text.charCodeAt(this.#index);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return;
      this.#index += 1;
    }
  }

  #value(depth: number, name: string | undefined): JsonValue {
    switch (this.#text.charCodeAt(this.#index)) {
      case BRACE_OPEN:
        return this.#object(depth + 1, name);
      case BRACKET_OPEN:
        return this.#array(depth + 1, name);
      case QUOTE:
        return this.#string();
      default:
        return this.#scalar();
    }
  }

  #object(depth: number, parent: string | undefined): JsonObject {
    this.#descend(depth, this.#depthMax);
    const object = new BareObject();
    if (this.#closes(BRACE_CLOSE)) return object;
    for (;;) {
      const name = this.#name();
      if (Object.hasOwn(object, name)) throw this.#refuse(`duplicate name ${JSON.stringify(name)}`);
      if (this.#options.verbatim?.(name, parent)) object[name] = this.#verbatim();
      else object[name] = this.#value(depth, name);
      if (this.#endsAfterItem(BRACE_CLOSE, "}")) return object;
    }
  }

  #array(depth: number, name: string | undefined): JsonArray {
    this.#descend(depth, this.#depthMax);
    const array: JsonValue[] = [];
    if (this.#closes(BRACKET_CLOSE)) return array;
    for (;;) {
      array.push(this.#value(depth, name));
      if (this.#endsAfterItem(BRACKET_CLOSE, "]")) return array;
    }
  }

  /** Past the opening brace or bracket. */
  #descend(depth: number, depthMax = JSON_DEPTH_MAX): void {
    if (depth > depthMax) throw this.#refuse(`nested deeper than ${depthMax}`);
    this.#index += 1;
    this.#space();
  }

  #closes(close: number): boolean {
    if (this.#text.charCodeAt(this.#index) !== close) return false;
    this.#index += 1;
    return true;
  }

  #endsAfterItem(close: number, closeText: string): boolean {
    this.#space();
    if (this.#closes(close)) return true;
    if (!this.#closes(COMMA)) throw this.#refuse(`expected , or ${closeText}`);
    this.#space();
    return false;
  }

  #name(): string {
    if (this.#text.charCodeAt(this.#index) !== QUOTE) throw this.#refuse("expected a name in quotes");
    const name = this.#string();
    this.#space();
    if (!this.#closes(COLON)) throw this.#refuse("expected :");
    this.#space();
    return name;
  }

  #string(): string {
    const start = this.#index;
    const escaped = this.#skipString();
    const end = this.#index;
    const string = escaped
      ? (JSON.parse(this.#text.slice(start, end)) as string)
      : this.#text.slice(start + 1, end - 1);
    if (escaped && !string.isWellFormed()) {
      if (this.#options.mendsSurrogates !== true) throw this.#refuse("lone surrogate");
      return string.toWellFormed();
    }
    if (this.#options.lossy && string.includes("\ufffd")) throw this.#refuse("invalid UTF-8");
    return string;
  }

  /** Moves past a string and says whether it has escapes. */
  #skipString(): boolean {
    const text = this.#text;
    let index = this.#index + 1;
    let escaped = false;
    for (; ; index++) {
      const unit = text.charCodeAt(index);
      if (unit === QUOTE) break;
      if (unit === BACKSLASH) {
        escaped = true;
        index = this.#escapeEnd(index);
      } else if (!(unit >= 0x20)) {
        this.#index = index;
        throw this.#refuse(index >= text.length ? "string without an end" : "control character in a string");
      }
    }
    this.#index = index + 1;
    return escaped;
  }

  /** Index of the last character of the escape that starts at `index`. */
  #escapeEnd(index: number): number {
    const kind = this.#text[index + 1] ?? "";
    if (kind !== "" && '"\\/bfnrt'.includes(kind)) return index + 1;
    HEX4.lastIndex = index + 2;
    if (kind === "u" && HEX4.test(this.#text)) return index + 5;
    this.#index = index;
    throw this.#refuse("bad escape in a string");
  }

  #scalar(): JsonValue {
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#index)) {
        this.#index += word.length;
        return value;
      }
    }
    const digits = this.#skipNumber();
    const value = Number(digits);
    const exact = Number.isFinite(value) && (Number.isSafeInteger(value) || !INTEGER.test(digits));
    return exact ? value : new InexactNumber(digits);
  }

  #skipNumber(): string {
    NUMBER.lastIndex = this.#index;
    const match = NUMBER.exec(this.#text);
    if (match === null) {
      throw this.#refuse(this.#index >= this.#text.length ? "unexpected end" : "unexpected character");
    }
    this.#index += match[0].length;
    return match[0];
  }

  #verbatim(): Verbatim {
    const start = this.#index;
    this.#skip(0);
    return new Verbatim(this.#text.slice(start, this.#index));
  }

  /** Moves past any value, checking its form and nothing else. */
  #skip(depth: number): void {
    const start = this.#text.charCodeAt(this.#index);
    if (start === QUOTE) {
      this.#skipString();
    } else if (start === BRACE_OPEN || start === BRACKET_OPEN) {
      const isObject = start === BRACE_OPEN;
      const close = isObject ? BRACE_CLOSE : BRACKET_CLOSE;
      this.#descend(depth + 1);
      if (this.#closes(close)) return;
      do {
        if (isObject) this.#skipName();
        this.#skip(depth + 1);
      } while (!this.#endsAfterItem(close, isObject ? "}" : "]"));
    } else {
      for (const [word] of WORDS) {
        if (this.#text.startsWith(word, this.#index)) {
          this.#index += word.length;
          return;
        }
      }
      this.#skipNumber();
    }
  }

  #skipName(): void {
    if (this.#text.charCodeAt(this.#index) !== QUOTE) throw this.#refuse("expected a name in quotes");
    this.#skipString();
    this.#space();
    if (!this.#closes(COLON)) throw this.#refuse("expected :");
    this.#space();
  }
}

const WORDS: readonly (readonly [string, boolean | null])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];
