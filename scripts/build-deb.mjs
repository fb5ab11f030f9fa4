// Builds Debian packages into dist/deb: npm run deb [-- amd64 arm64 armhf] [--version 1.2.3]. Each has a production install for
// its own architecture: native parts are optional packages, which npm chooses by --cpu, --os and --libc, on any machine.
import { execFileSync } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** Debian's name, npm's name. */
export const ARCHITECTURES = { amd64: "x64", arm64: "arm64", armhf: "arm" };
const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** What is installed, besides node_modules; the tests are not. */
const FILES = [
  "bin",
  "dist",
  "scripts",
  "firmware-js",
  "examples",
  "docs",
  "gateway/systemd",
  "packaging/gateway.yaml",
  "package.json",
  "README.md",
  "CHANGELOG.md",
  "LICENSE",
];
const LIBRARY = "usr/lib/boardlog";

/** Builds one package and gives its path; `isQuick` makes it larger in a small part of the time. */
export async function buildDeb(architecture, version, { isQuick = false } = {}) {
  const cpu = ARCHITECTURES[architecture];
  if (cpu === undefined) throw new Error(`no such architecture: ${architecture}`);
  const folder = await mkdtemp(join(tmpdir(), "boardlog-deb-"));
  try {
    const library = join(folder, LIBRARY);
    await mkdir(library, { recursive: true });
    for (const file of FILES) {
      const filter = (path) => !path.startsWith(join(ROOT, "dist/deb"));
      await cp(join(ROOT, file), join(library, file), { recursive: true, filter });
    }
    for (const file of ["package-lock.json", ".npmrc"]) await cp(join(ROOT, file), join(library, file));
    const flags = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    execFileSync("npm", ["ci", ...flags, `--cpu=${cpu}`, "--os=linux", "--libc=glibc"], {
      cwd: library,
      stdio: ["ignore", "ignore", "inherit"],
    });
    await rm(join(library, ".npmrc"));
    // Of this package alone every platform's binaries come along.
    const prebuilds = join(library, "node_modules/@serialport/bindings-cpp/prebuilds");
    for (const name of await readdir(prebuilds)) {
      if (name !== `linux-${cpu}`) await rm(join(prebuilds, name), { recursive: true });
    }
    await mkdir(join(folder, "usr/bin"), { recursive: true });
    await symlink(`../lib/boardlog/bin/boardlog.js`, join(folder, "usr/bin/boardlog"));
    await put("gateway/systemd/boardlog-gateway.service", "usr/lib/systemd/system/boardlog-gateway.service");
    await put("packaging/gateway.yaml", "etc/boardlog/gateway.yaml");
    await put("docs/gateway.md", "usr/share/doc/boardlog/gateway.md");
    await put("LICENSE", "usr/share/doc/boardlog/copyright");
    await writeControl();
    const out = join(ROOT, "dist/deb", `boardlog_${version}_${architecture}.deb`);
    await mkdir(join(ROOT, "dist/deb"), { recursive: true });
    // Owned by root whoever builds.
    const compression = isQuick ? ["-Zgzip", "-z1"] : ["-Zxz", "-z3"];
    execFileSync("dpkg-deb", ["--root-owner-group", ...compression, "--build", folder, out], {
      stdio: "ignore",
    });
    return out;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }

  async function put(from, to) {
    await cp(join(ROOT, from), join(folder, to));
    await chmod(join(folder, to), 0o644);
  }

  async function writeControl() {
    const control = join(folder, "DEBIAN");
    await mkdir(control);
    await chmod(folder, 0o755);
    const { description } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
    const size = execFileSync("du", ["-sk", folder], { encoding: "utf8" }).split("\t")[0];
    const fields = {
      Package: "boardlog",
      Version: version,
      Architecture: architecture,
      Maintainer: "boardlog <boardlog@localhost>",
      "Installed-Size": size,
      Depends: "nodejs (>= 20.19)",
      Recommends: "systemd",
      Section: "net",
      Priority: "optional",
      Description: `logs of boards that run JavaScript\n ${description}`,
    };
    const text = Object.entries(fields).map(([name, value]) => `${name}: ${value}\n`);
    await writeFile(join(control, "control"), text.join(""));
    await writeFile(join(control, "conffiles"), "/etc/boardlog/gateway.yaml\n");
    for (const name of ["postinst", "prerm", "postrm"]) {
      await cp(join(ROOT, "packaging/deb", name), join(control, name));
      await chmod(join(control, name), 0o755);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    options: { version: { type: "string" } },
    allowPositionals: true,
  });
  const own = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")).version;
  const wanted = positionals.length > 0 ? positionals : Object.keys(ARCHITECTURES);
  for (const architecture of wanted) {
    process.stdout.write(`${await buildDeb(architecture, values.version ?? own)}\n`);
  }
}
