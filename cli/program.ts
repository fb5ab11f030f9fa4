import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { redactKeys } from "../host/redaction.ts";
import packageJson from "../package.json" with { type: "json" };
import { ARRIVALS, type PlannedFault, parseFault } from "../sim/load/load-faults.ts";
import { MESSAGE_MODELS } from "../sim/load/load-line.ts";
import { BOARD_COMMANDS } from "./board-commands.ts";
import type { CommandDefinition } from "./command-definition.ts";
import type { ProgramModel } from "./command-model.ts";
import { SHELLS, type Shell } from "./completions.ts";
import { toleratePipeEnd, writeOut } from "./output.ts";
import { READING_COMMANDS } from "./reading-commands.ts";
import { RIGHTS_COMMANDS } from "./rights-commands.ts";
import { SERVICE_COMMANDS } from "./service-commands.ts";
import { FAULT_HELP, simMode } from "./sim-modes.ts";
import { STORE_COMMANDS } from "./store-commands.ts";
import { UserError } from "./user-error.ts";

const DEFINITIONS = [
  ...READING_COMMANDS,
  ...RIGHTS_COMMANDS,
  ...STORE_COMMANDS,
  ...SERVICE_COMMANDS,
  ...BOARD_COMMANDS,
];

const ABOUT = `Gets the console lines of boards that run JavaScript to a log service:
each exactly once, in the board's order, with the board's time.`;

const EXAMPLES = `
Start here:
  $ boardlog up --demo                       everything on this machine, with two simulated boards
  $ boardlog up --serial /dev/ttyUSB0        the same for a board on a serial port
  $ boardlog tail                            watch the live log from another terminal
  $ boardlog list greenhouse --last 20       the newest 20 lines of one board

Options that say (env: BOARDLOG_...) can be set in the environment too (BOARDLOG_HTTP=8080).
Exit status: 0 done, 1 it did not work, 2 wrong usage.`;

/** Runs the command line and gives the exit status. */
export async function runProgram(args: readonly string[]): Promise<number> {
  toleratePipeEnd();
  const program = makeProgram();
  try {
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof UserError) {
      tellError(`boardlog: ${error.message}\n`);
      return error.exitStatus;
    }
    // What the system refuses names the file and the reason.
    if (isStoreUnavailable(error) || isSystemError(error)) {
      tellError(`boardlog: ${error.message}\n`);
      return 1;
    }
    if (isCommanderExit(error)) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}

/** Words that quote what was typed; a key that stands where something else belongs does not get into the log of a script. */
function tellError(text: string): void {
  process.stderr.write(redactKeys(text));
}

function makeProgram(): Command {
  const program = new Command("boardlog")
    .description(ABOUT)
    .version(packageJson.version)
    .addHelpText("after", EXAMPLES)
    .showHelpAfterError('(run "boardlog --help" for what there is)')
    .showSuggestionAfterError()
    .configureOutput({ writeErr: tellError })
    .exitOverride()
    .configureHelp({ showGlobalOptions: true });
  addUp(program);
  addService(program);
  addGateway(program);
  for (const definition of DEFINITIONS) addDefined(program, definition);
  addSim(program);
  addCompletion(program);
  return program;
}

function addUp(program: Command): void {
  program
    .command("up")
    .summary("gateway, MQTT broker, log service and page in one process")
    .description(
      "Runs the whole chain in one process: an MQTT broker for boards, a gateway for them and for serial ports, a log service that keeps every line on disk, and the page and API to read them.",
    )
    .addOption(option("--data <folder>", "where the log is kept", "DATA"))
    .addOption(option("--http <[host:]port>", "page and API (default: 127.0.0.1:7480)", "HTTP"))
    .addOption(option("--mqtt <[host:]port>", "embedded MQTT broker (default: 127.0.0.1:1883)", "MQTT"))
    .addOption(
      option("--broker <url>", "use this MQTT broker instead: mqtt://[user:password@]host[:port]", "BROKER"),
    )
    .addOption(
      option(
        "--serial <path[:baud][:console]>",
        "a serial port with a board on it (default baud 115200), or with the board's own console; may be repeated",
        "SERIAL",
      ).argParser((value: string, before: readonly string[] | undefined) => [
        ...(before ?? []),
        ...value.split(","),
      ]),
    )
    .addOption(
      option(
        "--settings <file>",
        "YAML file with the same names: data, http, mqtt, broker, serial, keep; and tls, keyRate, quota, sourceRate",
        "SETTINGS",
      ),
    )
    .addOption(
      new Option("--demo", "add two simulated boards that run the real agent, one on MQTT, one on a pty"),
    )
    .addOption(
      option("--keep-days <n>", "remove what was received longer ago (default: keep all)", "KEEP_DAYS"),
    )
    .addOption(option("--keep-mb <n>", "remove the oldest above this size of the log", "KEEP_MB"))
    .addOption(new Option("--quiet", "do not print the live log here"))
    .addHelpText(
      "after",
      `
Examples:
  $ boardlog up --demo
  $ boardlog up --serial /dev/ttyACM0:115200 --serial /dev/ttyUSB1:9600
  $ boardlog up --broker mqtt://me:secret@192.168.1.5 --http 0.0.0.0:7480

A board on MQTT logs in with the user name "default" and an API key as its password, and publishes
on boardlog/default/<device>/log. The first key is in <data>/api-key.`,
    )
    .action(async (options) => (await import("./up-command.ts")).runUp(options));
}

