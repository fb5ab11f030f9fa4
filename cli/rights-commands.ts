import type { CommandDefinition } from "./command-definition.ts";
import type { DevicesOptions } from "./devices-command.ts";
import type { KeysAction, KeysOptions } from "./keys-command.ts";
import type { TokenOptions } from "./token-command.ts";

const ACTIONS: readonly KeysAction[] = ["list", "add", "revoke", "rotate"];

/** The commands around credentials. */
export const RIGHTS_COMMANDS: readonly CommandDefinition[] = [
  {
    name: "keys",
    summary: "API keys and boards' own credentials: list, add, revoke, rotate",
    description:
      "Works on the data folder of a service on this machine. A running service takes a change over within a second or so, and closes what a revoked key had opened. A key is shown once, when it is made.",
    args: [
      { syntax: "<action>", description: "what to do", choices: ACTIONS },
      { syntax: "[id]", description: "which key, for revoke and rotate" },
    ],
    options: [
      {
        flags: "--rights <names>",
        description:
          "what it may do: read, write, on-behalf (name the source that it logs as; write needs it, or --device), admin (all)",
      },
      { flags: "--device <name>", description: "a board's own key: it may log as this source alone" },
      { flags: "--project <name>", description: "for which project", default: "default" },
      {
        flags: "--rate <n>",
        description: "commands a second that it may send (default: as the service is set)",
        atLeast: 1,
      },
      { flags: "--json", description: "one JSON object a line" },
      {
        flags: "--data <folder>",
        description: "data folder of the service (default: ./boardlog-data)",
        variable: "DATA",
      },
      {
        flags: "--settings <file>",
        description: "settings of the service in place of --data: its keys may be in a cluster",
      },
    ],
    examples: [
      "boardlog keys add --rights read",
      "boardlog keys add --rights write,on-behalf --rate 100",
      "boardlog keys add --device greenhouse",
      "boardlog keys list",
      "boardlog keys rotate 4q8k2m1c",
    ],
    run: async ([action, id], options) =>
      (await import("./keys-command.ts")).runKeys(
        action as KeysAction,
        id as string | undefined,
        options as KeysOptions,
      ),
  },
  {
    name: "devices",
    summary: "boards' own secrets: list, add, revoke, rotate",
    description:
      "A board with a secret of its own may log as itself and as nobody else. Over MQTT its name is the user name and the secret the password; over HTTP the secret is its API key. Works on the data folder of a service or a gateway on this machine; only a hash is kept there. A change counts within a second or so, also while the log service is away; a revoked board is cut off at its next word.",
    args: [
      { syntax: "<action>", description: "what to do", choices: ACTIONS },
      { syntax: "[name]", description: "which board" },
    ],
    options: [
      { flags: "--project <name>", description: "for which project", default: "default" },
      { flags: "--json", description: "one JSON object a line" },
      {
        flags: "--data <folder>",
        description:
          "data folder (default: ./boardlog-data, /var/lib/boardlog, /var/lib/boardlog-gateway, the first that is there)",
        variable: "DATA",
      },
    ],
    examples: [
      "boardlog devices add greenhouse",
      "boardlog devices list",
      "sudo boardlog devices rotate greenhouse --data /var/lib/boardlog-gateway",
      "boardlog devices revoke greenhouse",
    ],
    run: async ([action, name], options) =>
      (await import("./devices-command.ts")).runDevices(
        action as KeysAction,
        name as string | undefined,
        options as DevicesOptions,
      ),
  },
  {
    name: "token",
    summary: "a JWT signed with an API key, good for a time",
    description:
      "Prints a token that is good for a time and may do less than its key: for browsers, links and scripts. It ends with its key.",
    args: [],
    options: [
      { flags: "--expires <time>", description: "90s, 15m, 12h, 30d", default: "1h" },
      { flags: "--rights <names>", description: "of the key's rights, only these", default: "read" },
      { flags: "--key <key>", description: "API key (default: the one in the data folder)", variable: "KEY" },
      {
        flags: "--data <folder>",
        description: "data folder of a service on this machine (default: ./boardlog-data)",
        variable: "DATA",
      },
    ],
    examples: ["boardlog token", "boardlog token --expires 30d --rights write,on-behalf"],
    run: async (_args, options) => (await import("./token-command.ts")).runToken(options as TokenOptions),
  },
];
