import type { CommandModel, OptionModel, ProgramModel } from "./command-model.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** Options whose value is a path. */
const PATH_OPTIONS = /^--(data|settings|output|serial|html)$/;
/** Arguments that are a path. */
const PATH_ARGUMENTS = /^(app|bundle)$/;

type ArgumentModel = CommandModel["args"][number];

/**
 * A completion script. Names of sources are asked of the service when they are completed. They are what boards call
 * themselves: the scripts quote them and never let the shell expand them.
 */
export function completionScript(shell: Shell, program: ProgramModel): string {
  if (shell === "bash") return bash(program);
  return shell === "zsh" ? zsh(program) : fish(program);
}

type ArgumentKind =
  | { readonly type: "source" | "path" | "none" }
  | { readonly type: "choice"; readonly choices: readonly string[] };

function kindOf({ name, choices }: ArgumentModel): ArgumentKind {
  if (choices.length > 0) return { type: "choice", choices };
  if (name.startsWith("src")) return { type: "source" };
  return { type: PATH_ARGUMENTS.test(name) ? "path" : "none" };
}

function isVariadic({ name }: ArgumentModel): boolean {
  return name.endsWith("...");
}

/** Options of all commands that take a value, each once. */
function valueOptions(commands: readonly CommandModel[]): readonly string[] {
  const names = commands.flatMap(({ options }) => options.filter(({ takesValue }) => takesValue));
  return [...new Set(names.map(({ long }) => long))];
}

function bash({ name, commands }: ProgramModel): string {
  const words = (choices: readonly string[]): string => `_${name}_words "${choices.join(" ")}" "$current"`;
  const optionCases = commands.flatMap((command) =>
    command.options
      .filter(({ takesValue }) => takesValue)
      .map(({ long, choices }) => {
        const action = PATH_OPTIONS.test(long) ? `_${name}_files` : choices.length > 0 ? words(choices) : ":";
        return `    ${command.name}:${long}) ${action}; return ;;`;
      }),
  );
  const argumentCases = commands.flatMap((command) =>
    command.args.flatMap((argument, index) => {
      const kind = kindOf(argument);
      const place = isVariadic(argument) ? "*" : String(index + 1);
      if (kind.type === "none") return [];
      const action =
        kind.type === "choice"
          ? words(kind.choices)
          : `_${name}_${kind.type === "path" ? "files" : "sources"}`;
      return [`    ${command.name}:${place}) ${action} ;;`];
    }),
  );
  const optionLists = commands.map(
    (command) => `    ${command.name}) ${words([...command.options.map(({ long }) => long), "--help"])} ;;`,
  );
  return `# bash completion of ${name}: source <(${name} completion bash)
_${name}_words() { COMPREPLY=($(compgen -W "$1" -- "$2")); }
_${name}_files() { compopt -o default 2>/dev/null; COMPREPLY=(); }
# A source is called what a board calls itself: text that the shell must not expand.
_${name}_sources() {
  local source typed="\${current//\\\\/}"
  while IFS= read -r source; do
    if [[ "$source" == "$typed"* ]]; then COMPREPLY+=("$(printf %q "$source")"); fi
  done < <(${name} sources --names 2>/dev/null)
}
_${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}"
  local index place=1
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    _${name}_words "${commands.map((command) => command.name).join(" ")} help --help --version" "$current"
    return
  fi
  # --option=value comes as three words.
  if [ "$current" = "=" ]; then current=""
  elif [ "$previous" = "=" ]; then previous="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  case "$command:$previous" in
${optionCases.join("\n")}
  esac
  if [[ "$current" == -* ]]; then
    case "$command" in
${optionLists.map((line) => `  ${line}`).join("\n")}
    esac
    return
  fi
  for (( index = 2; index < COMP_CWORD; index++ )); do
    case "\${COMP_WORDS[index]}" in
      ${valueOptions(commands).join("|")})
        if [ "\${COMP_WORDS[index+1]}" = "=" ]; then (( index += 2 )); else (( index++ )); fi ;;
      -*) ;;
      *) (( place++ )) ;;
    esac
  done
  case "$command:$place" in
${argumentCases.join("\n")}
  esac
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
  const optionSpec = ({ long, description, takesValue, choices }: OptionModel): string => {
    const value = PATH_OPTIONS.test(long) ? "_files" : choices.length > 0 ? `(${choices.join(" ")})` : " ";
    return takesValue
      ? `'*${long}=[${quoted(description)}]:${long.slice(2)}:${value}'`
      : `'*${long}[${quoted(description)}]'`;
  };
  const argumentSpec = (argument: ArgumentModel, index: number): string => {
    const kind = kindOf(argument);
    const words = argument.name.replace("...", "");
    const place = isVariadic(argument) ? "*" : String(index + 1);
    if (kind.type === "choice") return `'${place}:${words}:(${kind.choices.join(" ")})'`;
    const action = { source: `_${name}_sources`, path: "_files", none: " " }[kind.type];
    return `'${place}:${words}:${action}'`;
  };
  const descriptions = commands.map((command) => `    '${command.name}:${quoted(command.summary)}'`);
  const cases = commands.map((command) => {
    const specs = [...command.options.map(optionSpec), ...command.args.map(argumentSpec)];
    return `    ${command.name}) _arguments \\\n${specs.map((spec) => `      ${spec}`).join(" \\\n")} ;;`;
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
    const seen = `__fish_seen_subcommand_from ${command.name}`;
    const options = command.options.map(({ long, description, takesValue, choices }) => {
      const value = PATH_OPTIONS.test(long)
        ? " -r -F"
        : choices.length > 0
          ? ` -x -a ${quoted(choices.join(" "))}`
          : takesValue
            ? " -x"
            : "";
      return `complete -c ${name} -n '${seen}' -l ${long.slice(2)}${value} -d ${quoted(description)}`;
    });
    const words = command.args.flatMap((argument, index) => {
      const kind = kindOf(argument);
      if (kind.type === "none") return [];
      const test = isVariadic(argument) ? "-ge" : "-eq";
      const at = `complete -c ${name} -n '${seen}; and test (__${name}_place) ${test} ${index + 1}'`;
      if (kind.type === "path") return [`${at} -F`];
      return kind.type === "choice"
        ? [`${at} -a ${quoted(kind.choices.join(" "))}`]
        : [`${at} -a '(${name} sources --names 2>/dev/null)'`];
    });
    return [
      `complete -c ${name} -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.summary)}`,
      ...options,
      ...words,
    ];
  });
  return `# fish completion of ${name}: ${name} completion fish > ~/.config/fish/completions/${name}.fish
function __${name}_place --description 'place of the argument at the cursor, from 1; options and their values have none'
    set -l place 0
    set -l is_value 0
    set -l words (commandline -opc)
    set -e words[1]
    for word in $words
        if test $is_value = 1
            set is_value 0
            continue
        end
        switch $word
            case ${valueOptions(commands).join(" ")}
                set is_value 1
            case '-*'
            case '*'
                set place (math $place + 1)
        end
    end
    echo $place
end
complete -c ${name} -f
${lines.join("\n")}
`;
}
