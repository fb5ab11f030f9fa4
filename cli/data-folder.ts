import { mkdirSync } from "node:fs";
import { lockData } from "./data-lock.ts";
import { UserError } from "./user-error.ts";

/** Makes the folder where there is none and takes it for this process alone; the returned function gives it free. */
export function takeData(folder: string, setting = "data"): () => void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return lockData(folder);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${setting}: ${folder} cannot be written: ${reason}`, 1);
  }
}
