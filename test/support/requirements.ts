import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Where Debian puts servers, which is not in every user's PATH. */
const MORE_FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/sbin"];

/** Programs that tests use where they are there, with the Debian package of each. */
export const PROGRAMS = {
  mosquitto: "mosquitto",
  socat: "socat",
  "nats-server": "nats-server",
  chromium: "chromium",
  gcc: "build-essential",
  make: "build-essential",
  openssl: "openssl",
  "systemd-analyze": "systemd",
  "dpkg-deb": "dpkg",
  zsh: "zsh",
  fish: "fish",
} as const;

export type Program = keyof typeof PROGRAMS;

export interface Requirement {
  readonly program: Program;
  /** Absolute path, or undefined where the program is missing. */
  readonly path: string | undefined;
  readonly isMissing: boolean;
  /** For suite titles: empty, or why the suite is skipped and what installs the program. */
  readonly note: string;
}

/** Whether a program is on this machine: `describe.skipIf(need.isMissing)(`title${need.note}`, ...)`. */
export function requires(program: Program): Requirement {
  const path = findProgram(program);
  const note =
    path === undefined ? ` (skipped: ${program} is missing; apt-get install ${PROGRAMS[program]})` : "";
  return { program, path, isMissing: path === undefined, note };
}

/** Its absolute path, or undefined where it is missing. */
export function findProgram(program: string): string | undefined {
  for (const folder of [...(process.env.PATH ?? "").split(delimiter), ...MORE_FOLDERS]) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}
