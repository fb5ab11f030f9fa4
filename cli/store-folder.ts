import { existsSync } from "node:fs";
import { join } from "node:path";
import { LmdbViews } from "../service/store/lmdb-kv.ts";
import { StoreUnavailable } from "../service/store/log-store.ts";
import { type StoreView, viewStore } from "../service/store/store-view.ts";
import { DATA_FOLDERS } from "./api-options.ts";
import { UserError } from "./user-error.ts";

/** Where in a data folder the log is. */
export const STORE_FOLDER = "store";

/** The data folder that is given, else the one that there is. @throws UserError */
export function dataFolderWithStore(given: string | undefined): string {
  const folders = given === undefined ? DATA_FOLDERS : [given];
  const folder = folders.find((candidate) => existsSync(join(candidate, STORE_FOLDER, "head.mdb")));
  if (folder !== undefined) return folder;
  const places = folders.map((one) => join(one, STORE_FOLDER)).join(" or ");
  throw new UserError(`no log in ${places}: give the data folder of up or of the service with --data`);
}

/** Looks at the store of a data folder, whether or not a service has it open. @throws UserError */
export async function viewOf(folder: string): Promise<StoreView> {
  const dir = join(folder, STORE_FOLDER);
  try {
    return await viewStore(new LmdbViews(dir));
  } catch (error) {
    throw unreadable(dir, error);
  }
}

function unreadable(dir: string, error: unknown): UserError {
  const { message, cause } = error as Error;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? (error as NodeJS.ErrnoException).code;
  if (code === "EACCES" || code === "EPERM" || /permission denied/i.test(message))
    return new UserError(`${dir} may not be read: run this as root or as the user of the service`, 1);
  if (error instanceof StoreUnavailable)
    return new UserError(`${dir}: ${message}; if a copy is there, restore it (docs/store.md)`, 1);
  throw error;
}
