/** A command as data: the command line, its help, the completions and the man page are made from it. */
export interface CommandDefinition {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly args: readonly ArgumentDefinition[];
  readonly options: readonly OptionDefinition[];
  readonly examples: readonly string[];
  /** Loads the command's code only when it is run. */
  run(args: readonly unknown[], options: object): Promise<void>;
}

export interface ArgumentDefinition {
  /** `<name>`, `[name]` or `[name...]`. */
  readonly syntax: string;
  readonly description: string;
  readonly choices?: readonly string[];
}

export interface OptionDefinition {
  /** Such as `--last <n>`. */
  readonly flags: string;
  readonly description: string;
  /** Without `BOARDLOG_`. */
  readonly variable?: string;
  readonly choices?: readonly string[];
  readonly default?: string;
  /** It must be given. */
  readonly isRequired?: boolean;
  /** The value is a whole number of at least this. */
  readonly atLeast?: number;
}
