import type { BuildOptions } from "./build-command.ts";
import type { CommandDefinition } from "./command-definition.ts";
import type { PortsOptions } from "./ports-command.ts";

/** The commands around boards: bundles for them, and where they are plugged in. */
export const BOARD_COMMANDS: readonly CommandDefinition[] = [
  {
    name: "build",
    summary: "bundle an app with the agent for a board",
    description:
      "Bundles a board's app with the agent; without an app, the agent alone: for Espruino as a module for the board's Storage, for Moddable as one with a manifest to include. What the board's engine does not take is lowered or refused, with file and line. The app imports { start } from \"boardlog\" and calls it first. Prints the size and about how much RAM it takes.",
    args: [{ syntax: "[app]", description: "the app's entry file, TypeScript or JavaScript" }],
    options: [
      {
        flags: "--target <engine>",
        description: "the board's engine",
        choices: ["espruino", "moddable"],
        default: "espruino",
      },
      {
        flags: "--transport <link>",
        description: "how the board reaches the gateway",
        choices: ["serial", "mqtt"],
        default: "serial",
      },
      {
        flags: "--with <options>",
        description: "plain,shared,clock,direct,reserve,unacked,stop: what the agent does beyond the least",
      },
      { flags: "--no-minify", description: "leave the app readable" },
      {
        flags: "--out <file>",
        description: "where to write (default: app.bundle.js, or boardlog-serial.js)",
      },
    ],
    examples: [
      "boardlog build --transport serial --out boardlog.js",
      "boardlog build pump.ts --with clock,direct",
      "boardlog build pump.ts --transport mqtt --out pump.js",
      "boardlog build pump.ts --target moddable --transport mqtt",
    ],
    run: async ([app], options) =>
      (await import("./build-command.ts")).runBuild(app as string | undefined, options as BuildOptions),
  },
  {
    name: "ports",
    summary: "the serial ports of this machine, by names people recognise",
    description: "Lists serial ports with maker and product, and the name that stays when a cable is moved.",
    args: [],
    options: [{ flags: "--json", description: "one JSON object a line" }],
    examples: ["boardlog ports"],
    run: async (_, options) => (await import("./ports-command.ts")).runPorts(options as PortsOptions),
  },
];
