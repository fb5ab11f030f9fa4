import { fileURLToPath } from "node:url";

/** The built page, beside the built command. */
export const CONSOLE_FOLDER = fileURLToPath(new URL("./console", import.meta.url));
