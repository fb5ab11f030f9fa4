import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../test/support/mosquitto.ts";

const BIN = fileURLToPath(new URL("../../bin/boardlog.js", import.meta.url));

const UNIT = fileURLToPath(new URL("../../gateway/systemd/boardlog-gateway.service", import.meta.url));

/** The variables that the systemd unit starts it with. */
async function unitEnvironment(): Promise<Record<string, string>> {
  const unit = await readFile(UNIT, "utf8");
  return Object.fromEntries(
    [...unit.matchAll(/^Environment=([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
  );
}

/** `boardlog gateway` as its unit starts it, with its own broker and a log service that is away. */
export async function startGateway(): Promise<{ readonly pid: number; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-bench-"));
  const key = join(folder, "key");
  const settings = join(folder, "gateway.yaml");
  await writeFile(key, "blk_bench_of_nobody");
  await writeFile(
    settings,
    `id: bench
data: ${folder}/data
service: { url: "http://127.0.0.1:${await freePort()}", keyFile: ${key} }
mqtt: { listen: "127.0.0.1:${await freePort()}", keyFile: ${key} }
status: 127.0.0.1:${await freePort()}
`,
  );
  const child = spawn(process.execPath, [BIN, "gateway", "--settings", settings], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, ...(await unitEnvironment()) },
  });
  await once(child.stdout, "data");
  return {
    pid: child.pid ?? 0,
    stop: async () => {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}
