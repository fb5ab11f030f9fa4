import Type, { type Static } from "typebox";
import { parseBrokerUrl } from "../gateway/broker-setting.ts";
import type { MqttTarget } from "../gateway/mqtt-connection.ts";
import type { SourceRate } from "../gateway/throttle.ts";
import type { NameQuotaOptions } from "../service/name-quota.ts";
import { type KeepOptions, KeepSchema, keepOfFlags, keepOptions } from "./keep-setting.ts";
import { nameQuota, QuotaSchema } from "./quota-setting.ts";
import { secretIn } from "./secret-file.ts";
import { SourceRateSchema, sourceRate } from "./source-rate-setting.ts";
import { pairProblem } from "./tls-settings.ts";
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
    keep: Type.Optional(KeepSchema),
    quota: Type.Optional(QuotaSchema),
    sourceRate: Type.Optional(SourceRateSchema),
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
  readonly keepDays?: string;
  readonly keepMb?: string;
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
  readonly broker?: MqttTarget;
  /** The same as given, for the simulated boards of the demo. */
  readonly brokerUrl?: string;
  readonly serial: readonly string[];
  /** Contents of the PEM files. */
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly keyRate?: number;
  readonly keep: KeepOptions;
  readonly nameQuota: NameQuotaOptions;
  readonly sourceRate: SourceRate;
  readonly demo: boolean;
  readonly quiet: boolean;
}

export const HTTP_PORT_DEFAULT = 7480;
export const MQTT_PORT_DEFAULT = 1883;
const LOOPBACK = "127.0.0.1";

/** Merges flags (with their environment variables), the settings file and the defaults, in this order of weight. */
export async function upSettings(flags: UpFlags): Promise<UpSettings> {
  const file: FileSettings =
    flags.settings === undefined
      ? {}
      : (await (await import("./settings-file.ts")).readSettingsFile(flags.settings, SettingsSchema)).value;
  const broker = flags.broker ?? file.broker;
  const target = broker === undefined ? undefined : parseBrokerUrl(broker);
  if (target?.ok === false) throw new UserError(`--broker: ${target.problem.text}`);
  if (broker !== undefined && (flags.mqtt ?? file.mqtt) !== undefined) {
    throw new UserError("--broker and --mqtt: one or the other; --mqtt is the embedded broker's address");
  }
  const serial = flags.serial ?? (typeof file.serial === "string" ? [file.serial] : (file.serial ?? []));
  return {
    data: flags.data ?? file.data ?? "./boardlog-data",
    http: parseHostPort("--http", flags.http ?? file.http, HTTP_PORT_DEFAULT),
    mqtt: parseHostPort("--mqtt", flags.mqtt ?? file.mqtt, MQTT_PORT_DEFAULT),
    ...(broker !== undefined && target !== undefined && { brokerUrl: broker, broker: target.value }),
    serial,
    ...(file.tls !== undefined && {
      tls: await readTls(file.tls, (name, text) => new UserError(`tls.${name}: ${text}`)),
    }),
    ...(file.keyRate !== undefined && { keyRate: file.keyRate }),
    sourceRate: sourceRate(file.sourceRate),
    nameQuota: nameQuota(file.quota),
    keep: keepOptions({ ...file.keep, ...keepOfFlags(flags.keepDays, flags.keepMb) }),
    demo: flags.demo ?? file.demo ?? false,
    quiet: flags.quiet ?? file.quiet ?? false,
  };
}

/** Reads `HOST:PORT`, `[V6]:PORT` or `PORT` of a flag. @throws UserError */
export function parseHostPort(
  flag: string,
  value: string | number | undefined,
  portDefault: number,
): HostPort {
  return hostPortOf(value, portDefault, (text) => new UserError(`${flag}: ${text}`));
}

/** The same of a setting. @throws what `wrong` makes */
export function hostPortOf(
  value: string | number | undefined,
  portDefault: number,
  wrong: (text: string) => UserError,
): HostPort {
  if (value === undefined) return { host: LOOPBACK, port: portDefault, isDefault: true };
  const [, v6, name, digits] =
    /^(?:(?:\[([0-9a-fA-F:]+)\]|([^:[\]\s]+)):)?([0-9]{1,5})$/.exec(String(value)) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) {
    throw wrong(`${String(value)} is not a PORT or HOST:PORT (a port is 0 to 65535)`);
  }
  return { host: v6 ?? name ?? LOOPBACK, port, isDefault: false };
}

/** Contents of the PEM files. @throws what `wrong` makes */
export async function readTls(
  files: { readonly cert: string; readonly key: string },
  wrong: (name: "cert" | "key", text: string) => UserError,
): Promise<{ readonly cert: string; readonly key: string }> {
  const read = (name: "cert" | "key"): Promise<string> => secretIn(files[name], (text) => wrong(name, text));
  const pem = { cert: await read("cert"), key: await read("key") };
  const problem = pairProblem(pem);
  if (problem !== undefined) throw wrong(problem.of, `${files[problem.of]} ${problem.text}`);
  return pem;
}
