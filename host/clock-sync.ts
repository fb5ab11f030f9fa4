import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";

/** Made by systemd-timesyncd once it has set the clock. */
const TIMESYNC_FILE = "/run/systemd/timesync/synchronized";
/** Clocks with a battery, which the kernel sets the time by when it starts. */
const RTC_FOLDER = "/sys/class/rtc";
const BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id";
const ASK_MS_MAX = 2_000;

/**
 * Whether the machine's clock is synchronised; undefined where nobody can tell, or where it has a clock with a battery, so that what
 * it shows was not made up. (adjtimex says the same as timedatectl; the unit's ProtectClock leaves a process without it.)
 */
export async function askSynchronised(): Promise<boolean | undefined> {
  if (existsSync(TIMESYNC_FILE)) return true;
  if (hasRtc()) return undefined;
  try {
    const args = ["show", "--property=NTPSynchronized", "--value"];
    const { stdout } = await promisify(execFile)("timedatectl", args, { timeout: ASK_MS_MAX });
    const answer = stdout.trim();
    return answer === "yes" ? true : answer === "no" ? false : undefined;
  } catch {
    return undefined; // No systemd here.
  }
}

/** Another one each time the machine starts; the monotonic clock goes on until then. */
export function machineBootId(): string {
  try {
    return readFileSync(BOOT_ID_FILE, "utf8").trim();
  } catch {
    // Then nothing is known of what was before this process.
    return `process-${process.pid}-${Date.now()}`;
  }
}

function hasRtc(): boolean {
  try {
    return readdirSync(RTC_FOLDER).length > 0;
  } catch {
    return false;
  }
}
