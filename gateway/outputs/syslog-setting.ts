import { bad, type Decoded, good } from "../../protocol/decoded.ts";
import type { TlsTrust } from "../tls-trust.ts";
import type { SyslogTextOptions } from "./syslog-text.ts";

export const SyslogTransport = { Tls: "tls", Tcp: "tcp", Udp: "udp" } as const;
export type SyslogTransport = (typeof SyslogTransport)[keyof typeof SyslogTransport];

export interface SyslogPlace {
  readonly transport: SyslogTransport;
  readonly host: string;
  readonly port: number;
}

export interface SyslogSetting extends SyslogPlace {
  readonly tls?: TlsTrust | undefined;
  readonly text: SyslogTextOptions;
}

export interface SyslogSinkOptions extends SyslogSetting {
  readonly name: string;
  /** Settings that it comes from, for errors that name them. */
  readonly at: string;
}

export const SYSLOG_URL_FORM = "tls://host[:6514], tcp://host[:514] or udp://host[:514]";
/** RFC 5425, 4.1; RFC 5426, 3.3; TCP has none of its own, and receivers use the same as for UDP (RFC 6587, 3.2). */
const PORT: Readonly<Record<SyslogTransport, number>> = { tls: 6514, tcp: 514, udp: 514 };

export function parseSyslogUrl(text: string): Decoded<SyslogPlace> {
  const [, transport, v6, name, digits] =
    /^(tls|tcp|udp):\/\/(?:\[([0-9a-fA-F:]+)\]|([^:/[\]\s?#@]+))(?::([0-9]{1,5}))?\/?$/.exec(text) ?? [];
  const port = digits === undefined ? undefined : Number(digits);
  if (transport === undefined || port === 0 || (port ?? 0) > 65_535) return bad(`must be ${SYSLOG_URL_FORM}`);
  const kind = transport as SyslogTransport;
  return good({ transport: kind, host: v6 ?? name ?? "", port: port ?? PORT[kind] });
}

/** How a place is called in logs. */
export function shownSyslog({ transport, host, port }: SyslogPlace): string {
  return `${transport}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
