import { accessSync, constants, existsSync, readdirSync, readFileSync, statfsSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { PROJECT_DEFAULT } from "../protocol/names.ts";
import { ApiClient, ServiceAway } from "./api-client.ts";
import { type ApiOptions, DATA_FOLDERS, findApi, KEY_FILE } from "./api-options.ts";
import { BrokerAnswer, tryBroker } from "./broker-probe.ts";
import { checkGateway, isGatewayFile, readForDoctor } from "./doctor-gateway.ts";
import { checkOutputs } from "./doctor-outputs.ts";
import { checkServiceStore } from "./doctor-service.ts";
import { gatewaySettings, UplinkKind } from "./gateway-settings.ts";
import { serviceSettings } from "./service-settings.ts";
import { agoText } from "./sources-command.ts";
import { UserError } from "./user-error.ts";

export interface Finding {
  readonly about: string;
  /** `note` is neither good nor bad; `warn` works and may hurt later. */
  readonly state: "good" | "note" | "warn" | "bad";
  readonly text: string;
  /** What to do. */
  readonly advice?: string;
}

export interface CheckOptions extends ApiOptions {
  readonly project?: string;
  readonly broker?: string;
  /** Settings file of a gateway or a service: what it names is checked in place of the defaults. */
  readonly settings?: string;
}

/** The oldest runtime that this runs on (package.json). */
const NODE_LEAST = [20, 19] as const;
const DISK_BYTES_LEAST = 200 * 1024 * 1024;
const DISK_BYTES_AMPLE = 1024 * 1024 * 1024;
const DEGRADED_ADVICE =
  "make room, or limit the log with keep (docs/store.md); nothing that was acked is lost";
const CLOCK_SKEW_MS_MAX = 2000;
/** The project did not exist before: a clock that says so has not been set. */
const EARLIEST_MS = Date.UTC(2025, 0, 1);
const BROKER_DEFAULT = "mqtt://127.0.0.1:1883";
const SERIAL_DEVICE = /^(ttyUSB|ttyACM|ttyAMA|tty\.usb|cu\.usb)/;

/** Every check, in the order a person would look. */
export async function* runChecks(options: CheckOptions): AsyncGenerator<Finding> {
  yield checkNode(process.versions.node);
  if (options.settings !== undefined && !(await isGatewayFile(options.settings))) {
    yield* checkServiceFile(options.settings);
    return;
  }
  if (options.settings !== undefined) {
    const settings = await readForDoctor(options.settings, gatewaySettings, "gateway");
    if ("about" in settings) {
      yield settings;
      return;
    }
    yield { about: "settings", state: "good", text: options.settings };
    const { data, project, service } = settings;
    yield* checkGateway(settings);
    yield* checkData(data);
    yield* checkClock(Date.now());
    yield* checkOutputs(settings);
    if (service.uplink === UplinkKind.Boardlog)
      yield* checkService({ data, project, url: service.url, key: service.key });
    return;
  }
  yield* checkPorts("/dev");
  yield* checkData(options.data);
  yield* checkClock(Date.now());
  yield* checkService(options);
  yield await checkBroker(options.broker);
}

/** What a service's settings name. */
async function* checkServiceFile(path: string): AsyncGenerator<Finding> {
  const settings = await readForDoctor(path, serviceSettings, "service");
  if ("about" in settings) {
    yield settings;
    return;
  }
  yield { about: "settings", state: "good", text: path };
  yield* checkData(settings.data);
  yield* checkClock(Date.now());
  yield* checkServiceStore(settings);
  yield* checkService({ data: settings.data, project: settings.projects[0] ?? PROJECT_DEFAULT });
}

function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isGood = major > NODE_LEAST[0] || (major === NODE_LEAST[0] && minor >= NODE_LEAST[1]);
  return isGood
    ? { about: "runtime", state: "good", text: `Node ${version}` }
    : {
        about: "runtime",
        state: "bad",
        text: `Node ${version}`,
        advice: `install Node ${NODE_LEAST.join(".")} or newer`,
      };
}

