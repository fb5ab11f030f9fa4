import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../test/support/boardlog-process.ts";
import { hasEnded } from "../../test/support/has-ended.ts";
import { freePort, isListening } from "../../test/support/mosquitto.ts";
import { findProgram } from "../../test/support/requirements.ts";
import { endProcess } from "../harness/peers.ts";
import { LineCount } from "./line-count.ts";
import type { WritingTarget } from "./targets.ts";

/**
 * Fluent Bit with MQTT input, buffered in files, and file output: each publish, a JSON object, becomes a line. It acks before
 * anything is on disk.
 * @returns undefined where there is no `fluent-bit` on the PATH.
 */
export async function fluentBit(): Promise<WritingTarget | undefined> {
  const program = findProgram("fluent-bit");
  if (program === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), "boardlog-bench-"));
  const port = await freePort();
  const settings = join(folder, "fluent-bit.conf");
  await writeFile(settings, settingsOf(folder, port));
  const child = spawn(program, ["-c", settings], { stdio: ["ignore", "ignore", "inherit"] });
  const stop = async (): Promise<void> => {
    await endProcess(child);
    await rm(folder, { recursive: true });
  };
  try {
    await until("Fluent Bit listens", () => {
      if (hasEnded(child)) throw new Error("Fluent Bit ended, see above: its build may lack a plugin");
      return isListening(port);
    });
  } catch (error) {
    await stop();
    throw error;
  }
  const lines = new LineCount("Fluent Bit", join(folder, "lines"));
  return { port, pid: child.pid ?? 0, login: [], stop, written: (count) => lines.more(count) };
}

function settingsOf(folder: string, port: number): string {
  return `[SERVICE]
  flush 1
  log_level error
  storage.path ${folder}/storage
[INPUT]
  name mqtt
  tag log
  listen 127.0.0.1
  port ${port}
  storage.type filesystem
[OUTPUT]
  name file
  match log
  path ${folder}
  file lines
`;
}
