import { hostname } from "node:os";
import Type, { type Static } from "typebox";
import type { BrokerSetting } from "../gateway/broker-setting.ts";
import { DEVICES_MAX_DEFAULT } from "../gateway/devices-max.ts";
import type { UdpSetting } from "../gateway/gateway.ts";
import type { ClubbySinkOptions } from "../gateway/outputs/clubby-sink.ts";
import { FlowControl, parseSerialSetting, type SerialSetting } from "../gateway/serial-setting.ts";
import { SPOOL_DEFAULTS, type SpoolOptions } from "../gateway/spool/spool.ts";
import type { SourceRate } from "../gateway/throttle.ts";
import type { TlsTrust } from "../gateway/tls-trust.ts";
import { TopicKind, type TopicRoute } from "../gateway/topic-route.ts";
import { Senders } from "../gateway/udp-link.ts";
import { isGatewayId } from "../protocol/ingest.ts";
import { checkSrc, isProject } from "../protocol/names.ts";
import { BrokerSchema, brokerOf, routesOf, TopicsSchema } from "./broker-settings.ts";
import { LogSchema, type LogSetting, logOf } from "./log-setting.ts";
import { type OutputSettings, OutputsSchema, outputsOf } from "./output-settings.ts";
import { secretIn } from "./secret-file.ts";
import { type HostPort, hostPortOf } from "./settings.ts";
import { readSettingsFile, type SettingPath, type SettingsFile } from "./settings-file.ts";
import { SourceRateSchema, sourceRate } from "./source-rate-setting.ts";
import { TLS_PROPERTIES, tlsOf } from "./tls-settings.ts";

const Text = Type.String({ minLength: 1 });
const closed = { additionalProperties: false };

/** How entries go to the service: by positions and exactly once, or by the seed's frames to a service that knows no more. */
export const UplinkKind = { Boardlog: "boardlog", Clubby: "clubby" } as const;
export type UplinkKind = (typeof UplinkKind)[keyof typeof UplinkKind];

const ClubbySchema = Type.Object(
  {
    dst: Type.Optional(Text),
    srcPrefix: Type.Optional(Text),
    frameCommands: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
  },
  closed,
);

/** The settings file of `boardlog gateway`; `packaging/gateway.yaml` explains each. */
export const GatewaySettingsSchema = Type.Object(
  {
    id: Type.Optional(Text),
    project: Type.Optional(Text),
    data: Text,
    uplink: Type.Optional(Type.Enum(Object.values(UplinkKind))),
    service: Type.Object({ url: Text, keyFile: Type.Optional(Text), ...TLS_PROPERTIES }, closed),
    clubby: Type.Optional(ClubbySchema),
    outputs: Type.Optional(OutputsSchema),
    serial: Type.Optional(
      Type.Array(
        Type.Union([
          Text,
          Type.Object(
            {
              path: Text,
              baud: Type.Optional(Type.Integer()),
              source: Type.Optional(Text),
              flowControl: Type.Optional(Type.Enum(Object.values(FlowControl))),
              halfDuplex: Type.Optional(Type.Boolean()),
              console: Type.Optional(Type.Boolean()),
            },
            closed,
          ),
        ]),
      ),
    ),
    brokers: Type.Optional(Type.Array(Type.Union([Text, BrokerSchema]))),
    mqtt: Type.Optional(
      Type.Object(
        {
          listen: Type.Union([Text, Type.Integer()]),
          keyFile: Type.Optional(Text),
          connectionsMax: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
          topics: Type.Optional(TopicsSchema),
        },
        closed,
      ),
    ),
    udp: Type.Optional(
      Type.Array(
        Type.Object(
          {
            listen: Type.Union([Text, Type.Integer()]),
            kind: Type.Enum([TopicKind.Shelly, TopicKind.MongooseOs]),
            from: Type.Array(Text, { minItems: 1 }),
          },
          closed,
        ),
      ),
    ),
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
    sourceRate: Type.Optional(SourceRateSchema),
    devicesMax: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    clockWaitMinutes: Type.Optional(Type.Number({ minimum: 0, maximum: 1_440 })),
    status: Type.Optional(Type.Union([Text, Type.Integer()])),
    log: Type.Optional(LogSchema),
  },
  closed,
);

type FileSettings = Static<typeof GatewaySettingsSchema>;

interface ServiceAddress {
  readonly url: string;
  readonly tls?: TlsTrust;
}

