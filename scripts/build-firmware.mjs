// Builds the agent for boards: the core's text, and complete files for Espruino. Refuses what Espruino would not take.
import { mkdir, writeFile } from "node:fs/promises";
import { SourceMap } from "node:module";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, transform } from "esbuild";
import { FEATURES, featureConstants } from "./build-features.mjs";
import { hotNamesFirst, inlineConstants, shortBooleans } from "./espruino-inline.mjs";
import { inlineCalls } from "./espruino-inline-calls.mjs";
import { findUnsupported } from "./espruino-syntax.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

export { FEATURES } from "./build-features.mjs";
export const PORTS = ["serial", "console", "mqtt"];

/** What Espruino has beyond ES5; everything else is lowered or refused by esbuild with file and line. */
const SUPPORTED = {
  "const-and-let": true,
  arrow: true,
  class: true,
  "for-of": true,
  "nullish-coalescing": true,
  "optional-catch-binding": true,
  "template-literal": true,
};

/** Something in a bundle that Espruino does not take, or takes differently. */
export class UnsupportedSyntax extends Error {
  constructor(name, findings) {
    const list = findings.map((one) => `  ${one.where}: ${one.construct}`).join("\n");
    super(`${name} holds what Espruino does not take:\n${list}`);
    this.name = "UnsupportedSyntax";
    this.code = "UNSUPPORTED_SYNTAX";
    this.findings = findings;
  }
}

/** @throws {UnsupportedSyntax} naming each construct and its line, in the source where the map knows it. */
export function checkForEspruino(name, text, map, folder = root) {
  const sources = map && new SourceMap(map);
  const findings = findUnsupported(text).map(({ construct, line, column }) => {
    const origin = sources?.findEntry(line - 1, column);
    const where = origin?.originalSource
      ? `${relative(folder, join(folder, origin.originalSource))}:${origin.originalLine + 1}`
      : `${name}:${line}:${column + 1}`;
    return { construct, where };
  });
  if (findings.length > 0) throw new UnsupportedSyntax(name, findings);
}

/**
 * What `agent.js` is built with: the simulator's boards share their wires, are stopped, and may be told the time.
 */
export const SIMULATOR_FEATURES = ["shared", "clock", "direct", "stop", "unacked", "lab", "late"];

/** The same with what a firmware developer may switch on. */
export const FULL_FEATURES = [...SIMULATOR_FEATURES, "fold", "levels", "reserve", "words", "parts"];

/** Modules that the board has, or gets by its own loader. */
const ESPRUINO_MODULES =
  "MQTT,Storage,Wifi,ESP8266,http,net,dgram,fs,heatshrink,crypto,Flash,neopixel,tls,tinyMQTT".split(",");

/** How esbuild writes for Espruino, whatever the entry. */
const FOR_ESPRUINO = {
  write: false,
  sourcemap: "external",
  format: "cjs",
  target: "es5",
  supported: SUPPORTED,
  charset: "ascii",
  legalComments: "none",
  external: ESPRUINO_MODULES,
};

/** Of these, what a finished text is minified with. */
const MINIFIED = Object.fromEntries(
  ["format", "target", "supported", "charset", "legalComments"].map((name) => [name, FOR_ESPRUINO[name]]),
);

const SIMULATOR = { entry: "firmware-js/agent/main.ts", board: "firmware-js/agent/env-board.ts" };
const ESPRUINO_ENTRY = "firmware-js/espruino/main.ts";
/** By port, its file, the build options that it always has, and those that make no sense on it. */
const PORT_FILES = {
  serial: { board: "firmware-js/espruino/serial.ts", always: [], never: [] },
  console: {
    board: "firmware-js/espruino/console.ts",
    always: ["shared", "console"],
    // Acks come down as calls, which only the mark of a compact frame asks for.
    never: ["plain", "unacked"],
  },
  mqtt: { board: "firmware-js/espruino/mqtt.ts", always: ["late"], never: ["shared"] },
};

/** Build options that one may choose for a port. */
export function portFeatures(port) {
  const { always, never } = PORT_FILES[port];
  return FEATURES.filter((one) => !always.includes(one) && !never.includes(one));
}

/** The agent with a port, as a function body of `options`. */
async function bundlePortBody(port, features) {
  const { board, always } = PORT_FILES[port];
  return returning(await bundleForEspruino(ESPRUINO_ENTRY, { board, features: [...always, ...features] }));
}

/**
 * Bundles an entry to minified text that is a function body. Nothing may be exported: esbuild's helper for that keeps a
 * loop's variable in a function, and then every export is the last one on Espruino.
 */
export async function bundleForEspruino(entry, { board = SIMULATOR.board, features = [] } = {}) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: join(root, "bundle.js"),
    bundle: true,
    ...FOR_ESPRUINO,
    alias: { board: join(root, board) },
    define: featureConstants(features),
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
    logLevel: "silent",
  });
  const file = (end) => outputFiles.find((one) => one.path.endsWith(end)).text;
  const readable = file(".js");
  checkForEspruino(entry, readable, JSON.parse(file(".js.map")));
  const named = await transform(inlineConstants(inlineCalls(readable)), { ...MINIFIED, minifySyntax: true });
  const ordered = hotNamesFirst(inlineConstants(named.code));
  const { code } = await transform(ordered, { ...MINIFIED, minifyIdentifiers: true, minifyWhitespace: true });
  const inlined = shortBooleans(code.trim());
  checkForEspruino(entry, inlined);
  return inlined;
}

