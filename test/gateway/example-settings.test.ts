import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TSchema } from "typebox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { GatewaySettingsSchema, gatewaySettings } from "../../cli/gateway-settings.ts";
import { MqttProtocol } from "../../gateway/mqtt-connection.ts";
import { Certificates } from "../support/certificates.ts";
import { requires } from "../support/requirements.ts";

const EXAMPLE = new URL("../../packaging/gateway.yaml", import.meta.url);
const SECRETS = ["service-key", "mqtt-key", "broker-password", "otlp-header"];
const openssl = requires("openssl");

let folder = "";
let certificates: Certificates | undefined;
let example = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "boardlog-settings-"));
  example = (await readFile(EXAMPLE, "utf8"))
    .replaceAll("$CREDENTIALS_DIRECTORY", folder)
    .replaceAll("/etc/boardlog", folder);
  for (const name of SECRETS) await writeFile(join(folder, name), "secret\n");
  certificates = new Certificates(openssl.path ?? "");
  for (const name of ["gateway", "other"]) certificates.sign(name);
  for (const name of ["gateway.crt", "gateway.key", "other.key"])
    await copyFile(certificates.path(name), join(folder, name));
  for (const name of ["broker-ca.crt", "service-ca.crt", "collector-ca.crt", "syslog-ca.crt"])
    await copyFile(certificates.path("ca.crt"), join(folder, name));
});
afterAll(async () => {
  certificates?.dispose();
  await rm(folder, { recursive: true });
});

