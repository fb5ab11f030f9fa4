import type { ProgramModel } from "./command-model.ts";

/** The manual page in roff, section 1. */
export function manPage(program: ProgramModel): string {
  const { name, version, description, commands } = program;
  const parts = [
    `.TH ${name.toUpperCase()} 1 "" "${name} ${roff(version)}" "User commands"`,
    ".SH NAME",
    `${name} \\- ${roff(description.split("\n").join(" "))}`,
    ".SH SYNOPSIS",
    `.B ${name}\n.I command\n[options]`,
    ".SH COMMANDS",
    ...commands.flatMap((command) => [
      `.SS ${roff([name, command.name, ...command.args.map(({ name: arg }) => `[${arg}]`)].join(" "))}`,
      roff(command.description),
      ...command.options.flatMap(({ flags, description: about }) => [
        `.TP\n.B ${roff(flags)}\n${roff(about)}`,
      ]),
    ]),
    ".SH ENVIRONMENT",
    `Options that are marked so can be given as BOARDLOG_NAME too, such as BOARDLOG_KEY. NO_COLOR turns colours off.`,
    ".SH EXIT STATUS",
    "0 done, 1 it did not work, 2 wrong usage.",
    ".SH FILES",
    ".I ./boardlog-data\nof\n.BR up ,\n.I /var/lib/boardlog\nof an installed service: the log, and the first API key in\n.IR api-key .",
  ];
  return `${parts.join("\n")}\n`;
}

/** A dot or apostrophe at the start of a line is a request in roff, a backslash an escape, a hyphen a soft one. */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(['.])/gm, "\\&$1");
}