/** Serial devices and the right to open them. */
export function* checkPorts(folder: string): Generator<Finding> {
  const about = "ports";
  const names = listFolder(folder).filter((name) => SERIAL_DEVICE.test(name));
  if (names.length === 0) {
    yield {
      about,
      state: "note",
      text: "no USB serial port",
      advice: 'plug in a board; if none appears, try another cable (some only charge) and "dmesg | tail"',
    };
  }
  for (const name of names) {
    const path = join(folder, name);
    const stable = stableName(folder, name);
    const text = stable === undefined ? path : `${path} (${stable})`;
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
      yield { about, state: "good", text };
    } catch {
      const group = groupOf(path);
      yield {
        about,
        state: "bad",
        text: `${text}: no right to open it`,
        advice: `sudo usermod -aG ${group} ${userInfo().username}, then log out and in again`,
      };
    }
  }
}

/** The name that stays when ports are plugged in another order. */
function stableName(folder: string, name: string): string | undefined {
  const byId = join(folder, "serial", "by-id");
  const stable = listFolder(byId).find((link) => {
    try {
      return statSync(join(byId, link)).rdev === statSync(join(folder, name)).rdev;
    } catch {
      return false;
    }
  });
  return stable === undefined ? undefined : join(byId, stable);
}

/** The group that owns a device: `dialout` on Debian, `uucp` on Arch. */
function groupOf(path: string): string {
  try {
    const { gid } = statSync(path);
    const line = readFileSync("/etc/group", "utf8")
      .split("\n")
      .find((one) => one.split(":")[2] === String(gid));
    return line?.split(":")[0] ?? "dialout";
  } catch {
    return "dialout";
  }
}

function* checkData(given: string | undefined): Generator<Finding> {
  const about = "data";
  const folder = given ?? DATA_FOLDERS.find((one) => existsSync(one));
  if (folder === undefined || !existsSync(folder)) {
    yield {
      about,
      state: "note",
      text: `no data folder (looked for ${given ?? DATA_FOLDERS.join(", ")})`,
      advice: '"boardlog up" makes one; if it is elsewhere, name it with --data',
    };
    return;
  }
  try {
    accessSync(folder, constants.R_OK | constants.W_OK);
    yield { about, state: "good", text: folder };
  } catch {
    yield {
      about,
      state: "warn",
      text: `${folder} cannot be written by ${userInfo().username}`,
      advice: "run as the user who owns it, or name another folder with --data",
    };
  }
  const { bavail, bsize, blocks } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  const text = `${sizeText(freeBytes)} free of ${sizeText(blocks * bsize)} where ${folder} is`;
  if (freeBytes >= DISK_BYTES_AMPLE) yield { about: "disk", state: "good", text };
  else {
    const state = freeBytes < DISK_BYTES_LEAST ? "bad" : "warn";
    yield { about: "disk", state, text, advice: "make room: a full disk stops the log" };
  }
  try {
    const mode = statSync(join(folder, KEY_FILE)).mode & 0o077;
    if (mode !== 0) {
      yield {
        about: "key",
        state: "warn",
        text: `${join(folder, KEY_FILE)} can be read by others`,
        advice: `chmod 600 ${join(folder, KEY_FILE)}`,
      };
    }
  } catch {
    // There is none yet, or it is not ours to see; the check of the service says so.
  }
}

function* checkClock(nowMs: number): Generator<Finding> {
  const about = "clock";
  const text = `${new Date(nowMs).toISOString()} by this machine`;
  if (nowMs < EARLIEST_MS) {
    yield { about, state: "bad", text, advice: "the clock is not set: sudo timedatectl set-ntp true" };
    return;
  }
  const usesTimesyncd = existsSync("/run/systemd/timesync");
  if (usesTimesyncd && !existsSync("/run/systemd/timesync/synchronized")) {
    yield {
      about,
      state: "warn",
      text: `${text}, not synchronised since it started`,
      advice: "timedatectl status; boards get no UTC until it is",
    };
  } else yield { about, state: "good", text };
}

