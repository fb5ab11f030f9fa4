// Builds the Debian packages and looks into them: npm run deb:check [-- amd64 ...] [--quick] [--install]. With --install (root, a
// machine that may be changed) the amd64 package is installed, started, upgraded and removed too.
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ARCHITECTURES, buildDeb } from "./build-deb.mjs";

/** Machine types of ELF files, at byte 18. */
const MACHINES = { amd64: 62, arm64: 183, armhf: 40 };
const STATUS_PORT = 17_481;

const { values, positionals } = parseArgs({
  options: { install: { type: "boolean" }, quick: { type: "boolean", default: false } },
  allowPositionals: true,
});
for (const architecture of positionals.length > 0 ? positionals : Object.keys(ARCHITECTURES)) {
  const path = await buildDeb(architecture, "0.1.0", { isQuick: values.quick });
  const { natives, sizeMib } = await lookInto(path, architecture);
  process.stdout.write(`${architecture}: ${natives} native parts, all for it; ${sizeMib} MiB\n`);
}
if (values.install) await live();

async function lookInto(path, architecture) {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-deb-check-"));
  try {
    execFileSync("dpkg-deb", ["-x", path, folder]);
    const depends = execFileSync("dpkg-deb", ["-f", path, "Depends", "Architecture"], { encoding: "utf8" });
    must(depends.includes("nodejs (>= 20.19)") && depends.includes(architecture), `control: ${depends}`);
    const source = await readFile(
      new URL("../gateway/systemd/boardlog-gateway.service", import.meta.url),
      "utf8",
    );
    const unit = await readFile(join(folder, "usr/lib/systemd/system/boardlog-gateway.service"), "utf8");
    must(unit === source, "the unit is not the committed one");
    const files = await readdir(join(folder, "usr/lib/boardlog/node_modules"), { recursive: true });
    const natives = files.filter((name) => name.endsWith(".node"));
    for (const name of natives) {
      const machine = await machineOf(join(folder, "usr/lib/boardlog/node_modules", name));
      must(machine === MACHINES[architecture], `${name} is for machine ${machine}`);
    }
    for (const wanted of ["@serialport", "lmdb", "koffi"]) {
      must(
        natives.some((name) => name.includes(wanted)),
        `${wanted} has no native part`,
      );
    }
    const { size } = await stat(path);
    return { natives: natives.length, sizeMib: (size / 1024 ** 2).toFixed(1) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function machineOf(path) {
  const file = await open(path);
  const { buffer } = await file.read(Buffer.alloc(20), 0, 20, 0);
  await file.close();
  return buffer.readUInt16LE(18);
}

async function live() {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const dpkg = (...args) => execFileSync("dpkg", args, { env, stdio: "ignore" });
  const folder = await mkdtemp(join(tmpdir(), "boardlog-deb-live-"));
  try {
    dpkg("-i", await buildDeb("amd64", "0.1.0"));
    must(existsSync("/etc/boardlog/service-key"), "postinst made no place for the key");
    await writeFile("/etc/boardlog/service-key", "secret\n");
    await starts(folder);
    dpkg("--force-confold", "-i", await buildDeb("amd64", "0.1.1"));
    const state = execFileSync("dpkg", ["-s", "boardlog"], { encoding: "utf8" });
    must(/^Version: 0\.1\.1$/m.test(state), `upgraded to ${state}`);
    must((await readFile("/etc/boardlog/service-key", "utf8")) === "secret\n", "the upgrade changed a key");
    await starts(folder);
    dpkg("-r", "boardlog");
    must(!existsSync("/usr/bin/boardlog"), "the program is there after the removal");
    must(existsSync("/etc/boardlog/gateway.yaml"), "settings must stay until the purge");
    dpkg("-P", "boardlog");
    must(!existsSync("/etc/boardlog"), "settings are there after the purge");
    process.stdout.write("amd64: installed, started, upgraded, started, removed, purged\n");
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The installed program with the installed settings, in the place that systemd would give it. */
async function starts(folder) {
  const env = {
    ...process.env,
    CREDENTIALS_DIRECTORY: "/etc/boardlog",
    BOARDLOG_GATEWAY_DATA: join(folder, "data"),
    BOARDLOG_GATEWAY_STATUS: String(STATUS_PORT),
    BOARDLOG_GATEWAY_SERIAL: "[]",
    BOARDLOG_GATEWAY_ID: "deb-check",
  };
  const child = spawn("/usr/bin/boardlog", ["gateway", "--settings", "/etc/boardlog/gateway.yaml"], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  let answer;
  for (let attempt = 0; attempt < 150 && answer === undefined; attempt++) {
    await sleep(100);
    answer = await fetch(`http://127.0.0.1:${STATUS_PORT}/metrics`).catch(() => undefined);
  }
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  must(answer?.ok, "the installed gateway did not start");
  must((await exited) === 0, "the installed gateway did not stop cleanly");
}

function must(condition, words) {
  if (condition) return;
  process.stderr.write(`check-deb: ${words}\n`);
  process.exit(1);
}