function addService(program: Command): void {
  program
    .command("service")
    .summary("the log service alone: store, API, live sockets and page")
    .description(
      "Keeps the log on disk, serves the API, the live sockets and the page, and takes what gateways elsewhere forward. Meant for a service manager; see docs/service.md.",
    )
    .addOption(
      option(
        "--settings <file>",
        "YAML file (packaging/service.yaml explains it)",
        "SETTINGS",
      ).makeOptionMandatory(),
    )
    .addOption(new Option("--check", "only say whether the settings are good"))
    .addHelpText("after", "\nExample:\n  $ boardlog service --settings /etc/boardlog/service.yaml --check")
    .action(async (options) => (await import("./service-command.ts")).runService(options));
}

function addGateway(program: Command): void {
  program
    .command("gateway")
    .summary("boards in, a log service elsewhere out; nothing lost in between")
    .description(
      "Hears boards on serial ports and MQTT, keeps every line on disk until the log service has it, and forwards it. Meant for a service manager; see docs/gateway.md.",
    )
    .addOption(
      option(
        "--settings <file>",
        "YAML file (packaging/gateway.yaml explains it)",
        "SETTINGS",
      ).makeOptionMandatory(),
    )
    .addOption(new Option("--check", "only say whether the settings are good"))
    .addHelpText("after", "\nExample:\n  $ boardlog gateway --settings /etc/boardlog/gateway.yaml --check")
    .action(async (options) => (await import("./gateway-command.ts")).runGateway(options));
}

