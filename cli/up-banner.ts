import { shownBroker } from "../gateway/broker-setting.ts";
import type { SerialSetting } from "../gateway/serial-setting.ts";
import { KEY_FILE } from "./api-options.ts";
import type { UpSettings } from "./settings.ts";
import { HTTP_PORT_DEFAULT, MQTT_PORT_DEFAULT } from "./settings.ts";
import type { Style } from "./style.ts";

/** What `up` has started. */
export interface Running {
  readonly settings: UpSettings;
  readonly serial: readonly SerialSetting[];
  readonly httpUrl: string;
  readonly mqtt: { readonly host: string; readonly port: number } | undefined;
  /** The admin key, at the first start only. */
  readonly newAdminKey: string | undefined;
}

/** Where everything is, and what to do next. */
export function upBanner(running: Running, style: Style): string {
  const { settings, httpUrl, mqtt, newAdminKey } = running;
  const keyFile = `${settings.data}/${KEY_FILE}`;
  const key =
    newAdminKey === undefined ? `in ${keyFile}` : `${newAdminKey}  (shown this once; kept in ${keyFile})`;
  const rows: [string, string][] = [
    ["page", `${httpUrl}/`],
    ["API", `${httpUrl}/v1/Log.List   live: ${httpUrl.replace("http", "ws")}/v1/ws/projects/default/logs`],
    ["key", key],
  ];
  if (mqtt !== undefined) {
    rows.push([
      "MQTT",
      `mqtt://${mqtt.host}:${mqtt.port}   user name: default, password: an API key; or a board's name and its own secret`,
    ]);
  } else if (settings.broker !== undefined) rows.push(["MQTT", `broker ${shownBroker(settings.broker)}`]);
  for (const { pattern, baud, isConsole } of running.serial)
    rows.push(["serial", `${pattern.text} at ${baud} baud${isConsole ? ", a board's console" : ""}`]);
  if (settings.demo) rows.push(["demo", "boards: greenhouse (MQTT), pump (serial line on a pty)"]);
  rows.push(["data", settings.data]);
  const lines = rows.map(([name, text]) => `  ${style.bold(name.padEnd(7))} ${text}`);
  return `${style.bold("boardlog is up")}\n${lines.join("\n")}\n${notes(running)}Ctrl-C stops it.\n\n`;
}

/** A default port that was taken is said plainly. */
function notes({ settings, httpUrl, mqtt }: Running): string {
  const texts: string[] = [];
  if (settings.http.isDefault && !httpUrl.endsWith(`:${HTTP_PORT_DEFAULT}`)) {
    texts.push(`Port ${HTTP_PORT_DEFAULT} is taken by another program, so the page is on the next free one.`);
  }
  if (mqtt !== undefined && settings.mqtt.isDefault && mqtt.port !== MQTT_PORT_DEFAULT) {
    texts.push(
      `Port ${MQTT_PORT_DEFAULT} is taken (a broker of yours?), so the embedded broker is on ${mqtt.port}. To use the one that is there: --broker mqtt://127.0.0.1:${MQTT_PORT_DEFAULT}`,
    );
  }
  return texts.map((text) => `${text}\n`).join("");
}