/** The core as a function body of `env` (and of what stands beside it in `compileAgent`), as the simulator runs it. */
export function bundleAgent(features = SIMULATOR_FEATURES) {
  return bundleForEspruino(SIMULATOR.entry, { features });
}

/** What `main.ts` ends with is what `start` gives. */
function returning(body) {
  const end = /([;,}])started=(\w+);?$/.exec(body);
  if (end === null) throw new Error("the bundle does not end as firmware-js/espruino/main.ts does");
  return `${body.slice(0, end.index)}${end[1] === "}" ? "}" : ";"}return ${end[2]}`;
}

/** The agent with a port: a file that is a module on Espruino, or can stand in front of an app. */
export async function bundlePort(port, features = []) {
  const body = await bundlePortBody(port, features);
  return `(typeof exports=="undefined"?global.boardlog={}:exports).start=function(options){${body}};\n`;
}

const USAGE = {
  serial: `require("boardlog").start({ serial: Serial1, baud: 115200, src: "my-board" });`,
  console: `require("boardlog").start({ src: "my-board" });`,
  mqtt: `require("boardlog").start({ server: "192.168.1.10", device: "my-board", mqtt: { username: "default", password: API_KEY } });`,
};

const banner = (port) => `// boardlog agent for Espruino over ${port}; MIT licence.
// Save this file to the board's Storage as the module "boardlog", then let the app start with:
//   ${USAGE[port]}
// Pasted in front of an app it works too, at the price of RAM: boardlog.start(...). Options and costs: docs/agent.md.
`;

/** `import { start } from "boardlog"` in an app gives the agent's own text, so that both share one scope. */
function agentModule(agentBody) {
  return {
    name: "boardlog-agent",
    setup(builder) {
      builder.onResolve({ filter: /^boardlog$/ }, () => ({ path: "boardlog", namespace: "boardlog-agent" }));
      builder.onLoad({ filter: /.*/, namespace: "boardlog-agent" }, () => ({
        contents: `export function start(options) {${agentBody}}`,
        loader: "js",
      }));
    },
  };
}

/**
 * Bundles an app that imports `start` from `boardlog`, with the agent, to one script for Espruino.
 * @param options.minify false leaves the app readable; the agent is always minified.
 * @returns the text, and whether the app starts the agent at all.
 * @throws {UnsupportedSyntax} or esbuild's BuildFailure, both with file and line.
 */
export async function bundleApp(appFile, { port, features = [], minify = true }) {
  const body = await bundlePortBody(port, features);
  const { outputFiles, metafile } = await build({
    absWorkingDir: process.cwd(),
    entryPoints: [appFile],
    outfile: join(process.cwd(), "bundle.js"),
    bundle: true,
    minify,
    ...FOR_ESPRUINO,
    metafile: true,
    plugins: [agentModule(body)],
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
    logLevel: "silent",
  });
  const file = (end) => outputFiles.find((one) => one.path.endsWith(end)).text;
  const text = file(".js").trim();
  checkForEspruino(appFile, text, JSON.parse(file(".js.map")), process.cwd());
  const startsAgent = Object.keys(metafile.inputs).some((name) => name.startsWith("boardlog-agent:"));
  return { text: `(function(){${text}\n})();\n`, startsAgent };
}

/**
 * Writes `agent.js` (the core: a function body of `env`), `agent-demo.js` (the same with level leases), `agent-full.js` (with all that a board may have) and `espruino-PORT.js` for each of `PORTS` to `outDir`.
 * @returns the bytes of each file, by name.
 * @throws {UnsupportedSyntax}
 */
export async function buildFirmware({ outDir }) {
  const files = {
    "agent.js": await bundleAgent(),
    "agent-demo.js": await bundleAgent([...SIMULATOR_FEATURES, "levels"]),
    "agent-full.js": await bundleAgent(FULL_FEATURES),
  };
  for (const port of PORTS) files[`espruino-${port}.js`] = banner(port) + (await bundlePort(port, ["clock"]));
  await mkdir(outDir, { recursive: true });
  const sizes = {};
  for (const [name, text] of Object.entries(files)) {
    checkForEspruino(name, text);
    await writeFile(join(outDir, name), text);
    sizes[name] = Buffer.byteLength(text);
  }
  return sizes;
}

if (
  process.argv[1]?.endsWith("build-firmware.mjs") &&
  import.meta.url === pathToFileURL(process.argv[1]).href
) {
  const sizes = await buildFirmware({ outDir: join(root, "dist/firmware") });
  for (const [name, bytes] of Object.entries(sizes)) console.log(`${name}: ${bytes} bytes`);
}
