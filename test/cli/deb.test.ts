import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { requires } from "../support/requirements.ts";

const need = requires("dpkg-deb");
const SCRIPT = fileURLToPath(new URL("../../scripts/check-deb.mjs", import.meta.url));
/** `DEB_CHECK="amd64 arm64 armhf --install"` does all of it (as root, on a machine that may be changed). */
const ARGS = (process.env.DEB_CHECK ?? "amd64 --quick").split(" ");

test.skipIf(need.isMissing)(
  `the Debian package holds the committed unit and native parts of its own architecture alone${need.note}`,
  async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, ...ARGS]);
    expect(stdout).toMatch(/^amd64: \d+ native parts, all for it; [\d.]+ MiB$/m);
  },
  300_000,
);