/** Where entries go first. */
export type ServiceSetting =
  | (ServiceAddress & { readonly uplink: typeof UplinkKind.Boardlog; readonly key: string })
  | (ServiceAddress & {
      readonly uplink: typeof UplinkKind.Clubby;
      readonly key?: string;
      readonly clubby: Pick<ClubbySinkOptions, "dst" | "srcPrefix" | "frameCommandsMax">;
    });

export interface GatewaySettings {
  readonly id: string;
  readonly project: string;
  readonly data: string;
  readonly service: ServiceSetting;
  readonly outputs: OutputSettings;
  readonly serial: readonly SerialSetting[];
  readonly brokers: readonly BrokerSetting[];
  readonly mqtt?: {
    readonly listen: HostPort;
    /** Password of those who show the project as user name. */
    readonly key?: string;
    readonly connectionsMax?: number;
    readonly routes: readonly TopicRoute[];
  };
  readonly udp: readonly UdpSetting[];
  readonly spool: Pick<SpoolOptions, "bytesMax" | "whenFull" | "replayHorizonMs">;
  readonly sourceRate: SourceRate;
  readonly devicesMax: number;
  /** Longest wait for the machine's clock to be set. */
  readonly clockWaitMs: number;
  readonly status: HostPort;
  readonly log: LogSetting;
}

const CLOCK_WAIT_MINUTES = 10;
const STATUS_PORT_DEFAULT = 7481;
const MQTT_PORT_DEFAULT = 1883;

/** Settings are overridden by variables that begin so: `BOARDLOG_GATEWAY_SPOOL_MAX_MB` is `spool.maxMb`. */
const VARIABLE_PREFIX = "BOARDLOG_GATEWAY";

/** @throws UserError naming the file and line, the setting and what is wrong with it. */
export async function gatewaySettings(path: string, env = process.env): Promise<GatewaySettings> {
  const { value: file, wrong } = await readSettingsFile(path, GatewaySettingsSchema, {
    variablePrefix: VARIABLE_PREFIX,
    env,
  });
  const id = file.id ?? hostname();
  if (!isGatewayId(id)) {
    const words = `${JSON.stringify(id)} must be 1 to 64 letters, digits, dots, dashes or underscores`;
    throw wrong(["id"], file.id === undefined ? `the host name ${words}; set an id` : words);
  }
  const project = file.project ?? "default";
  if (!isProject(project))
    throw wrong(["project"], "must be 1 to 64 letters, digits, dots, dashes or underscores");
  const brokers: BrokerSetting[] = [];
  for (const [index, broker] of (file.brokers ?? []).entries()) {
    const setting = await brokerOf(broker, ["brokers", index], wrong);
    const { host, port } = setting.target;
    if (brokers.some(({ target }) => target.host === host && target.port === port))
      throw wrong(["brokers", index], `${host}:${port} is there twice; put the topics together`);
    brokers.push(setting);
  }
  const { spool = {} } = file;
  const mqtt = await mqttOf(file.mqtt, wrong);
  return {
    id,
    project,
    data: file.data,
    service: await serviceOf(file, wrong),
    outputs: await outputsOf(file.outputs, wrong),
    serial: (file.serial ?? []).map((each, index) => serialOf(each, ["serial", index], wrong)),
    brokers,
    ...(mqtt !== undefined && { mqtt }),
    udp: (file.udp ?? []).map((each, index) => udpOf(each, ["udp", index], wrong)),
    spool: {
      bytesMax: spool.maxMb === undefined ? SPOOL_DEFAULTS.bytesMax : spool.maxMb * 1024 * 1024,
      whenFull: spool.whenFull ?? SPOOL_DEFAULTS.whenFull,
      replayHorizonMs:
        spool.replayMinutes === undefined ? SPOOL_DEFAULTS.replayHorizonMs : spool.replayMinutes * 60_000,
    },
    sourceRate: sourceRate(file.sourceRate),
    devicesMax: devicesMaxOf(file, wrong),
    clockWaitMs: (file.clockWaitMinutes ?? CLOCK_WAIT_MINUTES) * 60_000,
    status: hostPortOf(file.status, STATUS_PORT_DEFAULT, (text) => wrong(["status"], text)),
    log: logOf(file.log),
  };
}

type Wrong = SettingsFile<unknown>["wrong"];

