import { execFile } from "node:child_process";
import { access, chmod, copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { writeOut } from "./output.ts";
import { UserError } from "./user-error.ts";

export interface InstallOptions {
  /** Where the file system begins; `/` but in tests. */
  readonly root?: string;
  readonly purge?: boolean;
}

/** Of this package; the unit is the very file that the Debian package carries. */
const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const UNIT = "boardlog-gateway.service";
const UNIT_FOLDER = "etc/systemd/system";
const SETTINGS_FOLDER = "etc/boardlog";
const PROGRAM = "usr/bin/boardlog";
/** Where a Debian package puts it. */
const PACKAGED_UNIT = `lib/systemd/system/${UNIT}`;
/** Handed over by the unit (`LoadCredential=`); one that is not there does not start. */
const SECRETS = ["service-key", "mqtt-key"] as const;
const run = promisify(execFile);

/** `boardlog install gateway`: unit and settings where systemd looks for them, and what to do next. */
export async function runInstall({ root = "/" }: InstallOptions): Promise<void> {
  const at = (path: string): string => join(root, path);
  if (await exists(at(PACKAGED_UNIT))) {
    throw new UserError(
      `the Debian package has installed it already: sudo systemctl enable --now boardlog-gateway`,
      1,
    );
  }
  const done: string[] = [];
  await orRoot(async () => {
    await put(join(PACKAGE, "gateway/systemd", UNIT), at(join(UNIT_FOLDER, UNIT)));
    done.push(at(join(UNIT_FOLDER, UNIT)));
    const settings = at(join(SETTINGS_FOLDER, "gateway.yaml"));
    // What somebody has set up stays.
    if (await exists(settings)) done.push(`${settings} (kept as it was)`);
    else {
      await put(join(PACKAGE, "packaging/gateway.yaml"), settings);
      done.push(settings);
    }
    for (const name of SECRETS) {
      const secret = at(join(SETTINGS_FOLDER, name));
      if (await exists(secret)) continue;
      await writeFile(secret, "", { mode: 0o600 });
      done.push(`${secret} (empty: for a secret)`);
    }
    if (!(await exists(at(PROGRAM)))) {
      await mkdir(dirname(at(PROGRAM)), { recursive: true });
      await writeFile(
        at(PROGRAM),
        `#!/bin/sh\nexec "${process.execPath}" "${join(PACKAGE, "bin/boardlog.js")}" "$@"\n`,
      );
      await chmod(at(PROGRAM), 0o755);
      done.push(at(PROGRAM));
    }
  });
  if (root === "/") await run("systemctl", ["daemon-reload"]).catch(() => {});
  await writeOut(`${done.map((path) => `made ${path}\n`).join("")}
Then:
  sudo nano /etc/boardlog/service-key            an API key of the log service: boardlog keys add --rights write,on-behalf
  sudo nano /etc/boardlog/gateway.yaml           where the service is, which ports and brokers
  sudo systemctl enable --now boardlog-gateway   start it, now and at every start of the machine
`);
}

/** `boardlog uninstall gateway`: stops it and takes away what `install` made; settings and spool only when asked. */
export async function runUninstall({ root = "/", purge = false }: InstallOptions): Promise<void> {
  const at = (path: string): string => join(root, path);
  if (await exists(at(PACKAGED_UNIT))) {
    throw new UserError("the Debian package installed it: sudo apt-get remove boardlog", 1);
  }
  if (!(await exists(at(join(UNIT_FOLDER, UNIT))))) {
    throw new UserError(`it is not installed: there is no ${at(join(UNIT_FOLDER, UNIT))}`, 1);
  }
  if (root === "/") await run("systemctl", ["disable", "--now", UNIT]).catch(() => {});
  await orRoot(async () => {
    await rm(at(join(UNIT_FOLDER, UNIT)), { force: true });
    // Only a program that install made: anything else is somebody's own.
    const program = await readFile(at(PROGRAM), "utf8").catch(() => "");
    if (program.includes(join(PACKAGE, "bin/boardlog.js"))) await rm(at(PROGRAM));
    if (purge) {
      await rm(at(SETTINGS_FOLDER), { recursive: true, force: true });
      for (const folder of ["var/lib/boardlog-gateway", "var/lib/private/boardlog-gateway"])
        await rm(at(folder), { recursive: true, force: true });
    }
  });
  if (root === "/") await run("systemctl", ["daemon-reload"]).catch(() => {});
  await writeOut(
    purge
      ? "the gateway is gone, with its settings and its spool\n"
      : "the gateway is gone; settings (/etc/boardlog) and spool (/var/lib/boardlog-gateway) are kept: --purge takes them too\n",
  );
}

async function put(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await copyFile(from, to);
  await chmod(to, 0o644);
}

async function orRoot(task: () => Promise<void>): Promise<void> {
  try {
    await task();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM") {
      throw new UserError(`${message}: run it as root (sudo boardlog ...)`, 1);
    }
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
