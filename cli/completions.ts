import type { CommandModel, OptionModel, ProgramModel } from "./command-model.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** Options whose value is a path. */
const PATH_OPTIONS = /^--(data|settings|output|serial)$/;

/** A completion script. Names of sources are asked of the service when they are completed. */
export function completionScript(shell: Shell, program: ProgramModel): string {
  if (shell === "bash") return bash(program);
  return shell === "zsh" ? zsh(program) : fish(program);
}

function takesSources({ args }: CommandModel): boolean {
  return args.some(({ name }) => name.startsWith("src"));
}

function choicesOfArgs({ args }: CommandModel): readonly string[] {
  return args.flatMap(({ choices }) => choices);
}

function bash({ name, commands }: ProgramModel): string {
  const cases = commands.map((command) => {
    const options = command.options.map(({ long }) => long).join(" ");
    const words = takesSources(command)
      ? `$(${name} sources --names 2>/dev/null)`
      : choicesOfArgs(command).join(" ");
    return `    ${command.name}) options="${options}"; words="${words}" ;;`;
  });
  const values = uniqueOptions(commands)
    .filter(({ choices }) => choices.length > 0)
    .map(
      ({ long, choices }) =>
        `    ${long}) COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$current")); return ;;`,
    );
  const paths = uniqueOptions(commands).filter(({ long }) => PATH_OPTIONS.test(long));
  const silent = uniqueOptions(commands).filter(
    ({ long, choices, takesValue }) => takesValue && choices.length === 0 && !PATH_OPTIONS.test(long),
  );
  return `# bash completion of ${name}: source <(${name} completion bash)
_${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}"
  local options="" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map((command) => command.name).join(" ")} help" -- "$current"))
    return
  fi
  case "$previous" in
${values.join("\n")}
    ${paths.map(({ long }) => long).join("|")}) compopt -o default; COMPREPLY=(); return ;;
    ${silent.map(({ long }) => long).join("|")}) COMPREPLY=(); return ;;
  esac
  case "$command" in
${cases.join("\n")}
  esac
  if [[ "$current" == -* ]]; then COMPREPLY=($(compgen -W "$options --help" -- "$current"))
  else COMPREPLY=($(compgen -W "$words" -- "$current")); fi
}
complete -F _${name} ${name}
`;
}

function zsh({ name, commands }: ProgramModel): string {
  const quoted = (text: string): string =>
    text
      .replace(/[[\]:'"\\$`]/g, " ")
      .replace(/\s+/g, " ")
      .trim();
  const descriptions = commands.map((command) => `    '${command.name}:${quoted(command.summary)}'`);
  const cases = commands.map((command) => {
    const specs = command.options.map(({ long, description, takesValue, choices }) => {
      const value = PATH_OPTIONS.test(long) ? "_files" : choices.length > 0 ? `(${choices.join(" ")})` : " ";
      return `      '*${long}[${quoted(description)}]${takesValue ? `:${long.slice(2)}:${value}` : ""}'`;
    });
    const choices = choicesOfArgs(command);
    if (takesSources(command)) specs.push(`      '*:source:_${name}_sources'`);
    else if (choices.length > 0) specs.push(`      '1:${command.name}:(${choices.join(" ")})'`);
    return `    ${command.name}) _arguments \\\n${specs.join(" \\\n")} ;;`;
  });
  return `#compdef ${name}
# zsh completion of ${name}: ${name} completion zsh > "\${fpath[1]}/_${name}"
_${name}_sources() { local -a names; names=(\${(f)"$(${name} sources --names 2>/dev/null)"}); compadd -a names }
_${name}() {
  local -a commands=(
${descriptions.join("\n")}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  local command="\${words[2]}"
  shift words; (( CURRENT-- ))
  case "$command" in
${cases.join("\n")}
  esac
}
if [ "$funcstack[1]" = "_${name}" ]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

function fish({ name, commands }: ProgramModel): string {
  const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines = commands.flatMap((command) => {
    const at = `complete -c ${name} -n '__fish_seen_subcommand_from ${command.name}'`;
    const options = command.options.map(({ long, description, takesValue, choices }) => {
      const value = PATH_OPTIONS.test(long)
        ? " -r -F"
        : choices.length > 0
          ? ` -x -a ${quoted(choices.join(" "))}`
          : takesValue
            ? " -x"
            : "";
      return `${at} -l ${long.slice(2)}${value} -d ${quoted(description)}`;
    });
    const choices = choicesOfArgs(command);
    const words = takesSources(command)
      ? [`${at} -a '(${name} sources --names 2>/dev/null)'`]
      : choices.length > 0
        ? [`${at} -a ${quoted(choices.join(" "))}`]
        : [];
    return [
      `complete -c ${name} -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.summary)}`,
      ...options,
      ...words,
    ];
  });
  return `# fish completion of ${name}: ${name} completion fish > ~/.config/fish/completions/${name}.fish\ncomplete -c ${name} -f\n${lines.join("\n")}\n`;
}

function uniqueOptions(commands: readonly CommandModel[]): readonly OptionModel[] {
  return [
    ...new Map(commands.flatMap(({ options }) => options).map((option) => [option.long, option])).values(),
  ];
}
