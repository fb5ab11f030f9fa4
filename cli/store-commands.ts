import type { BackupOptions } from "./backup-command.ts";
import type { CommandDefinition } from "./command-definition.ts";
import type { StoreCheckOptions } from "./store-command.ts";

const DATA = {
  flags: "--data <folder>",
  description: "data folder of up or of the service (default: the one that is there)",
  variable: "DATA",
};

/** The commands on the log itself, in its folder. */
export const STORE_COMMANDS: readonly CommandDefinition[] = [
  {
    name: "backup",
    summary: "copy the log and its keys as they are now, also of a running service",
    description:
      "Copies the data folder as it is at one moment, while a service goes on writing to it. The copy is a data folder itself: to restore it, start on it. Interrupted, it leaves nothing of that name.",
    args: [],
    options: [
      { flags: "--to <folder>", description: "folder to make; must not be there yet", isRequired: true },
      DATA,
      { flags: "--json", description: "one JSON object" },
    ],
    examples: [
      'boardlog backup --to "/mnt/usb/boardlog-$(date +%F)"',
      "sudo boardlog backup --data /var/lib/boardlog --to /var/backups/boardlog/monday",
    ],
    run: async (_args, options) => (await import("./backup-command.ts")).runBackup(options as BackupOptions),
  },
  {
    name: "store",
    summary: "check the log's files: every value, count, mark and index",
    description:
      "Reads every value of the log and holds all of it against the rest. A service may have it open meanwhile. Exit status 1 when something is damaged.",
    args: [{ syntax: "<what>", description: "check", choices: ["check"] }],
    options: [DATA, { flags: "--json", description: "one JSON object" }],
    examples: ["boardlog store check", "boardlog store check --data /var/lib/boardlog --json"],
    run: async (_args, options) =>
      (await import("./store-command.ts")).runStoreCheck(options as StoreCheckOptions),
  },
];
