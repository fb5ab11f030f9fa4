import { accessSync, constants } from "node:fs";
import { readFile } from "node:fs/promises";
import { shownBroker } from "../gateway/broker-setting.ts";
import type { MqttTarget } from "../gateway/mqtt-connection.ts";
import { PortFinder } from "../gateway/port-finder.ts";
import { explainOpenError } from "../gateway/serial-port-error.ts";
import type { SerialSetting } from "../gateway/serial-setting.ts";
import { BrokerAnswer, tryBroker } from "./broker-probe.ts";
import type { Finding } from "./doctor-checks.ts";
import type { GatewaySettings } from "./gateway-settings.ts";
import { UserError } from "./user-error.ts";

/** A gateway's settings name the service that it forwards to; a service's do not. */
export async function isGatewayFile(path: string): Promise<boolean> {
  const text = await readFile(path, "utf8").catch(() => "service:");
  return /^["']?service["']?\s*:/m.test(text);
}

/** The settings of a command, or what is wrong with them. */
export async function readForDoctor<Settings>(
  path: string,
  read: (path: string) => Promise<Settings>,
  command: "gateway" | "service",
): Promise<Settings | Finding> {
  try {
    return await read(path);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return {
      about: "settings",
      state: "bad",
      text: error.message,
      advice: `put it right, then boardlog ${command} --settings FILE --check`,
    };
  }
}

/** Ports and brokers that a gateway's settings name. */
export async function* checkGateway(settings: GatewaySettings): AsyncGenerator<Finding> {
  const finder = new PortFinder();
  for (const setting of settings.serial) yield* checkSerial(setting, finder);
  for (const { target } of settings.brokers) yield await checkTarget(target);
}

async function* checkSerial({ pattern }: SerialSetting, finder: PortFinder): AsyncGenerator<Finding> {
  const about = "serial";
  const found = await finder.find(pattern);
  if (found.length === 0) {
    yield {
      about,
      state: "note",
      text: `${pattern.text} finds no port now`,
      advice: "it is opened when it is plugged in; boardlog ports lists those that are there",
    };
  }
  for (const { path } of found) {
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
      yield { about, state: "good", text: `${path} may be opened` };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const words = code === "EACCES" ? "Permission denied" : "No such file or directory";
      yield { about, state: "bad", text: await explainOpenError(path, new Error(words)) };
    }
  }
}

async function checkTarget(target: MqttTarget): Promise<Finding> {
  const about = "broker";
  const shown = shownBroker(target);
  const { ca, cert } = target.tls ?? {};
  if ((ca ?? cert) !== undefined) {
    const advice = "the gateway's /healthz and log say whether it is connected";
    return { about, state: "note", text: `${shown} is not tried: it has certificates of its own`, advice };
  }
  const url = new URL(shown);
  url.username = encodeURIComponent(target.userName ?? "");
  url.password = encodeURIComponent(target.password ?? "");
  const answer = await tryBroker(url);
  if (answer === BrokerAnswer.Accepted) return { about, state: "good", text: `${shown} takes this client` };
  const [text, advice] = {
    [BrokerAnswer.Refused]: ["refuses this client", "check user name and password at the broker"],
    [BrokerAnswer.NotMqtt]: ["does not answer as an MQTT broker does", "another port, or mqtts:// for TLS?"],
    [BrokerAnswer.Away]: ["does not answer", "is it running, and is the address right?"],
  }[answer];
  return { about, state: "bad", text: `${shown} ${text}`, ...(advice !== undefined && { advice }) };
}
