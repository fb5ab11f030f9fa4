import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

/** Made by systemd-timesyncd once it has set the clock. */
const TIMESYNC_FILE = "/run/systemd/timesync/synchronized";
/** Clocks with a battery, which the kernel sets the time by when it starts. */
const RTC_FOLDER = "/sys/class/rtc";
/** 2020-01-01T00:00Z. */
const RTC_SECONDS_MIN = 1_577_836_800;
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

/**
 * Another one each time the machine starts; the monotonic clock goes on until then. A unit whose /proc is narrowed sees no boot id: its
 * runtime folder, which goes with the machine, holds one of our own.
 */
export function machineBootId(env = process.env, bootIdFile = BOOT_ID_FILE): string {
  const own = randomUUID();
  const folder = env.RUNTIME_DIRECTORY;
  try {
    return readFileSync(bootIdFile, "utf8").trim();
  } catch {
    // Without either nothing is known of what was before this process.
    return folder === undefined ? own : (readOrWrite(join(folder, "boot-id"), own) ?? own);
  }
}

function readOrWrite(path: string, text: string): string | undefined {
  try {
    writeFileSync(path, text, { flag: "wx" });
    return text;
  } catch {
    // It is there, most likely.
  }
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** One whose battery is empty, or not there, starts in 1970 as well. */
function hasRtc(): boolean {
  try {
    return readdirSync(RTC_FOLDER).some((name) => {
      const seconds = Number(readFileSync(join(RTC_FOLDER, name, "since_epoch"), "utf8"));
      return seconds >= RTC_SECONDS_MIN;
    });
  } catch {
    return false;
  }
}
