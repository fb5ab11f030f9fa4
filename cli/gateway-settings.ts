import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import Type, { type Static } from "typebox";
import { parseSerialSetting, type SerialSetting } from "../gateway/serial-setting.ts";
import { SPOOL_DEFAULTS, type SpoolOptions } from "../gateway/spool/spool.ts";
import { isGatewayId } from "../protocol/ingest.ts";
import { checkSrc, isProject } from "../protocol/names.ts";
import { type HostPort, parseHostPort, readSettingsFile } from "./settings.ts";
import { UserError } from "./user-error.ts";

const Text = Type.String({ minLength: 1 });
const closed = { additionalProperties: false };

/** The settings file of `boardlog gateway`; `packaging/gateway.yaml` explains each. */
export const GatewaySettingsSchema = Type.Object(
  {
    id: Type.Optional(Text),
    project: Type.Optional(Text),
    data: Text,
    service: Type.Object({ url: Text, keyFile: Text }, closed),
    serial: Type.Optional(
      Type.Array(
        Type.Union([
          Text,
          Type.Object(
            { path: Text, baud: Type.Optional(Type.Integer()), source: Type.Optional(Text) },
            closed,
          ),
        ]),
      ),
    ),
    brokers: Type.Optional(Type.Array(Text)),
    mqtt: Type.Optional(Type.Object({ listen: Type.Union([Text, Type.Integer()]), keyFile: Text }, closed)),
    spool: Type.Optional(
      Type.Object(
        {
          maxMb: Type.Optional(Type.Integer({ minimum: 40, maximum: 1_000_000 })),
          whenFull: Type.Optional(Type.Union([Type.Literal("wait"), Type.Literal("evict")])),
          replayMinutes: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_080 })),
        },
        closed,
      ),
    ),
    status: Type.Optional(Type.Union([Text, Type.Integer()])),
  },
  closed,
);

type FileSettings = Static<typeof GatewaySettingsSchema>;

export interface GatewaySettings {
  readonly id: string;
  readonly project: string;
  readonly data: string;
  readonly service: { readonly url: string; readonly key: string };
  readonly serial: readonly SerialSetting[];
  readonly brokers: readonly string[];
  readonly mqtt?: { readonly listen: HostPort; readonly key: string };
  readonly spool: Pick<SpoolOptions, "bytesMax" | "whenFull" | "replayHorizonMs">;
  readonly status: HostPort;
}

const STATUS_PORT_DEFAULT = 7481;
const MQTT_PORT_DEFAULT = 1883;

/** @throws UserError naming the file, the setting and what is wrong with it. */
export async function gatewaySettings(path: string): Promise<GatewaySettings> {
  const file = await readSettingsFile(path, GatewaySettingsSchema);
  const wrong = (text: string): UserError => new UserError(`${path}: ${text}`);
  const id = file.id ?? hostname();
  if (!isGatewayId(id))
    throw wrong(`id: ${JSON.stringify(id)} must be 1 to 64 letters, digits, dots, dashes or underscores`);
  const project = file.project ?? "default";
  if (!isProject(project))
    throw wrong("project: must be 1 to 64 letters, digits, dots, dashes or underscores");
  if (!/^https?:\/\/[^/]/.test(file.service.url))
    throw wrong("service.url: must be http://host:port or https://...");
  for (const url of file.brokers ?? []) {
    if (!/^mqtts?:\/\/[^/]/.test(url))
      throw wrong("brokers: must be mqtt://[user:password@]host[:port] or mqtts://...");
  }
  const { mqtt, spool = {} } = file;
  return {
    id,
    project,
    data: file.data,
    service: { url: file.service.url, key: await secretIn(path, "service.keyFile", file.service.keyFile) },
    serial: (file.serial ?? []).map((each) => serialOf(each, wrong)),
    brokers: file.brokers ?? [],
    ...(mqtt !== undefined && {
      mqtt: {
        listen: parseHostPort(`${path}: mqtt.listen`, mqtt.listen, MQTT_PORT_DEFAULT),
        key: await secretIn(path, "mqtt.keyFile", mqtt.keyFile),
      },
    }),
    spool: {
      bytesMax: spool.maxMb === undefined ? SPOOL_DEFAULTS.bytesMax : spool.maxMb * 1024 * 1024,
      whenFull: spool.whenFull ?? SPOOL_DEFAULTS.whenFull,
      replayHorizonMs:
        spool.replayMinutes === undefined ? SPOOL_DEFAULTS.replayHorizonMs : spool.replayMinutes * 60_000,
    },
    status: parseHostPort(`${path}: status`, file.status, STATUS_PORT_DEFAULT),
  };
}

function serialOf(
  setting: NonNullable<FileSettings["serial"]>[number],
  wrong: (text: string) => UserError,
): SerialSetting {
  const { path, baud, source } =
    typeof setting === "string" ? { path: setting, baud: undefined, source: undefined } : setting;
  const parsed = parseSerialSetting(baud === undefined ? path : `${path}:${baud}`);
  if (!parsed.ok) throw wrong(parsed.problem.text);
  const src = source === undefined ? undefined : checkSrc(source, "serial.source");
  if (src?.ok === false) throw wrong(src.problem.text);
  return { ...parsed.value, ...(source !== undefined && { source }) };
}

/** A secret is never in the settings themselves. `$CREDENTIALS_DIRECTORY/` at the start stands for systemd's folder. */
async function secretIn(path: string, name: string, file: string): Promise<string> {
  const resolved = file.replace(/^\$CREDENTIALS_DIRECTORY(?=\/)/, process.env.CREDENTIALS_DIRECTORY ?? "");
  let text: string;
  try {
    text = (await readFile(resolved, "utf8")).trim();
  } catch (error) {
    throw new UserError(
      `${path}: ${name}: cannot read ${resolved}: ${(error as NodeJS.ErrnoException).code}`,
    );
  }
  if (text === "") throw new UserError(`${path}: ${name}: ${resolved} is empty`);
  return text;
}
