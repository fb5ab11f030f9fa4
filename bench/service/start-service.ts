import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "../../test/support/boardlog-process.ts";
import { freePort } from "../../test/support/mosquitto.ts";

const BIN = fileURLToPath(new URL("../../bin/boardlog.js", import.meta.url));

export interface Service {
  readonly pid: number;
  readonly port: number;
  readonly key: string;
  stop(): Promise<void>;
}

/**
 * `boardlog service` with a data folder of its own.
 * @param more lines for its settings file.
 */
export async function startService(more = ""): Promise<Service> {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-bench-"));
  const port = await freePort();
  const settings = join(folder, "service.yaml");
  await writeFile(settings, `data: ${folder}/data\nhttp: ${port}\n${more}`);
  const child = spawn(process.execPath, [BIN, "service", "--settings", settings], { stdio: "ignore" });
  await until("the service runs", () =>
    fetch(`http://127.0.0.1:${port}/healthz`).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  return {
    pid: child.pid ?? 0,
    port,
    key: await readFile(join(folder, "data/api-key"), "utf8"),
    stop: async () => {
      child.kill("SIGTERM");
      await once(child, "exit");
      await rm(folder, { recursive: true });
    },
  };
}
