import { readFile } from "node:fs/promises";
import Type, { type Static, type TObject } from "typebox";
import { parse, YAMLParseError } from "yaml";
import { schemaDecoder } from "../protocol/schema-check.ts";
import { UserError } from "./user-error.ts";

/** The settings file of `up`: the same names as its flags. */
const SettingsSchema = Type.Object(
  {
    data: Type.Optional(Type.String({ minLength: 1 })),
    http: Type.Optional(Type.Union([Type.String(), Type.Integer()])),
    mqtt: Type.Optional(Type.Union([Type.String(), Type.Integer()])),
    broker: Type.Optional(Type.String()),
    serial: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
    /** PEM files: the page and API are served over TLS alone. */
    tls: Type.Optional(
      Type.Object(
        { cert: Type.String({ minLength: 1 }), key: Type.String({ minLength: 1 }) },
        { additionalProperties: false },
      ),
    ),
    /** Commands a second of keys that are not admin and have no rate of their own. */
    keyRate: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    demo: Type.Optional(Type.Boolean()),
    quiet: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

export type FileSettings = Static<typeof SettingsSchema>;

/** Flags of `up` as the command line gives them. */
export interface UpFlags {
  readonly data?: string;
  readonly http?: string;
  readonly mqtt?: string;
  readonly broker?: string;
  readonly serial?: readonly string[];
  readonly settings?: string;
  readonly demo?: boolean;
  readonly quiet?: boolean;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
  /** Nobody named it: when it is taken, the next free one serves as well. */
  readonly isDefault: boolean;
}

export interface UpSettings {
  readonly data: string;
  readonly http: HostPort;
  readonly mqtt: HostPort;
  readonly broker?: string;
  readonly serial: readonly string[];
  /** Contents of the PEM files. */
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly keyRate?: number;
  readonly demo: boolean;
  readonly quiet: boolean;
}

export const HTTP_PORT_DEFAULT = 7480;
export const MQTT_PORT_DEFAULT = 1883;
const LOOPBACK = "127.0.0.1";

/** Merges flags (with their environment variables), the settings file and the defaults, in this order of weight. */
export async function upSettings(flags: UpFlags): Promise<UpSettings> {
  const file = flags.settings === undefined ? {} : await readSettingsFile(flags.settings, SettingsSchema);
  const broker = flags.broker ?? file.broker;
  if (broker !== undefined && !/^mqtts?:\/\/[^/]/.test(broker)) {
    throw new UserError(`--broker: must be mqtt://[user:password@]host[:port] or mqtts://...`);
  }
  if (broker !== undefined && (flags.mqtt ?? file.mqtt) !== undefined) {
    throw new UserError("--broker and --mqtt: one or the other; --mqtt is the embedded broker's address");
  }
  const serial = flags.serial ?? (typeof file.serial === "string" ? [file.serial] : (file.serial ?? []));
  return {
    data: flags.data ?? file.data ?? "./boardlog-data",
    http: parseHostPort("--http", flags.http ?? file.http, HTTP_PORT_DEFAULT),
    mqtt: parseHostPort("--mqtt", flags.mqtt ?? file.mqtt, MQTT_PORT_DEFAULT),
    ...(broker !== undefined && { broker }),
    serial,
    ...(file.tls !== undefined && { tls: await readTls(file.tls) }),
    ...(file.keyRate !== undefined && { keyRate: file.keyRate }),
    demo: flags.demo ?? file.demo ?? false,
    quiet: flags.quiet ?? file.quiet ?? false,
  };
}

/** Reads `HOST:PORT`, `[V6]:PORT` or `PORT`. */
export function parseHostPort(
  flag: string,
  value: string | number | undefined,
  portDefault: number,
): HostPort {
  if (value === undefined) return { host: LOOPBACK, port: portDefault, isDefault: true };
  const [, v6, name, digits] =
    /^(?:(?:\[([0-9a-fA-F:]+)\]|([^:[\]\s]+)):)?([0-9]{1,5})$/.exec(String(value)) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) {
    throw new UserError(`${flag}: ${String(value)} is not a PORT or HOST:PORT (a port is 0 to 65535)`);
  }
  return { host: v6 ?? name ?? LOOPBACK, port, isDefault: false };
}

async function readTls({ cert, key }: { readonly cert: string; readonly key: string }) {
  const read = (name: string, path: string): Promise<string> =>
    readFile(path, "utf8").catch((error: Error) => {
      throw new UserError(`tls.${name}: cannot read ${path}: ${error.message}`);
    });
  return { cert: await read("cert", cert), key: await read("key", key) };
}

/** A YAML file that a schema describes. @throws UserError naming the file, the line or the setting, and what is wrong. */
export async function readSettingsFile<Schema extends TObject>(
  path: string,
  schema: Schema,
): Promise<Static<Schema>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new UserError(
      `--settings: cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  let value: unknown;
  try {
    value = parse(text) ?? {};
  } catch (error) {
    if (error instanceof YAMLParseError) throw new UserError(`${path}: ${error.message}`);
    throw error;
  }
  const unknown = Object.keys(Object(value)).find((name) => !(name in schema.properties));
  if (unknown !== undefined) {
    throw new UserError(
      `${path}: ${unknown}: no such setting; there are ${Object.keys(schema.properties).join(", ")}`,
    );
  }
  const decoded = schemaDecoder(schema)(value);
  if (!decoded.ok) throw new UserError(`${path}: ${decoded.problem.text}`);
  return decoded.value;
}
