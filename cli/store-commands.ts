import type { BackupOptions } from "./backup-command.ts";
import type { CommandDefinition } from "./command-definition.ts";
import type { StoreCheckOptions } from "./store-command.ts";
import type { StoreCopyOptions } from "./store-copy-command.ts";

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
    summary: "check the log's files, or copy the log to a cluster",
    description:
      "check reads every value of the log and holds all of it against the rest; a service may have it open meanwhile; exit status 1 when something is damaged. copy brings the log and keys of a folder, whose service is stopped, to the cluster that the settings of a service name; cut off, it goes on where it was.",
    args: [{ syntax: "<what>", description: "check or copy", choices: ["check", "copy"] }],
    options: [
      DATA,
      { flags: "--settings <file>", description: "copy: settings of a service whose store is a cluster" },
      { flags: "--json", description: "one JSON object" },
    ],
    examples: [
      "boardlog store check",
      "boardlog store check --data /var/lib/boardlog --json",
      "sudo boardlog store copy --data /var/lib/boardlog --settings /etc/boardlog/cluster.yaml",
    ],
    run: async ([what], options) =>
      what === "copy"
        ? (await import("./store-copy-command.ts")).runStoreCopy(options as StoreCopyOptions)
        : (await import("./store-command.ts")).runStoreCheck(options as StoreCheckOptions),
  },
];
