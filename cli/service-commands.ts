import type { CommandDefinition } from "./command-definition.ts";
import type { InstallOptions } from "./install-command.ts";

const WHAT = { syntax: "<what>", description: "gateway", choices: ["gateway"] };

/** The commands around systemd. */
export const SERVICE_COMMANDS: readonly CommandDefinition[] = [
  {
    name: "install",
    summary: "install the gateway as a systemd service",
    description:
      "Puts the unit, a settings file with comments and files for the secrets where systemd looks for them, and says what to do next. Settings that are there stay as they are.",
    args: [WHAT],
    options: [{ flags: "--root <folder>", description: "below this folder instead of /, to look at" }],
    examples: ["sudo boardlog install gateway", "boardlog install gateway --root /tmp/look"],
    run: async (_args, options) =>
      (await import("./install-command.ts")).runInstall(options as InstallOptions),
  },
  {
    name: "uninstall",
    summary: "take the gateway away again",
    description:
      "Stops the service and removes what install made. Settings and spool stay unless --purge is given.",
    args: [WHAT],
    options: [
      { flags: "--purge", description: "settings and spool too: lines not yet forwarded are lost" },
      { flags: "--root <folder>", description: "below this folder instead of /" },
    ],
    examples: ["sudo boardlog uninstall gateway"],
    run: async (_args, options) =>
      (await import("./install-command.ts")).runUninstall(options as InstallOptions),
  },
];
