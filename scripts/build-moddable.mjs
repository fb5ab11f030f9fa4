// Builds the agent for Moddable: a module that exports `start(options)`, with the SDK's own modules left to the manifest.
import { readFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "acorn";
import { build } from "esbuild";
import { featureConstants } from "./build-features.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "firmware-js/moddable");
export const MODDABLE_PORTS = ["serial", "mqtt"];
/** What a port brings with it, as `PORT_FILES` of `build-firmware.mjs` has it. */
const ALWAYS = { serial: [], mqtt: ["late"] };

/** XS takes all of it (firmware-js/language-table.json); the SDK's modules come by the manifest. */
const FOR_MODDABLE = {
  write: false,
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "ascii",
  legalComments: "none",
  logLevel: "silent",
  tsconfigRaw: { compilerOptions: { useDefineForClassFields: true } },
};

/** The imports of a bundled module, and the text without them. */
function importsAndBody(text) {
  const { body } = parse(text, { ecmaVersion: "latest", sourceType: "module" });
  const isImport = (one) => one.type === "ImportDeclaration";
  const slices = (list) => list.map((one) => text.slice(one.start, one.end)).join("");
  return { imports: slices(body.filter(isImport)), body: slices(body.filter((one) => !isImport(one))) };
}

/**
 * The agent with a port, as a module. All of it runs inside of `start`, so that a module that is preloaded, and thereby
 * frozen, still works.
 */
export async function bundleModdablePort(port, features = []) {
  const { outputFiles } = await build({
    ...FOR_MODDABLE,
    absWorkingDir: root,
    entryPoints: [join(folder, "main.ts")],
    minify: true,
    external: ["timer", "time", "preference"],
    alias: { board: join(folder, `${port}.ts`) },
    inject: [join(folder, "globals.ts")],
    define: featureConstants([...ALWAYS[port], ...features]),
  });
  const { imports, body } = importsAndBody(outputFiles[0].text.trim());
  const given = body.replace(/started=(\w+);?$/, "return $1");
  return `${imports}export function start(options){${given}}\n`;
}

/** What neither the app's folder nor its packages have is one of the SDK's, or of the app's manifest. */
function sdkModules(found) {
  return {
    name: "sdk-modules",
    setup(building) {
      building.onResolve({ filter: /^[^./]/ }, async ({ path, pluginData, ...args }) => {
        if (args.namespace === "boardlog-agent") return { path, external: true };
        if (pluginData === "asked" || args.kind === "entry-point" || isAbsolute(path)) return undefined;
        const resolved = await building.resolve(path, { ...args, pluginData: "asked" });
        if (resolved.errors.length === 0 && !resolved.external) return resolved;
        found.add(path);
        return { path, external: true };
      });
    },
  };
}

function agentModule(text) {
  return {
    name: "boardlog-agent",
    setup(building) {
      building.onResolve({ filter: /^boardlog$/ }, () => ({ path: "agent", namespace: "boardlog-agent" }));
      building.onLoad({ filter: /.*/, namespace: "boardlog-agent" }, () => ({
        contents: text,
        loader: "js",
        resolveDir: root,
      }));
    },
  };
}

/**
 * Bundles an app that imports `start` from `boardlog`, with the agent, to one module.
 * @returns the text, whether the app starts the agent, and the modules that are left to the manifest.
 * @throws esbuild's BuildFailure, with file and line.
 */
export async function bundleModdableApp(appFile, { port, features = [], minify = true }) {
  const agentText = await bundleModdablePort(port, features);
  const left = new Set();
  const { outputFiles, metafile } = await build({
    ...FOR_MODDABLE,
    absWorkingDir: process.cwd(),
    entryPoints: [appFile],
    minify,
    metafile: true,
    plugins: [agentModule(agentText), sdkModules(left)],
  });
  const startsAgent = Object.keys(metafile.inputs).some((name) => name.startsWith("boardlog-agent:"));
  return { text: outputFiles[0].text, startsAgent, sdkModules: [...left].sort() };
}

/**
 * The manifest that stands beside a bundle.
 * @param module name under which the app imports it, or `main` for an app.
 * @param file path of the bundle from the manifest's folder, without its `.js`.
 */
export async function moddableManifest(port, module, file) {
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
  if (port === "mqtt")
    manifest.include.push("$(MODDABLE)/examples/io/tcp/mqttclient/manifest_mqttclient.json");
  manifest.modules = { [module]: `./${file}` };
  return `${JSON.stringify(manifest, undefined, "\t")}\n`;
}
