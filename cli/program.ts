import { Command, InvalidArgumentError, Option } from "commander";
import packageJson from "../package.json" with { type: "json" };
import { toleratePipeEnd } from "./output.ts";
import { runSim } from "./sim-command.ts";
import { UserError } from "./user-error.ts";

const ABOUT = `Gets the console lines of boards that run JavaScript to a log service:
each exactly once, in the board's order, with the board's time.`;

const EXAMPLES = `
Start here:
  $ boardlog up --demo                       everything on this machine, with two simulated boards
  $ boardlog up --serial /dev/ttyUSB0        the same for a board on a serial port
  $ boardlog tail                            watch the live log from another terminal
  $ boardlog list greenhouse --last 20       the newest 20 lines of one board

Every option can also be given as BOARDLOG_NAME in the environment (BOARDLOG_HTTP=8080).
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
      process.stderr.write(`boardlog: ${error.message}\n`);
      return error.exitStatus;
    }
    if (isCommanderExit(error)) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}

function makeProgram(): Command {
  const program = new Command("boardlog")
    .description(ABOUT)
    .version(packageJson.version)
    .addHelpText("after", EXAMPLES)
    .showHelpAfterError('(run "boardlog --help" for what there is)')
    .showSuggestionAfterError()
    .exitOverride()
    .configureHelp({ showGlobalOptions: true });
  addUp(program);
  addTail(program);
  addList(program);
  addSim(program);
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
        "--serial <path[:baud]>",
        "a serial port with a board on it (default baud 115200); may be repeated",
        "SERIAL",
      ).argParser((value: string, before: readonly string[] | undefined) => [
        ...(before ?? []),
        ...value.split(","),
      ]),
    )
    .addOption(
      option(
        "--settings <file>",
        "YAML file with the same names: data, http, mqtt, broker, serial",
        "SETTINGS",
      ),
    )
    .addOption(
      new Option("--demo", "add two simulated boards that run the real agent, one on MQTT, one on a pty"),
    )
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

function addTail(program: Command): void {
  addReading(
    program
      .command("tail")
      .argument("[src]", "only this source")
      .summary("follow the log as it comes")
      .description(
        "Follows the log live. A lost connection is taken up where it broke, without gap or repeat.",
      )
      .addOption(new Option("--project <name>", "which project").default("default"))
      .addOption(new Option("--last <n>", "begin with the newest n entries").argParser(wholeNumber(0))),
  )
    .addHelpText("after", "\nExample:\n  $ boardlog tail greenhouse --last 20 --level warn")
    .action(async (src, options) => (await import("./tail-command.ts")).runTail(src, options));
}

function addList(program: Command): void {
  addReading(
    program
      .command("list")
      .argument("<src>", "the source: a board's name")
      .summary("page through the log of one source")
      .description("Prints the log of one source, oldest first, until its end.")
      .addOption(
        new Option("--last <n>", "only the newest n entries (1000 at most)").argParser(wholeNumber(1)),
      )
      .addOption(new Option("--limit <n>", "at most n entries").argParser(wholeNumber(1))),
  )
    .addHelpText("after", "\nExample:\n  $ boardlog list greenhouse --json | jq .msg")
    .action(async (src, options) => (await import("./list-command.ts")).runList(src, options));
}

function addSim(program: Command): void {
  program
    .command("sim")
    .summary("torture the whole chain in virtual time, and judge it")
    .description(
      "Runs boards with the real agent, gateway and store in one process and in virtual time, lets everything go wrong that a seed draws, and checks every promise afterwards. Exit status 1 when one was broken.",
    )
    .addOption(new Option("--seed <n>", "the first seed").argParser(wholeNumber(0)).default(1))
    .addOption(new Option("--runs <k>", "how many seeds from there on").argParser(wholeNumber(1)).default(1))
    .addOption(new Option("--faults <names>", "only these of the faults drawn, with commas; or none"))
    .addOption(new Option("--boards <n>", "only the first n boards").argParser(wholeNumber(1)))
    .addOption(new Option("--virtual-seconds <s>", "length of the phase with faults").argParser(Number))
    .addOption(new Option("--trace", "print every event"))
    .addOption(new Option("--json", "one JSON object a run"))
    .addHelpText(
      "after",
      "\nExamples:\n  $ boardlog sim --seed 1 --runs 2000\n  $ boardlog sim --seed 43 --trace",
    )
    .action((options) => runSim(options));
}

/** What `tail` and `list` share. */
function addReading(command: Command): Command {
  return command
    .addOption(new Option("--stream <name>", "only this stream, such as console, uart, loss"))
    .addOption(new Option("--level <level>", "this level and above: debug, info, warn, error"))
    .addOption(new Option("--grep <regex>", "only lines that match"))
    .addOption(new Option("--after <id>", "begin after the entry with this id"))
    .addOption(new Option("--json", "one JSON object a line"))
    .addOption(
      option(
        "--url <url>",
        "address of the log service (default: that of the data folder, or http://127.0.0.1:7480)",
        "URL",
      ),
    )
    .addOption(option("--key <key>", "API key (default: the one in the data folder)", "KEY"))
    .addOption(
      option(
        "--data <folder>",
        "data folder of a service on this machine (default: ./boardlog-data)",
        "DATA",
      ),
    );
}

function option(flags: string, description: string, variable: string): Option {
  return new Option(flags, description).env(`BOARDLOG_${variable}`);
}

function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`must be a whole number of at least ${least}.`);
    }
    return value;
  };
}

function isCommanderExit(error: unknown): error is { readonly exitCode: number } {
  return (
    error instanceof Error &&
    "exitCode" in error &&
    "code" in error &&
    String(error.code).startsWith("commander.")
  );
}