/** The example with every setting on: those that exclude each other as well as may be. */
function whole(): string {
  return example
    .replaceAll(/^#(?! )(?=\w)|^#(?= {2,})/gm, "")
    .replace("uplink: boardlog", "uplink: clubby")
    .replace("url: http://", "url: https://");
}

async function settingsOf(text: string, env: NodeJS.ProcessEnv = {}) {
  const path = join(folder, "gateway.yaml");
  await writeFile(path, text);
  return gatewaySettings(path, env);
}

/** Names of all settings below a schema that the value does not hold. */
function missing(schema: TSchema, values: readonly unknown[], at: string): string[] {
  const { anyOf, items, properties } = schema as {
    anyOf?: readonly TSchema[];
    items?: TSchema;
    properties?: Record<string, TSchema>;
  };
  if (anyOf !== undefined) return anyOf.flatMap((each) => missing(each, values, at));
  if (items !== undefined) return missing(items, values.flat(), `${at}[]`);
  if (properties === undefined) return [];
  const objects = values.filter((value): value is object => typeof value === "object" && value !== null);
  return Object.entries(properties).flatMap(([name, member]) => {
    const inner = objects
      .filter((value) => Object.hasOwn(value, name))
      .map((value) => Reflect.get(value, name));
    return inner.length === 0 ? [`${at}.${name}`] : missing(member, inner, `${at}.${name}`);
  });
}

describe("the example file", () => {
  test("is good as it is installed, and hears every serial adapter", async () => {
    const settings = await settingsOf(example);
    expect(settings).toMatchObject({ project: "default", service: { key: "secret" }, brokers: [] });
    expect(settings.serial.map(({ pattern }) => pattern.text)).toEqual(["/dev/serial/by-id/*"]);
    expect(settings.mqtt).toBeUndefined();
  });

  test("with every setting on it is good too, and holds every setting there is", async () => {
    const settings = await settingsOf(whole());
    expect(settings).toMatchObject({ id: "shelf-pi", mqtt: { key: "secret", listen: { port: 1883 } } });
    expect(settings.service).toMatchObject({
      uplink: "clubby",
      clubby: { dst: "//api.example.com", srcPrefix: "//api.example.com/", frameCommandsMax: 1 },
      tls: { ca: expect.stringContaining("BEGIN CERTIFICATE") },
    });
    expect(settings.outputs).toMatchObject({
      otlp: { headers: { authorization: "secret" }, compresses: true, tls: { ca: expect.any(String) } },
      syslog: {
        transport: "tls",
        host: "logs.example",
        port: 6514,
        text: { facility: "local0", bytesMax: 8192 },
      },
    });
    expect(settings.serial[2]).toMatchObject({ baud: 115_200, source: "greenhouse", flowControl: "none" });
    expect(settings.brokers[1]?.target).toMatchObject({ protocol: MqttProtocol.V5, password: "secret" });
    expect(settings.brokers[1]?.routes.length).toBe(6);
    expect(missing(GatewaySettingsSchema, [parse(whole())], "")).toEqual([]);
  });
});

describe("how many boards a gateway holds", () => {
  test.each([
    ["", 20_000],
    ["devicesMax: 50000\n", 50_000],
    ["mqtt:\n  listen: 1883\n  connectionsMax: 300\n", 20_000],
    ["mqtt:\n  listen: 1883\n  connectionsMax: 30000\n", 30_000],
    ["devicesMax: 40000\nmqtt:\n  listen: 1883\n  connectionsMax: 30000\n", 40_000],
  ])("with %j: %d", async (text, devicesMax) => {
    const keyFile = join(folder, "service-key");
    const settings = await settingsOf(
      `data: /tmp/x\nservice:\n  url: http://x\n  keyFile: ${keyFile}\n${text}`,
    );
    expect(settings).toMatchObject({ devicesMax });
  });
});

describe("settings that are wrong are said with the file, the line and the reason", () => {
  const good = "data: /tmp/x\nservice:\n  url: http://x\n  keyFile: KEY\n";
  test.each([
    [`${good}spool:\n  maxMb: 3\n`, /gateway\.yaml:6: spool\.maxMb: must be >= 40/],
    [
      `${good}spool:\n  maxMb: 50\n  wenFull: wait\n`,
      /:7: spool\.wenFull: no such setting; there are maxMb, whenFull/,
    ],
    [
      `${good}serial:\n  - /dev/ttyUSB0\n  - path: usb:403:6001\n`,
      /:7: serial\.1: usb:403:6001: must be usb:VENDOR/,
    ],
    [
      `${good}serial:\n  - path: /dev/ttyUSB0\n    flowControl: both\n`,
      /:7: serial\.0\.flowControl: must be one of none, rts-cts, xon-xoff/,
    ],
    [`${good}serial:\n  - path: /dev/ttyUSB0\n    baud: fast\n`, /:7: serial\.0\.baud: must be integer/],
    [`${good}serial:\n  - baud: 9600\n`, /:6: serial\.0\.path: required/],
    [`${good}serial:\n  - 5\n`, /:6: serial\.0: must be string or object/],
    [
      `${good}devicesMax: 100\nmqtt:\n  listen: 1883\n  connectionsMax: 200\n`,
      /:8: mqtt\.connectionsMax: lets in more than the gateway holds: .* set devicesMax to 200 or more/,
    ],
    [`${good}devicesMax: 0\n`, /:5: devicesMax: must be >= 1/],
    [`${good}spool:\n  whenFull: panic\n`, /:6: spool\.whenFull: must be wait or evict/],
    [
      `${good}brokers:\n  - mqtt://x\n  - url: mqtt://y\n    pasword: x\n`,
      /:8: brokers\.1\.pasword: no such setting; there are url, /,
    ],
    [
      `${good}serial:\n  - path: /dev/ttyACM0:console\n    halfDuplex: true\n`,
      /:7: serial\.0\.halfDuplex: a board's console talks both ways/,
    ],
    [`${good}brokers:\n  - http://x\n`, /:6: brokers\.0: must be mqtt:\/\//],
    [`${good}brokers:\n  - mqtt://x\n  - mqtt://x:1883\n`, /:7: brokers\.1: x:1883 is there twice/],
    [`${good}brokers:\n  - url: mqtt://x\n    caFile: KEY\n`, /:6: brokers\.0\.url: must be mqtts:/],
    [
      `${good}brokers:\n  - url: mqtts://x\n    certFile: KEY\n`,
      /:6: brokers\.0: certFile and certKeyFile: .* both/,
    ],
    [
      `${good}brokers:\n  - url: mqtt://x\n    topics:\n      - topic: a/<board>\n        kind: text\n`,
      /:8: brokers\.0\.topics\.0\.topic: <board> is no place/,
    ],
    [
      `${good}brokers:\n  - url: mqtt://x\n    topics:\n      - topic: a/b\n        kind: text\n`,
      /:8: .*must hold <device>/,
    ],
    [`${good}mqtt:\n  listen: here\n`, /:6: mqtt\.listen: here is not a PORT or HOST:PORT/],
    [good.replace("KEY", "/nowhere"), /:4: service\.keyFile: cannot read \/nowhere: ENOENT/],
    [good.replace("KEY", "$CREDENTIALS_DIRECTORY/key"), /:4: service\.keyFile: .*LoadCredential/],
    [good.replace("http://x", "ws://x"), /:3: service\.url: must be http:\/\/host:port or https:/],
    [
      `${good}uplink: clubby\n`.replace("http://x", "mqtt://x"),
      /:3: service\.url: must be .* ws:\/\/ or wss:/,
    ],
    [good.replace("  keyFile: KEY\n", ""), /:2: service: keyFile: required, unless there is uplink: clubby/],
    [`${good}clubby:\n  dst: //x\n`, /:5: clubby: is of use only with uplink: clubby/],
    [`${good}  caFile: KEY\n`, /:3: service\.url: must be https:\/\/\.\.\. where there are certificates/],
    ...[
      ["caFile: KEY", /:5: service\.caFile: .* holds no good certificate in PEM form/],
      ["caFile: /nowhere", /:5: service\.caFile: cannot read \/nowhere: ENOENT/],
      ["certFile: FOLDER/gateway.crt", /:2: service: certFile and certKeyFile: .* both/],
      [
        "certFile: FOLDER/gateway.crt\n  certKeyFile: FOLDER/other.key",
        /:6: service\.certKeyFile: .* is not the key of/,
      ],
      [
        "certFile: FOLDER/gateway.crt\n  certKeyFile: KEY",
        /:6: service\.certKeyFile: .* holds no key in PEM form/,
      ],
    ].map(([text, reason]): [string, RegExp] => [
      `${good.replace("http://x", "https://x")}  ${String(text)}\n`,
      reason as RegExp,
    ]),
    [`${good}outputs:\n  otlp:\n    url: tcp://x\n`, /:7: outputs\.otlp\.url: must be http:\/\/host:4318/],
    [
      `${good}outputs:\n  otlp:\n    url: http://x\n    headerName: a\n`,
      /:8: outputs\.otlp\.headerName: needs headerFile/,
    ],
    [
      `${good}outputs:\n  otlp:\n    url: http://x\n    caFile: KEY\n`,
      /:7: outputs\.otlp\.url: must be https:/,
    ],
    [
      `${good}outputs:\n  otlp:\n    url: https://x\n    caFile: KEY\n`,
      /:8: outputs\.otlp\.caFile: .* no good certificate/,
    ],
    [
      `${good}outputs:\n  syslog:\n    url: http://x\n`,
      /:7: outputs\.syslog\.url: must be tls:\/\/host\[:6514\], tcp/,
    ],
    [
      `${good}outputs:\n  syslog:\n    url: udp://x\n    maxBytes: 100000\n`,
      /:8: outputs\.syslog\.maxBytes: must be <= 65507/,
    ],
    [`${good}outputs:\n  syslog:\n    url: tcp://x\n    facility: mail\n`, /:8: outputs\.syslog\.facility: /],
    [`${good}outputs:\n  kafka: x\n`, /:6: outputs\.kafka: no such setting; there are otlp, syslog/],
    ["data: /tmp/x\n", /service: required/],
    ["data: [1\n", /gateway\.yaml: .*line 2/s],
    ["- a\n", /gateway\.yaml: must be names with values/],
  ])("%j", async (text, reason) => {
    const failed = settingsOf(
      text.replaceAll("KEY", join(folder, "service-key")).replaceAll("FOLDER", folder),
    );
    await expect(failed).rejects.toMatchObject({ name: "UserError", message: expect.stringMatching(reason) });
  });
});

describe("the environment overrides the file", () => {
  test("by the name of the setting, in YAML, parts of parts too", async () => {
    const settings = await settingsOf(example, {
      BOARDLOG_GATEWAY_ID: "other",
      BOARDLOG_GATEWAY_SPOOL_MAX_MB: "200",
      BOARDLOG_GATEWAY_SERIAL: "[/dev/ttyS0, /dev/ttyS1:9600]",
      BOARDLOG_GATEWAY_MQTT_LISTEN: "1885",
      BOARDLOG_GATEWAY_OUTPUTS_SYSLOG_URL: "udp://logs",
      BOARDLOG_GATEWAY_LOG: "{form: pretty}",
    });
    expect(settings).toMatchObject({
      id: "other",
      mqtt: { listen: { port: 1885 } },
      log: { form: "pretty" },
      outputs: { syslog: { transport: "udp", host: "logs", port: 514 } },
    });
    expect(settings.spool.bytesMax).toBe(200 * 1024 * 1024);
    expect(settings.serial.map(({ baud }) => baud)).toEqual([115_200, 9_600]);
  });

  test("what is wrong with a variable is said with its name", async () => {
    const failed = (env: NodeJS.ProcessEnv) => expect(settingsOf(example, env)).rejects;
    await failed({ BOARDLOG_GATEWAY_SPOOL_MAX_MB: "3" }).toThrow(
      /^BOARDLOG_GATEWAY_SPOOL_MAX_MB: spool\.maxMb: must be >= 40/,
    );
    await failed({ BOARDLOG_GATEWAY_SERIAL: "[" }).toThrow(/^BOARDLOG_GATEWAY_SERIAL: /);
  });
});