async function serviceOf(file: FileSettings, wrong: Wrong): Promise<ServiceSetting> {
  const { service, uplink = UplinkKind.Boardlog, clubby } = file;
  const { url, keyFile } = service;
  const isClubby = uplink === UplinkKind.Clubby;
  const forms = isClubby
    ? "http://host:port, https://, ws:// or wss://..."
    : "http://host:port or https://...";
  if (!(isClubby ? /^(http|ws)s?:\/\/[^/]/ : /^https?:\/\/[^/]/).test(url) || !URL.canParse(url))
    throw wrong(["service", "url"], `must be ${forms}`);
  const form = isClubby ? "https://... or wss://..." : "https://...";
  const isTls = /^(https|wss):/.test(url);
  const tls = await tlsOf(service, ["service"], wrong, { isTls, form });
  const key =
    keyFile === undefined
      ? undefined
      : await secretIn(keyFile, (text) => wrong(["service", "keyFile"], text));
  const address = { url, ...(tls !== undefined && { tls }) };
  if (isClubby) {
    const { dst, srcPrefix, frameCommands = 1 } = clubby ?? {};
    return {
      ...address,
      uplink,
      ...(key !== undefined && { key }),
      clubby: { dst, srcPrefix, frameCommandsMax: frameCommands },
    };
  }
  if (clubby !== undefined) throw wrong(["clubby"], "is of use only with uplink: clubby");
  if (key === undefined) throw wrong(["service"], "keyFile: required, unless there is uplink: clubby");
  return { ...address, uplink: UplinkKind.Boardlog, key };
}

/** Who lets in more connections means to hold their boards. */
function devicesMaxOf({ devicesMax, mqtt }: FileSettings, wrong: Wrong): number {
  const { connectionsMax = 0 } = mqtt ?? {};
  if (devicesMax !== undefined && connectionsMax > devicesMax) {
    const words = `lets in more than the gateway holds: take it away, or set devicesMax to ${connectionsMax} or more`;
    throw wrong(["mqtt", "connectionsMax"], words);
  }
  return devicesMax ?? Math.max(DEVICES_MAX_DEFAULT, connectionsMax);
}

async function mqttOf(given: FileSettings["mqtt"], wrong: Wrong): Promise<GatewaySettings["mqtt"]> {
  if (given === undefined) return undefined;
  const { listen, keyFile, connectionsMax, topics } = given;
  const key =
    keyFile === undefined ? undefined : await secretIn(keyFile, (text) => wrong(["mqtt", "keyFile"], text));
  return {
    listen: hostPortOf(listen, MQTT_PORT_DEFAULT, (text) => wrong(["mqtt", "listen"], text)),
    ...(key !== undefined && { key }),
    ...(connectionsMax !== undefined && { connectionsMax }),
    routes: routesOf(topics, ["mqtt", "topics"], wrong),
  };
}

function udpOf(
  { listen, kind, from }: NonNullable<FileSettings["udp"]>[number],
  at: SettingPath,
  wrong: Wrong,
): UdpSetting {
  const { host, port } = hostPortOf(listen, 0, (text) => wrong([...at, "listen"], text));
  const senders = Senders.parse(from);
  if (!senders.ok) throw wrong([...at, "from"], senders.problem.text.replace(/^from: /, ""));
  return { host, port, kind, senders: senders.value };
}

function serialOf(
  setting: NonNullable<FileSettings["serial"]>[number],
  at: SettingPath,
  wrong: Wrong,
): SerialSetting {
  const given =
    typeof setting === "string" ? ({ path: setting } as Exclude<typeof setting, string>) : setting;
  const { path, baud, source, flowControl, halfDuplex } = given;
  const parsed = parseSerialSetting(baud === undefined ? path : `${path}:${baud}`);
  if (!parsed.ok) throw wrong(at, parsed.problem.text.replace(/^serial: /, ""));
  const src = source === undefined ? undefined : checkSrc(source, "source");
  if (src?.ok === false) throw wrong([...at, "source"], src.problem.text.replace(/^source: /, ""));
  const isConsole = given.console ?? parsed.value.isConsole ?? false;
  if (isConsole && halfDuplex)
    throw wrong(
      [...at, "halfDuplex"],
      "a board's console talks both ways at once; take one of halfDuplex and console away",
    );
  return {
    ...parsed.value,
    ...(isConsole && { isConsole }),
    ...(source !== undefined && { source }),
    ...(flowControl !== undefined && { flowControl }),
    ...(halfDuplex !== undefined && { isHalfDuplex: halfDuplex }),
  };
}
