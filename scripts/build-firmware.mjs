// Builds the agent for boards: the core's text, and complete files for Espruino. Refuses what Espruino would not take.
import { mkdir, writeFile } from "node:fs/promises";
import { SourceMap } from "node:module";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { findUnsupported } from "./espruino-syntax.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const PORTS = ["serial", "mqtt"];

/** What Espruino has beyond ES5; everything else is lowered or refused by esbuild with file and line. */
const SUPPORTED = {
  "const-and-let": true,
  arrow: true,
  class: true,
  "for-of": true,
  "nullish-coalescing": true,
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
export function checkForEspruino(name, text, map) {
  const sources = map && new SourceMap(map);
  const findings = findUnsupported(text).map(({ construct, line, column }) => {
    const origin = sources?.findEntry(line - 1, column);
    const where = origin?.originalSource
      ? `${relative(root, join(root, origin.originalSource))}:${origin.originalLine + 1}`
      : `${name}:${line}:${column + 1}`;
    return { construct, where };
  });
  if (findings.length > 0) throw new UnsupportedSyntax(name, findings);
}

/**
 * Bundles a file to minified text that is a function body. Nothing may be exported: esbuild's helper for that keeps a
 * loop's variable in a function, and then every export is the last one on Espruino.
 */
export async function bundleForEspruino(entry) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: join(root, "bundle.js"),
    bundle: true,
    minify: true,
    write: false,
    sourcemap: "external",
    format: "cjs",
    target: "es5",
    supported: SUPPORTED,
    charset: "ascii",
    legalComments: "none",
    external: ["MQTT", "Storage"],
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
    logLevel: "silent",
  });
  const file = (end) => outputFiles.find((one) => one.path.endsWith(end)).text;
  const text = file(".js").trim();
  checkForEspruino(entry, text, JSON.parse(file(".js.map")));
  return text;
}

const USAGE = {
  serial: `require("boardlog").start({ serial: Serial1, baud: 115200, src: "my-board" });`,
  mqtt: `require("boardlog").start({ server: "192.168.1.10", device: "my-board", mqtt: { username: "default", password: API_KEY } });`,
};

const banner = (port) => `// boardlog agent for Espruino over ${port}; MIT licence.
// Save this file to the board's Storage as the module "boardlog", then let the app start with:
//   ${USAGE[port]}
// Pasted in front of an app it works too, at the price of RAM: boardlog.start(...). Options and costs: docs/agent.md.
`;

/** The port's text prepares `env`, the core's text runs on it. The core's function is dropped once it has run. */
function compose(port, portText, agentText) {
  return `${banner(port)}(typeof exports=="undefined"?global.boardlog={}:exports).start=function(options){var env;${portText}(function(env){${agentText}})(env);return env.agent};\n`;
}

/**
 * Writes `agent.js` (the core: a function body of `env`), `espruino-serial.js` and `espruino-mqtt.js` to `outDir`.
 * @returns the bytes of each file, by name.
 * @throws {UnsupportedSyntax}
 */
export async function buildFirmware({ outDir }) {
  const agentText = await bundleForEspruino("firmware-js/agent/agent.ts");
  const files = { "agent.js": agentText };
  for (const port of PORTS) {
    const portText = await bundleForEspruino(`firmware-js/espruino/${port}.ts`);
    files[`espruino-${port}.js`] = compose(port, portText, agentText);
  }
  await mkdir(outDir, { recursive: true });
  const sizes = {};
  for (const [name, text] of Object.entries(files)) {
    checkForEspruino(name, text);
    await writeFile(join(outDir, name), text);
    sizes[name] = Buffer.byteLength(text);
  }
  return sizes;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const sizes = await buildFirmware({ outDir: join(root, "dist/firmware") });
  for (const [name, bytes] of Object.entries(sizes)) console.log(`${name}: ${bytes} bytes`);
}
