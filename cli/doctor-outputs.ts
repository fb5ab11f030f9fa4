import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { type OtlpSetting, OtlpSink } from "../gateway/outputs/otlp-sink.ts";
import { SinkUnavailable } from "../gateway/outputs/sink.ts";
import { SyslogTransport, shownSyslog } from "../gateway/outputs/syslog-setting.ts";
import { connectionReason, type TlsTrust } from "../gateway/tls-trust.ts";
import { systemTimers } from "../host/system-clock.ts";
import type { Finding } from "./doctor-checks.ts";
import { type GatewaySettings, UplinkKind } from "./gateway-settings.ts";

const ANSWER_MS_MAX = 3_000;
const PORTS: Readonly<Record<string, number>> = { "http:": 80, "ws:": 80, "https:": 443, "wss:": 443 };

interface Place {
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsTrust | undefined;
  /** Settings that it came from. */
  readonly at: string;
}

/** Whether the places that entries are sent to, and that take no question, can be reached. */
export async function* checkOutputs({ service, outputs }: GatewaySettings): AsyncGenerator<Finding> {
  if (service.uplink === UplinkKind.Clubby) {
    const { protocol, hostname, port, host: shown } = new URL(service.url);
    const host = hostname.replace(/^\[|\]$/g, "");
    const place = { host, port: Number(port || PORTS[protocol]), tls: service.tls, at: "service" };
    yield await checkPlace("service", shown, place);
  }
  const { otlp, syslog } = outputs;
  if (otlp !== undefined) yield await checkOtlp(otlp);
  if (syslog === undefined) return;
  const shown = shownSyslog(syslog);
  if (syslog.transport === SyslogTransport.Udp) {
    yield {
      about: "syslog",
      state: "note",
      text: `${shown} is not tried: UDP says nothing`,
      advice: UDP_ADVICE,
    };
  } else yield await checkPlace("syslog", shown, { ...syslog, at: "outputs.syslog" });
}

const UDP_ADVICE = "look there whether lines come; tcp:// and tls:// do not lose them on the way";

/** Sends no record at all: what answers well to that knows the address and the credential. */
async function checkOtlp(setting: OtlpSetting): Promise<Finding> {
  const about = "otlp";
  const shown = new URL(setting.url).host;
  const sink = new OtlpSink(
    { timers: systemTimers },
    { ...setting, name: shown, at: "outputs.otlp", rejected: () => {} },
  );
  try {
    await sink.send([], () => {});
    return { about, state: "good", text: `${shown} takes logs` };
  } catch (error) {
    if (!(error instanceof SinkUnavailable)) throw error;
    return {
      about,
      state: "bad",
      text: `${shown}: ${error.message}`,
      advice: "is outputs.otlp as it wants it?",
    };
  } finally {
    sink.close();
  }
}

async function checkPlace(about: string, shown: string, place: Place): Promise<Finding> {
  const reason = await tryPlace(place);
  if (reason === undefined)
    return { about, state: "good", text: `${shown} can be reached; whether it takes entries is in /healthz` };
  return {
    about,
    state: "bad",
    text: `${shown}: ${reason}`,
    advice: "is it running, and is the address right?",
  };
}

/** Connects and goes. @returns why it failed. */
function tryPlace({ host, port, tls, at }: Place): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket =
      tls === undefined
        ? connectTcp({ host, port })
        : connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...tls });
    const finish = (reason: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reason);
    };
    const timer = setTimeout(() => finish("no answer"), ANSWER_MS_MAX);
    socket.once(tls === undefined ? "connect" : "secureConnect", () => finish(undefined));
    socket.once("error", (error) => finish(connectionReason(error, at)));
  });
}
