import Type, { type Static } from "typebox";

/** The setting `log`: how a process logs what it does. */
export const LogSchema = Type.Object(
  {
    level: Type.Optional(Type.Enum(["debug", "info", "warn", "error"])),
    form: Type.Optional(Type.Enum(["json", "pretty"])),
  },
  { additionalProperties: false },
);

export type LogSetting = Required<Static<typeof LogSchema>>;

export function logOf({ level = "info", form = "json" }: Static<typeof LogSchema> = {}): LogSetting {
  return { level, form };
}
