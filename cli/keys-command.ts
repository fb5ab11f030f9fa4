import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { checkSrc, isProject } from "../protocol/names.ts";
import { apiKeyId } from "../service/auth/api-key.ts";
import { RIGHTS, type Right } from "../service/auth/caller.ts";
import { KEYS_FILE, type KeyInfo, type KeyStore, type NewKey } from "../service/auth/key-store.ts";
import { SharedFileChanged } from "../service/store/jetstream/shared-file-disk.ts";
import { StoreUnavailable } from "../service/store/log-store.ts";
import { DATA_FOLDERS } from "./api-options.ts";
import { writeOut } from "./output.ts";
import { readKeys } from "./read-keys.ts";
import { serviceSettings } from "./service-settings.ts";
import { openKeysOf } from "./service-store.ts";
import { UserError } from "./user-error.ts";
import { visibleText } from "./visible-text.ts";

export type KeysAction = "list" | "add" | "revoke" | "rotate";

export interface KeysOptions {
  readonly data?: string;
  /** Of a service, whose store may be a cluster. */
  readonly settings?: string;
  readonly project: string;
  readonly rights?: string;
  readonly device?: string;
  readonly rate?: number;
  readonly json?: boolean;
}

/** A running service writes the same file now and then: a change counts once it still stands after this. */
const STANDS_AFTER_MS = 100;
const ATTEMPTS_MAX = 5;
const SPEAKING: readonly Right[] = ["on-behalf", "admin"];
const MUTE_KEY =
  "this key can log as nobody yet: one that names its sources needs on-behalf too (--rights write,on-behalf), a board's own is made with --device NAME";

/** `boardlog keys`: works on the data folder; a running service takes changes over within a second or so. */
export async function runKeys(
  action: KeysAction,
  id: string | undefined,
  options: KeysOptions,
): Promise<void> {
  const { keys, close } = await openKeys(options);
  try {
    await change(keys, action, id, options);
  } catch (error) {
    if (error instanceof SharedFileChanged || error instanceof StoreUnavailable)
      throw new UserError(`keys ${action}: ${error.message}`, 1);
    throw error;
  } finally {
    await close();
  }
}

async function change(
  keys: KeyStore,
  action: KeysAction,
  id: string | undefined,
  options: KeysOptions,
): Promise<void> {
  if (action === "list" && id !== undefined) throw new UserError("keys list: takes no id");
  if (action === "list") return await print(keys.list(), options.json);
  if (action === "add") {
    if (id !== undefined) throw new UserError("keys add: takes options only (--rights or --device)");
    const newKey = newKeyOf(options);
    await tell(await add(keys, newKey), options.json);
    if (isMute(newKey)) process.stderr.write(`${MUTE_KEY}\n`);
    return;
  }
  if (id === undefined) throw new UserError(`keys ${action}: which? give an id from boardlog keys list`);
  if (action === "revoke") return await revoke(keys, id, options.json);
  const key = await keys.rotate(id);
  if (key === undefined) throw noSuchKey(id);
  await tell({ id, key }, options.json);
}

interface OpenKeys {
  readonly keys: KeyStore;
  close(): Promise<void>;
}

async function openKeys({ data: given, settings }: KeysOptions): Promise<OpenKeys> {
  if (settings !== undefined) {
    if (given !== undefined) throw new UserError("--settings and --data: one or the other");
    return await openKeysOf(await serviceSettings(settings));
  }
  const folders = given === undefined ? DATA_FOLDERS : [given];
  const folder = folders.find((candidate) => existsSync(join(candidate, KEYS_FILE)));
  if (folder === undefined) {
    throw new UserError(
      `no keys in ${folders.join(" or ")}: give the service's data folder with --data; the service makes the first key when it first starts`,
    );
  }
  return { keys: await readKeys(folder), close: async () => {} };
}

/** Whether it may write, and as no source at all. */
function isMute({ rights, src }: NewKey): boolean {
  return src === undefined && rights.includes("write") && !rights.some((right) => SPEAKING.includes(right));
}

function newKeyOf({ project, rights, device, rate }: KeysOptions): NewKey {
  if (!isProject(project)) throw new UserError(`--project: ${project} is not a project name`);
  if (device !== undefined) {
    const checked = checkSrc(device, "--device");
    if (!checked.ok) throw new UserError(checked.problem.text);
    if (rights !== undefined) throw new UserError("--device and --rights: a device may log as itself alone");
    return { project, rights: ["write"], src: device, ...(rate !== undefined && { rate }) };
  }
  if (rights === undefined) {
    throw new UserError(`keys add: say what it may do: --rights ${RIGHTS.join(",")} or --device NAME`);
  }
  return { project, rights: parseRights(rights), ...(rate !== undefined && { rate }) };
}

/** Reads rights separated by commas. */
export function parseRights(text: string): Right[] {
  return text.split(",").map((name) => {
    const right = RIGHTS.find((known) => known === name.trim());
    if (right === undefined) throw new UserError(`--rights: ${name} is not one of ${RIGHTS.join(", ")}`);
    return right;
  });
}

export async function add(
  keys: KeyStore,
  newKey: NewKey,
): Promise<{ readonly id: string; readonly key: string }> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const made = await keys.add(newKey);
    if (await stands(keys, (all) => all.some(({ id }) => id === made.id))) return made;
  }
  throw new UserError("keys add: another process keeps changing the keys; try again", 1);
}

async function revoke(keys: KeyStore, id: string, isJson: boolean | undefined): Promise<void> {
  if (!keys.list().some((key) => key.id === id)) throw noSuchKey(id);
  await revokeFor(keys, id);
  await writeOut(
    isJson ? `${JSON.stringify({ id, revoked: true })}\n` : `${id} is revoked, with all its tokens\n`,
  );
}

/** Revokes, and sees that it stands. */
export async function revokeFor(keys: KeyStore, id: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    await keys.revoke(id);
    if (await stands(keys, (all) => !all.some((key) => key.id === id))) return;
  }
  throw new UserError("keys revoke: another process keeps changing the keys; try again", 1);
}

async function stands(keys: KeyStore, holds: (all: readonly KeyInfo[]) => boolean): Promise<boolean> {
  await sleep(STANDS_AFTER_MS);
  await keys.reload();
  return holds(keys.list());
}

function noSuchKey(id: string): UserError {
  const ofKey = apiKeyId(id);
  if (ofKey !== undefined)
    return new UserError(`that is a key itself; give its id, which stands behind blk_: ${ofKey}`);
  return new UserError(`no key has the id ${visibleText(id)}; boardlog keys list shows them`, 1);
}

/** A key is shown this once. */
async function tell(made: { readonly id: string; readonly key: string }, isJson?: boolean): Promise<void> {
  if (isJson) return void (await writeOut(`${JSON.stringify(made)}\n`));
  await writeOut(`${made.key}\n`);
  process.stderr.write(`key ${made.id}: kept nowhere, shown this once\n`);
}

async function print(keys: readonly KeyInfo[], isJson: boolean | undefined): Promise<void> {
  for (const key of keys) {
    const { id, project, rights, src, rate, created } = key;
    const day = new Date(created).toISOString().slice(0, 10);
    const who = src === undefined ? "" : `  device ${visibleText(src)}`;
    const limit = rate === undefined ? "" : `  ${rate}/s`;
    const line = `${id}  ${day}  ${project}  ${rights.join(",")}${who}${limit}`;
    await writeOut(`${isJson ? JSON.stringify(key) : line}\n`);
  }
}
