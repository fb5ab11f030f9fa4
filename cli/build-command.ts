import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import {
  bundleApp,
  bundlePort,
  FEATURES,
  PORTS,
  portFeatures,
  UnsupportedSyntax,
} from "../scripts/build-firmware.mjs";
import {
  bundleModdableApp,
  bundleModdablePort,
  MODDABLE_PORTS,
  moddableManifest,
} from "../scripts/build-moddable.mjs";
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

/** Options that are for the simulator and the tests. */
const LAB_FEATURES = ["lab"];

export async function runBuild(app: string | undefined, options: BuildOptions): Promise<void> {
  const target = TARGETS[options.target];
  if (target === undefined)
    throw new UserError(`--target: must be one of ${Object.keys(TARGETS).join(", ")}, not ${options.target}`);
  const { transport } = options;
  if (!target.transports.includes(transport))
    throw new UserError(
      `--transport: on ${options.target} it must be one of ${target.transports.join(", ")}, not ${transport}`,
    );
  const known = target.features(transport).filter((one) => !LAB_FEATURES.includes(one));
  const features = (options.with ?? "")
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
  const unknown = features.find((one) => !known.includes(one));
  if (unknown !== undefined)
    throw new UserError(
      `--with: there is no option ${unknown} for ${options.target} over ${transport}, only ${known.join(", ")}`,
    );
  const { text, startsAgent, extra, notes } = await refusing(() =>
    target.bundle(app, transport, features, options.minify ?? true),
  );
  if (app !== undefined && !startsAgent)
    process.stderr.write(
      `boardlog: ${app} does not start the agent: import { start } from "boardlog" and call it first.\n`,
    );
  const out = options.out ?? (app === undefined ? `boardlog-${transport}.js` : bundleName(app));
  const more = await extra?.(out);
  await writeAll([{ path: out, text }, ...(more === undefined ? [] : [more])]);
  await writeOut(`${[`${out}: ${count(Buffer.byteLength(text))} bytes`, ...notes(out, text)].join("\n")}\n`);
}

interface Bundled {
  readonly text: string;
  readonly startsAgent: boolean;
  /** A second file that goes beside the bundle. */
  readonly extra?: (out: string) => Promise<{ readonly path: string; readonly text: string }>;
  /** Lines for whoever runs the build: RAM, and what comes next. */
  notes(out: string, text: string): readonly string[];
}

interface Target {
  readonly transports: readonly string[];
  /** Build options that one may choose for a transport. */
  features(transport: string): readonly string[];
  bundle(
    app: string | undefined,
    transport: string,
    features: readonly string[],
    minify: boolean,
  ): Promise<Bundled>;
}

const TARGETS: Readonly<Record<string, Target>> = {
  espruino: {
    transports: PORTS,
    features: portFeatures,
    async bundle(app, port, features, minify) {
      const bundle =
        app === undefined
          ? { text: await bundlePort(port, features), startsAgent: true }
          : await bundleApp(app, { port, features, minify });
      return {
        ...bundle,
        notes: (out, text) => espruinoNotes(out, text, app, agentVariables(port, features)),
      };
    },
  },
  moddable: {
    transports: MODDABLE_PORTS,
    features: () => FEATURES,
    async bundle(app, port, features, minify) {
      const bundle =
        app === undefined
          ? { text: await bundleModdablePort(port, features), startsAgent: true, sdkModules: [] }
          : await bundleModdableApp(app, { port, features, minify });
      return {
        ...bundle,
        extra: async (out) => ({
          path: manifestName(out),
          text: await moddableManifest(port, app === undefined ? "boardlog" : "main", basename(out, ".js")),
        }),
        notes: (out) => moddableNotes(out, app, bundle.sdkModules),
      };
    },
  },
};

/**
 * Variables that the agent takes when it is run from flash, by port, what build options add, and a full ring of 2 KB:
 * measured on Espruino 2v29 for 32 bit, after the start.
 */
const PORT_VARIABLES: Readonly<Record<string, number>> = { serial: 450, console: 485, mqtt: 440 };
const OPTION_VARIABLES: Readonly<Record<string, number>> = {
  clock: 1,
  direct: 47,
  fold: 25,
  levels: 81,
  parts: 6,
  plain: 55,
  reserve: 2,
  shared: 21,
  stop: 35,
  unacked: 9,
  words: 98,
};
const RING_VARIABLES = 160;

/** Options share what they need: all of them together take less than their sum. */
function agentVariables(port: string, features: readonly string[]): number {
  return features.reduce((sum, one) => sum + (OPTION_VARIABLES[one] ?? 0), PORT_VARIABLES[port] ?? 0);
}

/** What a byte of code costs when it is run from RAM, in bytes, and the smallest variable. */
const CODE_RAM_BYTES = 1.06;
const VARIABLE_BYTES = 12;

function espruinoNotes(
  out: string,
  text: string,
  app: string | undefined,
  variables: number,
): readonly string[] {
  const inRam = Math.ceil((Buffer.byteLength(text) * CODE_RAM_BYTES) / VARIABLE_BYTES);
  return [
    `RAM, run from flash: about ${variables} variables for the agent, ${RING_VARIABLES} more with a full ring of 2 KB; what the app itself keeps comes on top`,
    `RAM, pasted or uploaded to RAM: about ${count(inRam)} variables more for the text (variables of ${VARIABLE_BYTES} bytes)`,
    app === undefined
      ? `Put it on the board as the module "boardlog": boardlog flash ${out} --as boardlog --port /dev/ttyACM0`
      : `Put it on the board: boardlog flash ${out} --port /dev/ttyACM0`,
  ];
}

/** What a start takes, counted by XS itself (docs/agent.md), a slot on a 32-bit board, and a full ring. */
const MODDABLE_AGENT_SLOTS = 750;
const SLOT_BYTES = 16;
const MODDABLE_RING_BYTES = 2_400;

function moddableNotes(
  out: string,
  app: string | undefined,
  sdkModules: readonly string[],
): readonly string[] {
  const manifest = manifestName(out);
  const others = sdkModules.filter((one) => !AGENT_MODULES.includes(one));
  return [
    `RAM: about ${count(MODDABLE_AGENT_SLOTS * SLOT_BYTES)} bytes for the agent (${MODDABLE_AGENT_SLOTS} slots), ${count(MODDABLE_RING_BYTES)} more with a full ring of 2 KB; the code runs from flash, and what the app itself keeps comes on top`,
    ...(others.length > 0 ? [`left to the manifest: ${others.join(", ")}`] : []),
    app === undefined
      ? `${manifest}: include it in the app's manifest, then: import { start } from "boardlog"`
      : `${manifest}: build and flash it with: mcconfig -m -p esp32 ${manifest} (or boardlog flash ${out})`,
  ];
}

const AGENT_MODULES = ["preference", "time", "timer"];

function count(value: number): string {
  return value.toLocaleString("en");
}

function bundleName(app: string): string {
  return `${basename(app).replace(/\.[cm]?[jt]sx?$/, "")}.bundle.js`;
}

function manifestName(out: string): string {
  return `${out.replace(/\.js$/, "")}.manifest.json`;
}

async function writeAll(files: readonly { readonly path: string; readonly text: string }[]): Promise<void> {
  for (const { path, text } of files) {
    try {
      await writeFile(path, text);
    } catch (error) {
      throw new UserError(`--out: ${path} cannot be written: ${(error as Error).message}`, 1);
    }
  }
}

/** Turns what the bundler and the language check say into lines with file and line. */
async function refusing<T>(work: () => Promise<T>): Promise<T> {
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
