import type { CommandDefinition, OptionDefinition } from "./command-definition.ts";
import { EXPORT_FORMATS, type ExportFormat } from "./export-format.ts";
import { LEASE_LEVELS } from "./lease-levels.ts";
import type { LevelOptions } from "./level-command.ts";

const CONNECTION: readonly OptionDefinition[] = [
  { flags: "--project <name>", description: "which project", default: "default" },
  {
    flags: "--url <url>",
    description: "address of the log service (default: that of the data folder, or http://127.0.0.1:7480)",
    variable: "URL",
  },
  { flags: "--key <key>", description: "API key (default: the one in the data folder)", variable: "KEY" },
  {
    flags: "--data <folder>",
    description: "data folder of a service on this machine (default: ./boardlog-data)",
    variable: "DATA",
  },
];

const RANGE: readonly OptionDefinition[] = [
  {
    flags: "--since <time>",
    description: 'from then on: 10m, 2h, 3d (ago), 14:05, yesterday, "2025-11-22 14:05"',
  },
  { flags: "--until <time>", description: "up to then, not included" },
  { flags: "--after <id>", description: "begin after the entry with this id" },
];

const FILTERS: readonly OptionDefinition[] = [
  {
    flags: "-l, --level <level>",
    description: "this level and above; a line of console.log has none, and passes no level",
    choices: ["debug", "info", "warn", "error"],
  },
  { flags: "-g, --grep <regex>", description: "only lines whose text matches" },
  { flags: "--stream <name>", description: "only this stream, such as console, uart, loss" },
  { flags: "--module <name>", description: "only this part of the firmware" },
];

const COLOR: OptionDefinition = {
  flags: "--color <when>",
  description: "auto, always (for less -R) or never; NO_COLOR is honoured",
  choices: ["auto", "always", "never"],
  default: "auto",
};

const FORMAT: readonly OptionDefinition[] = [
  { flags: "--json", description: "one JSON object a line, with every field that is known" },
  {
    flags: "--fields <names>",
    description: "only these, tab-separated: time,src,level,text,seq,received,...",
  },
  { flags: "--template <text>", description: "a line of your own: '{time} {src} {msg.temp}'" },
  COLOR,
];

const SOURCES_ARGUMENT = { syntax: "[src...]", description: "only these sources (default: all)" };

type Run = CommandDefinition["run"];
const sourcesOf = (args: readonly unknown[]): readonly string[] => (args[0] ?? []) as readonly string[];

const tail: Run = async (args, options) =>
  (await import("./tail-command.ts")).runTail(sourcesOf(args), options);
const list: Run = async (args, options) =>
  (await import("./list-command.ts")).runList(sourcesOf(args), options);
const losses: Run = async (args, options) =>
  (await import("./losses-command.ts")).runLosses(sourcesOf(args), options);
const exportLog: Run = async (args, options) =>
  (await import("./export-command.ts")).runExport(sourcesOf(args), {
    ...(options as { readonly format: ExportFormat }),
  });

