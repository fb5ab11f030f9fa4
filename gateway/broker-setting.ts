import { bad, type Decoded, good } from "../protocol/decoded.ts";
import { MqttProtocol, type MqttTarget } from "./mqtt-connection.ts";
import { BOARD_ROUTES, type TopicRoute } from "./topic-route.ts";

/** A broker of somebody else, as configured. */
export interface BrokerSetting {
  readonly target: MqttTarget;
  readonly routes: readonly TopicRoute[];
  readonly keepaliveS: number;
  readonly receiveMax: number;
}

export const BROKER_URL_FORM = "mqtt://[user:password@]host[:port] or mqtts://...";
export const KEEPALIVE_S_DEFAULT = 60;
/** Enough for a commit's worth of entries to be under way; Mosquitto sends 20 at once on 3.1.1 unless told otherwise. */
export const RECEIVE_MAX_DEFAULT = 1_000;
const PORT = { mqtt: 1883, mqtts: 8883 } as const;

/** Reads the address and credentials of a broker; TLS and version can be set besides. */
export function parseBrokerUrl(text: string): Decoded<MqttTarget> {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return bad(`must be ${BROKER_URL_FORM}`);
  }
  const scheme = url.protocol.slice(0, -1);
  if ((scheme !== "mqtt" && scheme !== "mqtts") || url.hostname === "") {
    return bad(`must be ${BROKER_URL_FORM}`);
  }
  if (!/^\/?$/.test(url.pathname) || url.search !== "" || url.hash !== "") {
    return bad(`must be ${BROKER_URL_FORM}, with nothing behind the port`);
  }
  let userName: string;
  let password: string;
  try {
    userName = decodeURIComponent(url.username);
    password = decodeURIComponent(url.password);
  } catch {
    return bad("user name or password: a % must be followed by two hex digits (%25 is a % itself)");
  }
  return good({
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || PORT[scheme]),
    protocol: MqttProtocol.V3_1_1,
    ...(userName !== "" && { userName }),
    ...(password !== "" && { password }),
    ...(scheme === "mqtts" && { tls: {} }),
  });
}

/** A broker of which only the address is known. */
export function plainBroker(target: MqttTarget): BrokerSetting {
  return { target, routes: BOARD_ROUTES, keepaliveS: KEEPALIVE_S_DEFAULT, receiveMax: RECEIVE_MAX_DEFAULT };
}

/** How a broker is called in logs: never with its credentials. */
export function shownBroker({ host, port, tls }: MqttTarget): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return `${tls === undefined ? "mqtt" : "mqtts"}://${name}:${port}`;
}
