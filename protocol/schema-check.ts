import type { Static, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { bad, type Decoded, good } from "./decoded.ts";
import { InexactNumber } from "./json-parser.ts";

/** Makes a decoder of a schema. What it refuses, it refuses in words that name the argument (docs/protocol.md 4.5). */
export function schemaDecoder<Schema extends TSchema>(
  schema: Schema,
): (value: unknown) => Decoded<Static<Schema>> {
  const validator = Compile(schema);
  return (value) => {
    if (validator.Check(value)) return good(value as Static<Schema>);
    const error = validator.Errors(value)[0];
    if (error === undefined) return bad("does not have the right form");
    return bad(describe(error, value));
  };
}

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
}

function describe(error: SchemaError, value: unknown): string {
  const path = error.instancePath.slice(1).replaceAll("/", ".");
  if (error.keyword === "required" && "requiredProperties" in error.params) {
    const names = error.params.requiredProperties as readonly string[];
    const name = path === "" ? names[0] : `${path}.${names[0]}`;
    return `${name}: required`;
  }
  const found = path.split(".").reduce<unknown>((at, name) => (at as Record<string, unknown>)?.[name], value);
  const wantsNumber = "type" in error.params && ["integer", "number"].includes(String(error.params.type));
  if (found instanceof InexactNumber && wantsNumber) {
    return `${path}: must be a number between -(2^53-1) and 2^53-1, not ${found.text.slice(0, 40)}`;
  }
  return path === "" ? error.message : `${path}: ${error.message}`;
}
