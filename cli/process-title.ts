import { REDACTED, redactText } from "../host/redaction.ts";

/** Options whose value is a secret, whatever it looks like. */
const SECRET_OPTIONS: readonly string[] = ["--key"];

/** The command line as `ps` may show it to everybody on the machine; undefined where it holds no secret. */
export function titleWithoutSecrets(argv: readonly string[]): string | undefined {
  const shown = argv.map((argument, index) => {
    if (SECRET_OPTIONS.includes(argv[index - 1] ?? "")) return REDACTED;
    const option = SECRET_OPTIONS.find((name) => argument.startsWith(`${name}=`));
    return option === undefined ? redactText(argument) : `${option}=${REDACTED}`;
  });
  return shown.some((argument, index) => argument !== argv[index]) ? shown.join(" ") : undefined;
}

/** Takes secrets out of what `ps` shows, for as long as the process runs. */
export function hideSecrets(): void {
  const title = titleWithoutSecrets([process.argv0, ...process.argv.slice(1)]);
  if (title !== undefined) process.title = title;
}
