import { readFile } from "node:fs/promises";
import type { UserError } from "./user-error.ts";

/**
 * A secret is never in the settings themselves. `$CREDENTIALS_DIRECTORY/` at the start stands for systemd's folder.
 * @throws what `wrong` makes
 */
export async function secretIn(file: string, wrong: (text: string) => UserError): Promise<string> {
  const folder = process.env.CREDENTIALS_DIRECTORY;
  const isCredential = /^\$CREDENTIALS_DIRECTORY(?=\/)/.test(file);
  if (isCredential && folder === undefined) {
    throw wrong(
      `${file}: systemd sets CREDENTIALS_DIRECTORY for the service (LoadCredential= in the unit); from a shell, set it to the folder with the files: sudo CREDENTIALS_DIRECTORY=/etc/boardlog boardlog ...`,
    );
  }
  const path = isCredential ? file.replace("$CREDENTIALS_DIRECTORY", folder ?? "") : file;
  let text: string;
  try {
    text = (await readFile(path, "utf8")).trim();
  } catch (error) {
    throw wrong(`cannot read ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
  if (text === "") throw wrong(`${path} is empty`);
  return text;
}
