import type { BuildOptions } from "./build-command.ts";
import type { CommandDefinition } from "./command-definition.ts";
import type { FlashOptions } from "./flash-command.ts";
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
        description: "how the board reaches the gateway: a UART, an Espruino's own console, MQTT",
        choices: ["serial", "console", "mqtt"],
        default: "serial",
      },
      {
        flags: "--with <options>",
        description: "clock,fold,levels,words,direct,...: what the agent does beyond the least",
      },
      { flags: "--minify", description: "write the app as short as can be (the default)" },
      { flags: "--no-minify", description: "leave the app readable" },
      {
        flags: "--out <file>",
        description: "where to write (default: app.bundle.js, or boardlog-serial.js)",
      },
    ],
    examples: [
      "boardlog build --transport serial --out boardlog.js",
      "boardlog build pump.ts --with clock,direct",
      "boardlog build pump.ts --transport console --with clock,words",
      "boardlog build pump.ts --transport mqtt --out pump.js",
      "boardlog build pump.ts --target moddable --transport mqtt",
    ],
    run: async ([app], options) =>
      (await import("./build-command.ts")).runBuild(app as string | undefined, options as BuildOptions),
  },
  {
    name: "flash",
    summary: "put a bundle on a board, and see that it runs",
    description:
      "Writes a bundle to an Espruino's flash over its console, reads its checksum back, starts it, and shows the first lines that the board prints. A bundle for Moddable is built and flashed by the SDK's mcconfig.",
    args: [{ syntax: "<bundle>", description: "what boardlog build wrote" }],
    options: [
      {
        flags: "--port <path>",
        description: "the port of the board's console (default: the only USB port there is)",
      },
      { flags: "--baud <rate>", description: "its baud rate", default: "115200" },
      {
        flags: "--board <kind>",
        description: "espruino, or moddable:<platform> as mcconfig knows it",
        default: "espruino",
      },
      {
        flags: "--as <name>",
        description: "write it as a module of this name to Storage, rather than as the code that starts",
      },
      { flags: "--show <seconds>", description: "how long to show what the board prints", default: "3" },
    ],
    examples: [
      "boardlog flash pump.bundle.js --port /dev/ttyACM0",
      "boardlog flash boardlog-serial.js --as boardlog --port /dev/ttyUSB0",
      "boardlog flash pump.bundle.js --board moddable:esp32",
    ],
    run: async ([bundle], options) =>
      (await import("./flash-command.ts")).runFlash(bundle as string, options as FlashOptions),
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