async function* checkService(options: CheckOptions): AsyncGenerator<Finding> {
  const about = "service";
  let api: ReturnType<typeof findApi>;
  try {
    api = findApi(options);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    yield {
      about: "key",
      state: "bad",
      text: error.message,
      advice: "boardlog up makes a key at its first start",
    };
    return;
  }
  try {
    const startMs = Date.now();
    const response = await fetch(new URL("/healthz", api.url), { signal: AbortSignal.timeout(5000) });
    const { problems = [] } = (await response.json().catch(() => ({}))) as { readonly problems?: string[] };
    const date = Date.parse(response.headers.get("date") ?? "");
    if (response.ok) yield { about, state: "good", text: `${api.url} is up` };
    else if (problems.length > 0)
      yield { about, state: "bad", text: `${api.url}: ${problems.join("; ")}`, advice: DEGRADED_ADVICE };
    else yield { about, state: "warn", text: `${api.url} is starting`, advice: "wait a moment, then again" };
    // The header has whole seconds.
    const skewMs = date - startMs;
    if (Math.abs(skewMs + 500) > CLOCK_SKEW_MS_MAX) {
      yield {
        about: "clock",
        state: "warn",
        text: `the service's clock is ${(skewMs / 1000).toFixed(0)} s off this machine's`,
        advice: "set both by NTP: sudo timedatectl set-ntp true",
      };
    }
    const client = new ApiClient(api, options.project ?? PROJECT_DEFAULT);
    const sources = await client.sources();
    yield { about: "key", state: "good", text: "the service knows it" };
    const lastMs = Math.max(...sources.map(({ lastReceived }) => lastReceived));
    yield sources.length === 0
      ? {
          about: "log",
          state: "note",
          text: "nothing has logged yet",
          advice: "plug in a board, or try boardlog up --demo",
        }
      : {
          about: "log",
          state: "good",
          text: `${sources.length} sources, the last line ${agoText(Date.now() - lastMs)}`,
        };
  } catch (error) {
    if (error instanceof UserError && !(error instanceof ServiceAway)) {
      yield { about: "key", state: "bad", text: error.message };
      return;
    }
    yield {
      about,
      state: "bad",
      text: error instanceof ServiceAway ? error.message : `no log service answers at ${api.url}`,
      advice: "boardlog up, or systemctl status boardlog",
    };
  }
}

async function checkBroker(given: string | undefined): Promise<Finding> {
  const about = "broker";
  const url = new URL(given ?? BROKER_DEFAULT);
  const shown = `${url.protocol}//${url.host}`;
  const answer = await tryBroker(url);
  switch (answer) {
    case BrokerAnswer.Accepted:
      return { about, state: "good", text: `${shown} takes this client` };
    case BrokerAnswer.Refused:
      return given === undefined
        ? { about, state: "good", text: `${shown} answers and wants a user name and password` }
        : {
            about,
            state: "bad",
            text: `${shown} refuses this user name and password`,
            advice: "for boardlog's own broker: user name default, an API key as the password",
          };
    case BrokerAnswer.NotMqtt:
      return {
        about,
        state: "bad",
        text: `${shown} does not answer as an MQTT broker does`,
        advice: "another port?",
      };
    case BrokerAnswer.Away:
      return {
        about,
        state: given === undefined ? "note" : "bad",
        text: `nothing answers at ${shown}`,
        advice: "boardlog up has a broker; name another with --broker mqtt://HOST",
      };
  }
}

function listFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function sizeText(bytes: number): string {
  const gib = bytes / 1024 ** 3;
  return gib >= 1 ? `${gib.toFixed(1)} GiB` : `${(bytes / 1024 ** 2).toFixed(0)} MiB`;
}
