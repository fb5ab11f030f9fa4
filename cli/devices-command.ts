import { existsSync } from "node:fs";
import { join } from "node:path";
import { SPOOL_FOLDER } from "../gateway/spool/spool.ts";
import { checkSrc, isProject } from "../protocol/names.ts";
import { KEYS_FILE, type KeyInfo, type KeyStore } from "../service/auth/key-store.ts";
import { DATA_FOLDERS, GATEWAY_FOLDER } from "./api-options.ts";
import { add, type KeysAction, revokeFor } from "./keys-command.ts";
import { writeOut } from "./output.ts";
import { readKeys } from "./read-keys.ts";
import { UserError } from "./user-error.ts";
import { visibleText } from "./visible-text.ts";

export interface DevicesOptions {
  readonly data?: string;
  readonly project: string;
  readonly json?: boolean;
}

/** `boardlog devices`: a board is called by its name, and has one secret at a time. */
export async function runDevices(
  action: KeysAction,
  name: string | undefined,
  options: DevicesOptions,
): Promise<void> {
  const { project, json = false } = options;
  if (!isProject(project)) throw new UserError(`--project: ${project} is not a project name`);
  const folder = folderOf(options.data);
  const keys = await readKeys(folder);
  const boards = keys.list().filter((key) => key.src !== undefined && key.project === project);
  if (action === "list") {
    if (name !== undefined) throw new UserError("devices list: takes no name");
    return await print(boards, json);
  }
  if (name === undefined) throw new UserError(`devices ${action}: which? give the name of a board`);
  const of = boards.filter(({ src }) => src === name);
  if (action === "add") return await addBoard(keys, folder, of, { project, name }, json);
  const [first] = of;
  if (first === undefined) {
    throw new UserError(
      `no board ${visibleText(name)} has a secret in ${folder}; boardlog devices list shows those that have`,
      1,
    );
  }
  if (action === "revoke") {
    for (const { id } of of) await revokeFor(keys, id);
    await writeOut(
      json
        ? `${JSON.stringify({ device: name, revoked: true })}\n`
        : `${visibleText(name)} is revoked; what it sends from now on is refused\n`,
    );
    return;
  }
  const secret = await keys.rotate(first.id);
  if (secret === undefined) throw new UserError("devices rotate: it was revoked meanwhile", 1);
  await tell(name, secret, folder, json);
}

async function addBoard(
  keys: KeyStore,
  folder: string,
  before: readonly KeyInfo[],
  { project, name }: { readonly project: string; readonly name: string },
  isJson: boolean,
): Promise<void> {
  const checked = checkSrc(name, "name");
  if (!checked.ok) throw new UserError(checked.problem.text);
  if (/[/+#]/.test(name))
    throw new UserError("name: must not hold / + #, which mean something in MQTT topics");
  if (name === project) throw new UserError("name: is the project's, which is a user name of its own");
  if (before.length > 0) {
    throw new UserError(`${visibleText(name)} has a secret; boardlog devices rotate gives it a new one`, 1);
  }
  const { key } = await add(keys, { project, rights: ["write"], src: name });
  await tell(name, key, folder, isJson);
}

/** The service's folder before the gateway's: what is known there holds for both ways in. */
function folderOf(given: string | undefined): string {
  if (given !== undefined) {
    // A service makes its first key only where there are none; a gateway has a spool, and no key of its own.
    if ([KEYS_FILE, SPOOL_FOLDER].some((name) => existsSync(join(given, name)))) return given;
    throw new UserError(
      `--data: ${given} is not the folder of a service or gateway that was started once; start it, then add boards`,
    );
  }
  const folder = DATA_FOLDERS.find((candidate) => existsSync(join(candidate, KEYS_FILE)));
  if (folder !== undefined) return folder;
  if (existsSync(GATEWAY_FOLDER)) return GATEWAY_FOLDER;
  throw new UserError(
    `no data folder of a service or gateway (looked for ${[...DATA_FOLDERS, GATEWAY_FOLDER].join(", ")}); name it with --data`,
  );
}

/** A secret is shown this once. */
async function tell(name: string, secret: string, folder: string, isJson: boolean): Promise<void> {
  if (isJson) return void (await writeOut(`${JSON.stringify({ device: name, secret })}\n`));
  await writeOut(`${secret}\n`);
  process.stderr.write(
    `MQTT user name ${visibleText(name)}, this as password; a hash is kept in ${folder}, the secret is shown this once\n`,
  );
}

async function print(boards: readonly KeyInfo[], isJson: boolean): Promise<void> {
  for (const { id, src = "", project, created } of boards) {
    const day = new Date(created).toISOString().slice(0, 10);
    const json = JSON.stringify({ device: src, id, project, created });
    await writeOut(`${isJson ? json : `${day}  ${project}  ${visibleText(src)}`}\n`);
  }
}
