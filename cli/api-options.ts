import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ApiAddress } from "./api-client.ts";
import { UserError } from "./user-error.ts";

export const URL_DEFAULT = "http://127.0.0.1:7480";
/** Where `up` and an installed service keep their data. */
export const DATA_FOLDERS = ["./boardlog-data", "/var/lib/boardlog"] as const;
/** Where an installed gateway keeps its spool and the hashed secrets of boards. */
export const GATEWAY_FOLDER = "/var/lib/boardlog-gateway";
/** Holds the address that a running `up` serves at, which may not be the default. */
export const ADDRESS_FILE = "address";
export const KEY_FILE = "api-key";

export interface ApiOptions {
  readonly url?: string;
  readonly key?: string;
  readonly data?: string;
}

/** Finds the service and its key: what is given, else what the data folder of a service on this machine says. */
export function findApi(options: ApiOptions): ApiAddress {
  const folders = options.data === undefined ? DATA_FOLDERS : [options.data];
  const folder = folders.find((candidate) => readText(join(candidate, KEY_FILE)) !== undefined);
  const key = options.key ?? (folder === undefined ? undefined : readText(join(folder, KEY_FILE)));
  if (key === undefined) {
    throw new UserError(
      `no API key: give one with --key or BOARDLOG_KEY, or --data with the folder of a service on this machine (looked for ${KEY_FILE} in ${folders.join(", ")})`,
    );
  }
  const url =
    options.url ?? (folder === undefined ? undefined : readText(join(folder, ADDRESS_FILE))) ?? URL_DEFAULT;
  if (!/^https?:\/\/[^/]/.test(url))
    throw new UserError(`--url: ${url} is not an http:// or https:// address`);
  const { username, password } = URL.canParse(url) ? new URL(url) : { username: "", password: "" };
  if (username !== "" || password !== "")
    throw new UserError(
      "--url: takes no user name and password; give the API key with --key or BOARDLOG_KEY",
    );
  return { url, key };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
