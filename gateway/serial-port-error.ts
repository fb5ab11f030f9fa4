import { readFile, stat } from "node:fs/promises";

/** Says what is wrong with a port that does not open, and what to do about it. */
export async function explainOpenError(path: string, error: Error): Promise<string> {
  const { message } = error;
  if (/no such file/i.test(message)) return `${path}: no such device; is the board plugged in?`;
  if (/permission denied/i.test(message)) return `${path}: ${permissionAdvice(await groupOwning(path))}`;
  if (/cannot lock|resource busy|device or resource busy/i.test(message)) {
    return `${path}: busy; another program has it open (a terminal program, or a second gateway)`;
  }
  if (/not a tty|inappropriate ioctl|could not get|tcgetattr/i.test(message)) {
    return `${path}: is no serial port`;
  }
  return `${path}: ${message.replace(/^Error:\s*/, "")}`;
}

/** @param group name of the group that owns the device node, where it is known. */
export function permissionAdvice(group: string | undefined): string {
  if (group === undefined) return "permission denied; run as a user who may read and write it";
  return `permission denied; it belongs to group ${group}: add the user with \`sudo usermod -aG ${group} USER\`, then log in again`;
}

async function groupOwning(path: string): Promise<string | undefined> {
  try {
    const { gid } = await stat(path);
    return groupName(await readFile("/etc/group", "utf8"), gid) ?? String(gid);
  } catch {
    return undefined; // Only advice depends on it.
  }
}

/** Looks a group id up in the text of /etc/group. */
export function groupName(groupFile: string, gid: number): string | undefined {
  for (const line of groupFile.split("\n")) {
    const [name, , id] = line.split(":");
    if (name !== undefined && id === String(gid)) return name;
  }
  return undefined;
}
