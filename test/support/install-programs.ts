import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { PROGRAMS, type Program, requires } from "./requirements.ts";

/** On Debian as root, gets what is missing; elsewhere the tests that need it are skipped and say so by name. */
export default function installPrograms(): void {
  const missing = (Object.keys(PROGRAMS) as Program[]).filter((program) => requires(program).isMissing);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => PROGRAMS[program]))];
  const isDebianRoot = process.getuid?.() === 0 && existsSync("/etc/debian_version");
  if (!isDebianRoot) {
    process.stdout.write(
      `Some tests will be skipped, since these are not installed: ${missing.join(", ")}. On Debian: sudo apt-get install ${packages.join(" ")}\n`,
    );
    return;
  }
  process.stdout.write(`Installing ${packages.join(", ")} for the tests...\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  try {
    execFileSync("apt-get", ["update", "-qq"], { env, stdio: "ignore", timeout: 180_000 });
    execFileSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], {
      env,
      stdio: "ignore",
      timeout: 300_000,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    process.stdout.write(
      `Could not install ${packages.join(", ")}: ${reason}. Tests that need them are skipped.\n`,
    );
  }
}