/** Everything that reads the log. */
export const READING_COMMANDS: readonly CommandDefinition[] = [
  {
    name: "tail",
    summary: "follow the log as it comes",
    description:
      "Shows the newest lines and follows the log live. A lost connection, or a service that is started again, is taken up where it broke, without gap or repeat. With --until it ends by itself at that time.",
    args: [SOURCES_ARGUMENT],
    options: [
      {
        flags: "-n, --last <n>",
        description: "begin with the newest n entries (default: 10, or all since --since)",
        atLeast: 0,
      },
      ...FILTERS,
      ...RANGE,
      ...FORMAT,
      ...CONNECTION,
    ],
    examples: [
      "boardlog tail",
      "boardlog tail greenhouse pump --level warn --since 10m",
      "boardlog tail --template '{src}: {text}' --last 0",
    ],
    run: tail,
  },
  {
    name: "list",
    summary: "page through the log",
    description: "Prints the log of all or some sources, oldest first, up to its end.",
    args: [SOURCES_ARGUMENT],
    options: [
      { flags: "-n, --last <n>", description: "only the newest n entries", atLeast: 1 },
      { flags: "--limit <n>", description: "at most n entries", atLeast: 1 },
      ...FILTERS,
      ...RANGE,
      ...FORMAT,
      ...CONNECTION,
    ],
    examples: [
      "boardlog list greenhouse --last 20",
      "boardlog list --since yesterday --until today --level error",
      "boardlog list greenhouse --json | jq .msg",
      "boardlog list --color always | less -R",
    ],
    run: list,
  },
  {
    name: "sources",
    summary: "who has logged, when last and how much",
    description: "Lists the sources of a project, the one heard last first.",
    args: [],
    options: [
      { flags: "--json", description: "one JSON object a line" },
      { flags: "--names", description: "names only" },
      COLOR,
      ...CONNECTION,
    ],
    examples: ["boardlog sources"],
    run: async (_args, options) => (await import("./sources-command.ts")).runSources(options),
  },
  {
    name: "losses",
    summary: "what is missing from the log, where it was lost and why",
    description:
      "Prints every loss record in plain words, and how many lines each source misses. With --check the exit status says it.",
    args: [SOURCES_ARGUMENT],
    options: [
      { flags: "--check", description: "exit status 1 where something is missing" },
      ...RANGE,
      ...FORMAT,
      ...CONNECTION,
    ],
    examples: ["boardlog losses", "boardlog losses greenhouse --since 1d --check"],
    run: losses,
  },
  {
    name: "export",
    summary: "the log as a file for other programs",
    description:
      "Writes the log as JSON lines, CSV (RFC 4180) or OTLP JSON (one LogsData a line, as the OpenTelemetry collector's file receiver takes it). Progress goes to standard error.",
    args: [SOURCES_ARGUMENT],
    options: [
      {
        flags: "--format <name>",
        description: "jsonl, csv or otlp",
        choices: EXPORT_FORMATS,
        default: "jsonl",
      },
      { flags: "--output <file>", description: "write there (default: standard output); never over a file" },
      { flags: "--quiet", description: "no progress" },
      ...FILTERS,
      ...RANGE,
      ...CONNECTION,
    ],
    examples: [
      "boardlog export --format csv --output log.csv",
      "boardlog export greenhouse --since 1d --format otlp > greenhouse.otlp.jsonl",
    ],
    run: exportLog,
  },
  {
    name: "level",
    summary: "how much a board logs, for a time",
    description:
      "Tells a board, over whichever gateway has it, the least level that it is to send. The board falls back to its own setting at the end, connected or not. Needs a key with the right admin.",
    args: [
      { syntax: "<src>", description: "which board" },
      {
        syntax: "<level>",
        description: "the least level that is sent; default: end it now",
        choices: LEASE_LEVELS,
      },
    ],
    options: [
      { flags: "--for <time>", description: "how long: 90s, 10m, 2h; a day at most", default: "10m" },
      { flags: "--module <name>", description: "only for this part of the firmware" },
      { flags: "--json", description: "what became of it, as a JSON object" },
      ...CONNECTION,
    ],
    examples: ["boardlog level greenhouse debug --for 10m", "boardlog level greenhouse default"],
    run: async ([src, level], options) =>
      (await import("./level-command.ts")).runLevel(String(src), level as never, options as LevelOptions),
  },
  {
    name: "doctor",
    summary: "check this machine and the service, and say what to do",
    description:
      "Checks the runtime, serial ports and rights to them, the MQTT broker, the data folder and its disk, clocks, the log service and the key. Exit status 1 where something does not work.",
    args: [],
    options: [
      { flags: "--json", description: "one JSON object a line" },
      {
        flags: "--broker <url>",
        description: "the MQTT broker to try (default: mqtt://127.0.0.1:1883)",
        variable: "BROKER",
      },
      {
        flags: "--settings <file>",
        description: "check what these settings of a gateway or a service name instead",
      },
      COLOR,
      ...CONNECTION,
    ],
    examples: [
      "boardlog doctor",
      "boardlog doctor --broker mqtt://me:secret@192.168.1.5",
      "sudo CREDENTIALS_DIRECTORY=/etc/boardlog boardlog doctor --settings /etc/boardlog/gateway.yaml",
    ],
    run: async (_args, options) => (await import("./doctor-command.ts")).runDoctor(options),
  },
];
