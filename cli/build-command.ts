import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { bundleApp, bundlePort, FEATURES, PORTS, UnsupportedSyntax } from "../scripts/build-firmware.mjs";
import { writeOut } from "./output.ts";
import { UserError } from "./user-error.ts";

export interface BuildOptions {
  readonly target: string;
  readonly transport: string;
  readonly with?: string;
  readonly out?: string;
  /** False with `--no-minify`. */
  readonly minify?: boolean;
}

/** Options that a board has a use for; the others are for the simulator. */
const BOARD_FEATURES = FEATURES.filter((one) => !["lab", "fold", "levels", "words"].includes(one));

/** Variables that the agent takes when it is run from flash, and with a full ring of 2 KB (docs/agent.md). */
const AGENT_VARIABLES = 460;
const RING_VARIABLES = 160;
/** What a byte of code costs when it is run from RAM, in bytes, and the smallest variable. */
const CODE_RAM_BYTES = 1.06;
const VARIABLE_BYTES = 12;

/** Bundles an app with the agent, or the agent alone, for a board; refuses what the board's engine does not take. */
export async function runBuild(app: string | undefined, options: BuildOptions): Promise<void> {
  const { target, transport, minify = true } = options;
  if (target !== "espruino") throw new UserError(`--target: ${target} is not supported yet, only espruino`);
  if (!PORTS.includes(transport))
    throw new UserError(`--transport: must be one of ${PORTS.join(", ")}, not ${transport}`);
  const features = (options.with ?? "").split(",").filter((one) => one !== "");
  const unknown = features.find((one) => !BOARD_FEATURES.includes(one));
  if (unknown !== undefined)
    throw new UserError(`--with: there is no option ${unknown}, only ${BOARD_FEATURES.join(", ")}`);
  const text = await refusing(async () => {
    if (app === undefined) return bundlePort(transport, features);
    const bundle = await bundleApp(app, { port: transport, features, minify });
    if (!bundle.startsAgent)
      process.stderr.write(
        `boardlog: ${app} does not start the agent: import { start } from "boardlog" and call it first.\n`,
      );
    return bundle.text;
  });
  const out = options.out ?? (app === undefined ? `boardlog-${transport}.js` : bundleName(app));
  await writeFile(out, text);
  await writeOut(report(out, text));
}

function bundleName(app: string): string {
  return `${basename(app).replace(/\.[cm]?[jt]s$/, "")}.bundle.js`;
}

function report(out: string, text: string): string {
  const bytes = Buffer.byteLength(text);
  const inRam = Math.ceil((bytes * CODE_RAM_BYTES) / VARIABLE_BYTES);
  return [
    `${out}: ${bytes.toLocaleString("en")} bytes`,
    `RAM, run from flash: about ${AGENT_VARIABLES} variables for the agent, ${RING_VARIABLES} more with a full ring of 2 KB; what the app itself keeps comes on top`,
    `RAM, pasted or uploaded to RAM: about ${inRam.toLocaleString("en")} variables more for the text (variables of ${VARIABLE_BYTES} bytes)`,
    "",
  ].join("\n");
}

/** Turns what the bundler and the language check say into lines with file and line. */
async function refusing(work: () => Promise<string>): Promise<string> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UnsupportedSyntax) throw new UserError(error.message, 1);
    if (!isBuildFailure(error)) throw error;
    const lines = error.errors.map(({ text, location }) =>
      location === null ? `  ${text}` : `  ${location.file}:${location.line}: ${text}`,
    );
    throw new UserError(`the app cannot be bundled:\n${lines.join("\n")}`, 1);
  }
}

interface BuildFailure {
  readonly errors: readonly {
    readonly text: string;
    readonly location: { readonly file: string; readonly line: number } | null;
  }[];
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && "errors" in error && Array.isArray(error.errors);
}
