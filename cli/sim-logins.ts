import { createHash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { redactText } from "../host/redaction.ts";
import { commandTopic, logTopic } from "../protocol/mqtt-topics.ts";
import { PROJECT_DEFAULT } from "../protocol/names.ts";
import type { DeviceLogin, LoadTargetProcess } from "../sim/load/load-options.ts";
import { readKeys } from "./read-keys.ts";
import { UserError } from "./user-error.ts";

export type LoadBroker = LoadTargetProcess["mqtt"];

/** What stands for a board's name in the address of a broker. */
const PLACEHOLDER = "{device}";
/** How the gateway that is started for a load is called where boards are called by their names. */
export const GATEWAY_NAME = "gateway";
const BROKER_FORM = "mqtt://[user:password@]host[:port]";
const SALT_BYTES = 12;

/**
 * A broker that is there, and who logs in how: all alike, or each by its name where `{device}` stands in user name or password.
 * @throws UserError
 */
export function brokerOf(url: string): LoadBroker {
  if (!URL.canParse(url) || new URL(url).protocol !== "mqtt:" || new URL(url).hostname === "") {
    throw new UserError(`--broker: ${redactText(url)} is neither ${BROKER_FORM} nor mosquitto`);
  }
  const { hostname, port, username, password } = new URL(url);
  const [user, secret] = [decoded(username), decoded(password)];
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? 1883 : Number(port),
    loginOf: (name) => ({
      ...(user !== "" && { username: user.replaceAll(PLACEHOLDER, () => name) }),
      ...(secret !== "" && { password: secret.replaceAll(PLACEHOLDER, () => name) }),
    }),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new UserError(
      "--broker: user name or password: a % must be followed by two hex digits (%25 is a % itself)",
    );
  }
}

/** The address with a login, as `boardlog up` and the gateway's settings take it. */
export function brokerUrl({ host, port }: LoadBroker, { username, password }: DeviceLogin): string {
  const secret = password === undefined ? "" : `:${encodeURIComponent(password)}`;
  const login = username === undefined ? "" : `${encodeURIComponent(username)}${secret}@`;
  return `mqtt://${login}${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/**
 * Logins from a file, a line each: name, user name, password. Who has no line there has the login of the broker's address only
 * if it is the gateway.
 * @throws UserError that names file and line, and no secret
 */
export async function withCredentials(
  broker: LoadBroker,
  file: string,
  devices: readonly string[],
): Promise<LoadBroker> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "there is no such file" : error.message;
    throw new UserError(`--credentials: ${file}: ${why}`);
  });
  const logins = new Map<string, DeviceLogin>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, name, username, password] = /^\s*(\S+)\s+(\S+)\s+(\S.*?)\s*$/.exec(line) ?? [];
    const where = `--credentials: ${file}, line ${index + 1}`;
    if (name === undefined || username === undefined || password === undefined) {
      throw new UserError(
        `${where}: must be a board's name, a user name and a password, with blanks between`,
      );
    }
    if (logins.has(name)) throw new UserError(`${where}: ${name} has a line above`);
    logins.set(name, { username, password });
  }
  const without = devices.find((name) => !logins.has(name));
  if (without !== undefined) throw new UserError(`--credentials: ${file} has no line for ${without}`);
  return { ...broker, loginOf: (name) => logins.get(name) ?? broker.loginOf(name) };
}

/**
 * Gives each board a key of its own in a folder of boardlog's that nothing runs on yet.
 * @param isService its admin key is made first, as its first start would
 */
export async function keysFor(
  folder: string,
  devices: readonly string[],
  isService: boolean,
): Promise<LoadBroker["loginOf"]> {
  const keys = await readKeys(folder);
  if (isService) await keys.start();
  const made = await keys.addAll(
    devices.map((src) => ({ project: PROJECT_DEFAULT, rights: ["write"], src })),
  );
  return ownLogins(new Map(made.map(({ key }, index) => [devices[index] ?? "", key])));
}

/** Each logs in by its name. */
function ownLogins(passwords: ReadonlyMap<string, string>): LoadBroker["loginOf"] {
  return (name) => {
    const password = passwords.get(name);
    return { username: name, ...(password !== undefined && { password }) };
  };
}

/** Logins that Mosquitto knows, and what each may do: a board on its own topics alone. */
export function mosquittoLogins(devices: readonly string[]): {
  readonly loginOf: LoadBroker["loginOf"];
  readonly passwordFile: string;
  readonly aclFile: string;
} {
  const passwords = new Map(
    [...devices, GATEWAY_NAME].map((name) => [name, randomBytes(24).toString("base64url")]),
  );
  const lines = Array.from(passwords, ([name, password]) => `${name}:${mosquittoHash(password)}\n`);
  const [board, all] = ["%u", "#"];
  return {
    loginOf: ownLogins(passwords),
    passwordFile: lines.join(""),
    aclFile: `user ${GATEWAY_NAME}
topic readwrite boardlog/${PROJECT_DEFAULT}/${all}

pattern write ${logTopic(PROJECT_DEFAULT, board)}
pattern read ${commandTopic(PROJECT_DEFAULT, board)}
`,
  };
}

/**
 * As `mosquitto_passwd -H sha512` writes it: one pass over a secret that nobody guesses. The default, 101 rounds of PBKDF2, would
 * cost the broker's one thread a second and more for 10,000 boards that come back at once.
 */
function mosquittoHash(password: string): string {
  const salt = randomBytes(SALT_BYTES);
  const hash = createHash("sha512").update(password).update(salt).digest("base64");
  return `$6$${salt.toString("base64")}$${hash}`;
}
