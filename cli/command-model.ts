/** The whole command line, as completions and the man page need it. */
export interface ProgramModel {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly commands: readonly CommandModel[];
}

export interface CommandModel {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  /** Such as `[src...]`. */
  readonly args: readonly { readonly name: string; readonly choices: readonly string[] }[];
  readonly options: readonly OptionModel[];
}

export interface OptionModel {
  /** Such as `--last`. */
  readonly long: string;
  /** Such as `--last <n>`. */
  readonly flags: string;
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}
