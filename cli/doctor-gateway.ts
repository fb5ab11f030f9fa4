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

/** Longest wait for a gateway on this machine to say how it is. */
const STATUS_MS_MAX = 3_000;

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

/** Ports and brokers that a gateway's settings name, and what the gateway itself says where it runs. */
export async function* checkGateway(settings: GatewaySettings): AsyncGenerator<Finding> {
  yield* checkRunning(settings);
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

/** Counters that speak of a mistake in the setting up of boards, and what to do about it. */
const TELLING: readonly (readonly [counter: string, text: string, advice: string])[] = [
  [
    "gateway_cloned_sources_total",
    "two boards log under one name",
    "boardlog list SRC --stream notice names their boots (boardlog sources, for the names); give each a name of its own",
  ],
  [
    "gateway_conflicting_seqs_total",
    "lines came under seqs that other lines have",
    "two boards share a name and boot id, or a board gives a boot id twice: boardlog losses says which",
  ],
  [
    "gateway_odd_clocks_total",
    "boards say a time that is off by a day or more",
    "boardlog list SRC --stream notice says by how much; set the board's clock, or let it count from its start",
  ],
  [
    "gateway_over_rate_lost_entries_total",
    "lines of boards without acks came faster than sourceRate allows, and are lost",
    "boardlog losses says whose; raise sourceRate, or let the board log less",
  ],
];

async function* checkRunning({ status: { host, port } }: GatewaySettings): AsyncGenerator<Finding> {
  const about = "gateway";
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  let health: unknown;
  let metrics: string;
  try {
    const get = (path: string): Promise<Response> =>
      fetch(`${url}${path}`, { signal: AbortSignal.timeout(STATUS_MS_MAX) });
    health = await (await get("/healthz")).json();
    metrics = await (await get("/metrics")).text();
  } catch {
    const advice = "sudo systemctl enable --now boardlog-gateway";
    yield { about, state: "note", text: `does not run here (nothing answers at ${url})`, advice };
    return;
  }
  const { problems } = Object(health) as { readonly problems?: unknown };
  const words = Array.isArray(problems)
    ? problems.map(String)
    : ["/healthz is not that of a boardlog gateway"];
  if (words.length === 0) yield { about, state: "good", text: `runs, ${url}/healthz has no complaint` };
  for (const text of words) yield { about, state: "bad", text: `says: ${text}` };
  for (const [counter, text, advice] of TELLING) {
    const count = Number(new RegExp(`^boardlog_${counter} (\\d+)$`, "m").exec(metrics)?.[1] ?? 0);
    if (count > 0) yield { about, state: "warn", text: `${text} (${count} since it started)`, advice };
  }
}
