import Type, { type Static } from "typebox";
import { isProject, PROJECT_DEFAULT } from "../protocol/names.ts";
import type { NameQuotaOptions } from "../service/name-quota.ts";
import { ClusterSchema, type ClusterSetting, clusterOf } from "./cluster-settings.ts";
import { type KeepOptions, KeepSchema, keepOptions } from "./keep-setting.ts";
import { LogSchema, type LogSetting, logOf } from "./log-setting.ts";
import { nameQuota, QuotaSchema } from "./quota-setting.ts";
import { type HostPort, HTTP_PORT_DEFAULT, hostPortOf, readTls } from "./settings.ts";
import { readSettingsFile } from "./settings-file.ts";

const Text = Type.String({ minLength: 1 });
const closed = { additionalProperties: false };

/** The settings file of `boardlog service`; `packaging/service.yaml` explains each. */
export const ServiceSettingsSchema = Type.Object(
  {
    data: Text,
    store: Type.Optional(Text),
    cluster: Type.Optional(ClusterSchema),
    http: Type.Optional(Type.Union([Text, Type.Integer()])),
    tls: Type.Optional(Type.Object({ cert: Text, key: Text }, closed)),
    origins: Type.Optional(Type.Array(Text)),
    projects: Type.Optional(Type.Array(Text)),
    keyRate: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    keep: Type.Optional(KeepSchema),
    quota: Type.Optional(QuotaSchema),
    live: Type.Optional(
      Type.Object({ readerKb: Type.Optional(Type.Integer({ minimum: 64, maximum: 65_536 })) }, closed),
    ),
    log: Type.Optional(LogSchema),
  },
  closed,
);

export type ServiceFileSettings = Static<typeof ServiceSettingsSchema>;

export interface ServiceSettings {
  readonly data: string;
  /** Where the log is; in the data folder where there is none. */
  readonly cluster?: ClusterSetting;
  readonly http: HostPort;
  /** Contents of the PEM files. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Other sites whose pages may use this service, as browsers name them. */
  readonly origins: readonly string[];
  readonly projects: readonly string[];
  readonly keyRate?: number;
  readonly keep: KeepOptions;
  readonly nameQuota: NameQuotaOptions;
  readonly readerBytesMax?: number;
  readonly log: LogSetting;
}

/** Settings are overridden by variables that begin so: `BOARDLOG_SERVICE_KEY_RATE` is `keyRate`. */
const VARIABLE_PREFIX = "BOARDLOG_SERVICE";

/** @throws UserError naming the file and line, the setting and what is wrong with it. */
export async function serviceSettings(path: string, env = process.env): Promise<ServiceSettings> {
  const { value: file, wrong } = await readSettingsFile(path, ServiceSettingsSchema, {
    variablePrefix: VARIABLE_PREFIX,
    env,
  });
  const projects = file.projects ?? [PROJECT_DEFAULT];
  if (projects.length === 0) throw wrong(["projects"], "name one at least, or leave it out");
  for (const [index, project] of projects.entries()) {
    if (!isProject(project))
      throw wrong(["projects", index], "must be 1 to 64 letters, digits, dots, dashes or underscores");
  }
  const origins = file.origins ?? [];
  for (const [index, origin] of origins.entries()) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      throw wrong(["origins", index], "must be scheme://host or scheme://host:port, as browsers send it");
  }
  const { live = {}, keyRate } = file;
  const cluster = await clusterOf(file.store, file.cluster, wrong);
  return {
    data: file.data,
    ...(cluster !== undefined && { cluster }),
    http: hostPortOf(file.http, HTTP_PORT_DEFAULT, (text) => wrong(["http"], text)),
    ...(file.tls !== undefined && {
      tls: await readTls(file.tls, (name, text) => wrong(["tls", name], text)),
    }),
    origins,
    projects,
    ...(keyRate !== undefined && { keyRate }),
    keep: keepOptions(file.keep),
    nameQuota: nameQuota(file.quota),
    ...(live.readerKb !== undefined && { readerBytesMax: live.readerKb * 1024 }),
    log: logOf(file.log),
  };
}