function addSim(program: Command): void {
  const command = program
    .command("sim")
    .summary("torture the whole chain, in virtual time or under load, and judge it")
    .description(
      "With --seed: runs boards with the real agent, gateway and store in one process and in virtual time, lets everything go wrong that a seed draws, and checks every promise afterwards. With --devices: puts real load on real processes, then reads everything back. With --record: writes down what a running service gets. Exit status 1 when a promise was broken.",
    )
    .showHelpAfterError('(run "boardlog sim --help" for what there is)')
    .optionsGroup("Virtual time:")
    .addOption(new Option("--seed <n>", "the first seed").argParser(wholeNumber(0)).default(1))
    .addOption(new Option("--runs <k>", "how many seeds from there on").argParser(wholeNumber(1)).default(1))
    .addOption(
      new Option(
        "--faults <names>",
        "only these of the faults drawn, with commas; or none (default: all that were drawn)",
      ),
    )
    .addOption(new Option("--boards <n>", "only the first n boards (default: all)").argParser(wholeNumber(1)))
    .addOption(
      new Option("--virtual-seconds <s>", "length of the phase with faults (default: 20)").argParser(
        positiveNumber("seconds"),
      ),
    )
    .addOption(new Option("--trace", "print every event"))
    .optionsGroup("Load, what comes:")
    .addOption(
      new Option("--devices <n>", "boards, each with the real agent and a connection of its own").argParser(
        wholeNumber(1),
      ),
    )
    .addOption(
      new Option("--serial <n>", "so many of them on serial lines (ptys), the others on MQTT")
        .argParser(wholeNumber(0))
        .default(0),
    )
    .addOption(
      new Option("--rate <r>", "entries a second and board, on average")
        .argParser(positiveNumber("entries a second"))
        .default(2),
    )
    .addOption(
      new Option("--burst <n>", "lines that a board logs at once; bursts are as much rarer")
        .argParser(wholeNumber(1))
        .default(1),
    )
    .addOption(
      new Option(
        "--arrival <pattern>",
        "boards in turn, all at the same moment, all back at once after an outage, or falling over every 2 s",
      )
        .choices(ARRIVALS)
        .default("steady" as const),
    )
    .addOption(
      new Option("--messages <model>", "what boards log").choices(MESSAGE_MODELS).default("text" as const),
    )
    .addOption(
      new Option(
        "--replay <file>",
        "log what was recorded instead, at its own pace (JSON lines of export, tail or --record)",
      ),
    )
    .addOption(
      new Option("--duration <s>", "length of the load, or of a recording")
        .argParser(positiveNumber("seconds"))
        .default(60),
    )
    .addOption(
      new Option("--ring <bytes>", "memory of a board for lines").argParser(wholeNumber(256)).default(8192),
    )
    .optionsGroup("Load, on what:")
    .addOption(
      new Option(
        "--broker <url>",
        "mqtt://[user:password@]host[:port], or mosquitto to start one (default: the one inside boardlog); {device} in user or password is each board's name",
      ),
    )
    .addOption(
      new Option(
        "--credentials <file>",
        "boards' own logins on the broker given: lines of name, user name, password (load-0 anna secret)",
      ),
    )
    .addOption(
      new Option(
        "--service <url>",
        "a service that is there, with --broker and --key (default: boardlog up, started for it)",
      ),
    )
    .addOption(new Option("--key <key>", "API key of that service").env("BOARDLOG_KEY"))
    .addOption(
      new Option(
        "--apart",
        "start gateway with its spool and service as processes of their own, not boardlog up",
      ),
    )
    .addOption(
      new Option("--workers <n>", "threads of the generator (default: one a core)").argParser(wholeNumber(1)),
    )
    .optionsGroup("Load, what goes wrong:")
    .addOption(
      new Option(
        "--fault <what@s[+s]>",
        "what, at which second, for how many (5 unless said); may be repeated; see below",
      )
        .argParser(plannedFault)
        .default([], "none"),
    )
    .addOption(
      new Option("--kill-every <s>", "kill -9 the gateway and start it again, every so many seconds")
        .argParser(positiveNumber("seconds", true))
        .default(0, "never"),
    )
    .addOption(
      new Option("--cut-every <s>", "cut a tenth of the connections, every so many seconds")
        .argParser(positiveNumber("seconds", true))
        .default(0, "never"),
    )
    .optionsGroup("Load, the verdict:")
    .addOption(
      new Option("--drain <s>", "time that queues have to drain afterwards")
        .argParser(positiveNumber("seconds", true))
        .default(60),
    )
    .addOption(new Option("--no-live", "do not read everything from the live socket too"))
    .addOption(new Option("--html <file>", "write a page with the figures and plots"))
    .addOption(new Option("--json", "one JSON object a run, in place of the table"))
    .optionsGroup("Recording:")
    .addOption(
      new Option(
        "--record <file>",
        "write down what the boards of a running service log (--service, --key), for --duration",
      ),
    )
    .optionsGroup("Options:")
    .addHelpText(
      "after",
      `
Faults of a load (--fault; on a terminal each has a key too):
${FAULT_HELP}

Examples:
  $ boardlog sim --seed 1 --runs 2000
  $ boardlog sim --seed 43 --trace
  $ boardlog sim --devices 1000 --rate 2 --duration 30 --html run.html
  $ boardlog sim --devices 10000 --rate 2 --burst 10 --broker mosquitto
  $ boardlog sim --devices 500 --broker 'mqtt://{device}:secret@10.0.0.5'
  $ boardlog sim --devices 200 --serial 8 --messages mixed --fault kill@10 --fault loss@20+5
  $ boardlog sim --record bench.jsonl --service http://127.0.0.1:7480
  $ boardlog sim --devices 500 --replay bench.jsonl`,
    );
  command.action(async (options) => {
    const given = command.options.filter(
      (one) => command.getOptionValueSource(one.attributeName()) === "cli",
    );
    const mode = simMode(
      options,
      given.map((one) => [one.attributeName(), one.long ?? one.flags]),
    );
    if (mode === "record") await (await import("./sim-record.ts")).runRecord(options);
    else if (mode === "virtual") await (await import("./sim-command.ts")).runSim(options);
    else await (await import("./sim-load.ts")).runSimLoad(options);
  });
}

