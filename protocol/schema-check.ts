import type { Static, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { bad, type Decoded, good } from "./decoded.ts";
import { InexactNumber } from "./json-parser.ts";
import { unknownArgument } from "./unknown-argument.ts";

/** Makes a decoder of a schema. What it refuses, it refuses in words that name the argument (docs/protocol.md 4.5). */
export function schemaDecoder<Schema extends TSchema>(
  schema: Schema,
): (value: unknown) => Decoded<Static<Schema>> {
  const validator = Compile(schema);
  return (value) => {
    if (validator.Check(value)) return good(value as Static<Schema>);
    const errors = validator.Errors(value);
    const unknown = unknownOf(errors);
    // Before what is missing: one is often the other misspelt.
    if (unknown !== undefined) return bad(unknownArgument(unknown, namesOf(schema)));
    return bad(errors.length === 0 ? "does not have the right form" : describe(nearestOf(errors), value));
  };
}

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
}

/** A member that an object does not take (one whose schema has `additionalProperties` false). */
function unknownOf(errors: readonly SchemaError[]): string | undefined {
  const error = errors.find(({ keyword }) => keyword === "additionalProperties");
  if (error === undefined || !("additionalProperties" in error.params)) return undefined;
  return (error.params.additionalProperties as readonly string[])[0];
}

function namesOf(schema: TSchema): readonly string[] {
  return "properties" in schema ? Object.keys(schema.properties as object) : [];
}

/**
 * What to tell of several errors: the first; where that is of one branch of a union, what is wrong inside the branch that was meant, or
 * what there may be instead.
 */
function nearestOf(errors: readonly SchemaError[]): SchemaError {
  const [first] = errors as readonly [SchemaError];
  const { instancePath } = first;
  const end = errors.findIndex((error) => error.keyword === "anyOf" && error.instancePath === instancePath);
  if (end < 0) return first;
  const ofBranches = errors.slice(0, end);
  const inside = ofBranches.find(
    (error) => error.instancePath.startsWith(`${instancePath}/`) || error.keyword === "required",
  );
  if (inside !== undefined) return inside;
  const choices = ofBranches.flatMap(({ params }) =>
    "type" in params ? [params.type] : "allowedValue" in params ? [params.allowedValue] : [],
  );
  return choices.length < 2 ? first : { ...first, message: `must be ${choices.join(" or ")}` };
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
  const message =
    "allowedValues" in error.params
      ? `must be one of ${(error.params.allowedValues as readonly unknown[]).join(", ")}`
      : error.message;
  return path === "" ? message : `${path}: ${message}`;
}
