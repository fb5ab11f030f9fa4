import Type, { type Static } from "typebox";
import { OtlpEncoding, type OtlpSetting } from "../gateway/outputs/otlp-sink.ts";
import {
  parseSyslogUrl,
  SYSLOG_URL_FORM,
  type SyslogSetting,
  SyslogTransport,
} from "../gateway/outputs/syslog-setting.ts";
import { SyslogFacility } from "../gateway/outputs/syslog-text.ts";
import { secretIn } from "./secret-file.ts";
import type { SettingsFile } from "./settings-file.ts";
import { TLS_PROPERTIES, tlsOf } from "./tls-settings.ts";

const Text = Type.String({ minLength: 1 });
const closed = { additionalProperties: false };

/** Where entries go beside the service; `packaging/gateway.yaml` explains each. */
export const OutputsSchema = Type.Object(
  {
    otlp: Type.Optional(
      Type.Object(
        {
          url: Text,
          headerName: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9-]+$" })),
          headerFile: Type.Optional(Text),
          resource: Type.Optional(Type.Record(Text, Type.String())),
          encoding: Type.Optional(Type.Enum(Object.values(OtlpEncoding))),
          compression: Type.Optional(Type.Enum(["none", "gzip"])),
          ...TLS_PROPERTIES,
        },
        closed,
      ),
    ),
    syslog: Type.Optional(
      Type.Object(
        {
          url: Text,
          facility: Type.Optional(Type.Enum(Object.keys(SyslogFacility) as SyslogFacility[])),
          appName: Type.Optional(Type.String({ pattern: "^[!-~]{1,48}$" })),
          maxBytes: Type.Optional(Type.Integer({ minimum: 480, maximum: 1_048_576 })),
          ...TLS_PROPERTIES,
        },
        closed,
      ),
    ),
  },
  closed,
);

export interface OutputSettings {
  readonly otlp?: OtlpSetting;
  readonly syslog?: SyslogSetting;
}

/** What receivers of RFC 5424 should take at least: by RFC 5425, 4.3.1, and by RFC 5426, 3.2. */
const SYSLOG_BYTES_MAX = { stream: 8_192, datagram: 2_048 } as const;
/** Of a datagram over IPv4. */
const DATAGRAM_BYTES_MAX = 65_507;

type Wrong = SettingsFile<unknown>["wrong"];

/** @throws UserError */
export async function outputsOf(
  given: Static<typeof OutputsSchema> | undefined,
  wrong: Wrong,
): Promise<OutputSettings> {
  const { otlp, syslog } = given ?? {};
  return {
    ...(otlp !== undefined && { otlp: await otlpOf(otlp, wrong) }),
    ...(syslog !== undefined && { syslog: await syslogOf(syslog, wrong) }),
  };
}

async function otlpOf(
  given: NonNullable<Static<typeof OutputsSchema>["otlp"]>,
  wrong: Wrong,
): Promise<OtlpSetting> {
  const at = ["outputs", "otlp"];
  const { url, headerName = "authorization", headerFile, resource = {}, compression = "none" } = given;
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url))
    throw wrong([...at, "url"], "must be http://host:4318 or https://...");
  if (given.headerName !== undefined && headerFile === undefined)
    throw wrong([...at, "headerName"], "needs headerFile, which holds its value");
  const tls = await tlsOf(given, at, wrong, { isTls: url.startsWith("https:"), form: "https://..." });
  const secret =
    headerFile === undefined
      ? undefined
      : await secretIn(headerFile, (text) => wrong([...at, "headerFile"], text));
  if (secret !== undefined && !/^[\t -~]+$/.test(secret))
    throw wrong([...at, "headerFile"], `${headerFile} must hold one line of ASCII`);
  return {
    url,
    headers: secret === undefined ? {} : { [headerName]: secret },
    resource,
    encoding: given.encoding ?? OtlpEncoding.Protobuf,
    compresses: compression === "gzip",
    tls,
  };
}

async function syslogOf(
  given: NonNullable<Static<typeof OutputsSchema>["syslog"]>,
  wrong: Wrong,
): Promise<SyslogSetting> {
  const at = ["outputs", "syslog"];
  const { url, facility = "local0", appName = "boardlog", maxBytes } = given;
  const place = parseSyslogUrl(url);
  if (!place.ok) throw wrong([...at, "url"], place.problem.text);
  const { transport } = place.value;
  const tls = await tlsOf(given, at, wrong, { isTls: transport === SyslogTransport.Tls, form: "tls://..." });
  const isDatagram = transport === SyslogTransport.Udp;
  if (isDatagram && maxBytes !== undefined && maxBytes > DATAGRAM_BYTES_MAX)
    throw wrong(
      [...at, "maxBytes"],
      `must be <= ${DATAGRAM_BYTES_MAX} with udp://, or url ${SYSLOG_URL_FORM}`,
    );
  const bytesMax = maxBytes ?? (isDatagram ? SYSLOG_BYTES_MAX.datagram : SYSLOG_BYTES_MAX.stream);
  return { ...place.value, tls, text: { facility, appName, bytesMax } };
}