function addDefined(program: Command, definition: CommandDefinition): void {
  const command = program
    .command(definition.name)
    .summary(definition.summary)
    .description(definition.description)
    .addHelpText(
      "after",
      `\nExamples:\n${definition.examples.map((example) => `  $ ${example}`).join("\n")}`,
    );
  for (const { syntax, description, choices } of definition.args) {
    const argument = new Argument(syntax, description);
    command.addArgument(choices === undefined ? argument : argument.choices(choices));
  }
  for (const given of definition.options) {
    const made = new Option(given.flags, given.description);
    if (given.variable !== undefined) made.env(`BOARDLOG_${given.variable}`);
    if (given.choices !== undefined) made.choices(given.choices);
    // Levels are taken in any case of letters; what reads them says which there are.
    if (given.flags.endsWith("--level <level>")) made.argParser((text: string) => text);
    if (given.default !== undefined) made.default(given.default);
    if (given.isRequired) made.makeOptionMandatory();
    if (given.atLeast !== undefined) made.argParser(wholeNumber(given.atLeast));
    command.addOption(made);
  }
  command.showHelpAfterError(`(run "boardlog ${definition.name} --help" for what there is)`);
  command.action(async (...given: unknown[]) =>
    definition.run(given.slice(0, definition.args.length), command.opts()),
  );
}

function addCompletion(program: Command): void {
  program
    .command("completion")
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .summary("completions for your shell: bash, zsh or fish")
    .description("Prints a completion script, made from the same definitions as this help.")
    .addHelpText(
      "after",
      `
Examples:
  $ source <(boardlog completion bash)
  $ boardlog completion zsh > "\${fpath[1]}/_boardlog"
  $ boardlog completion fish > ~/.config/fish/completions/boardlog.fish`,
    )
    .action(async (shell: Shell) => {
      const { completionScript } = await import("./completions.ts");
      await writeOut(completionScript(shell, modelOf(program)));
    });
  program
    .command("man")
    .summary("the manual page: boardlog man | man -l -")
    .description("Prints the manual page, made from the same definitions as this help.")
    .action(async () => writeOut((await import("./man-page.ts")).manPage(modelOf(program))).then(() => {}));
}

function modelOf(program: Command): ProgramModel {
  return {
    name: program.name(),
    version: packageJson.version,
    description: program.description(),
    commands: program.commands.map((command) => ({
      name: command.name(),
      summary: command.summary(),
      description: command.description(),
      args: command.registeredArguments.map((argument) => ({
        name: argument.name() + (argument.variadic ? "..." : ""),
        choices: argument.argChoices ?? [],
      })),
      options: command.options.map((one) => ({
        long: one.long ?? one.flags,
        flags: one.flags,
        description: one.description,
        takesValue: one.required || one.optional,
        choices: one.argChoices ?? [],
      })),
    })),
  };
}

function option(flags: string, description: string, variable: string): Option {
  return new Option(flags, description).env(`BOARDLOG_${variable}`);
}

/** Takes whole numbers from `least` on. */
function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`must be a whole number of at least ${least}.`);
    }
    return value;
  };
}

/** Takes numbers such as 0.5: above 0, or 0 too. @param unit as it is said in the refusal */
function positiveNumber(unit: string, isZeroToo = false): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value) || value < 0 || (value === 0 && !isZeroToo)) {
      throw new InvalidArgumentError(`must be a number of ${unit}${isZeroToo ? ", 0 or more" : " above 0"}.`);
    }
    return value;
  };
}

function plannedFault(text: string, before: readonly PlannedFault[]): readonly PlannedFault[] {
  const fault = parseFault(text);
  if (typeof fault === "string") throw new InvalidArgumentError(fault);
  return [...before, fault];
}

/** The store says what is the matter in words; its classes are loaded by the commands that open it alone. */
function isStoreUnavailable(error: unknown): error is Error {
  return error instanceof Error && "code" in error && String(error.code).startsWith("STORE_");
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}

function isCommanderExit(error: unknown): error is { readonly exitCode: number } {
  return (
    error instanceof Error &&
    "exitCode" in error &&
    "code" in error &&
    String(error.code).startsWith("commander.")
  );
}
