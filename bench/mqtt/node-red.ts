import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../test/support/mosquitto.ts";
import { endProcess, installPeer } from "../harness/peers.ts";
import { LineCount } from "./line-count.ts";
import { aedes, type WritingTarget } from "./targets.ts";

/** The newest that runs on Node 20. */
export const NODE_RED = { name: "node-red", version: "4.1.8" } as const;
const START_MS_MAX = 60_000;

/**
 * What many have instead: Node-RED with "mqtt in" to "file", a publish a line, beside a broker (aedes) that keeps nothing. Nothing is
 * fsynced, and a publish is acked before it is in the file.
 * @returns undefined where it cannot be installed.
 */
export async function nodeRed(): Promise<WritingTarget | undefined> {
  const folder = await installPeer(NODE_RED.name, NODE_RED.version);
  if (folder === undefined) return undefined;
  const broker = await aedes();
  const data = await mkdtemp(join(tmpdir(), "boardlog-bench-"));
  const file = join(data, "log");
  await writeFile(join(data, "flows.json"), JSON.stringify(flows(broker.port, file)));
  const settings = {
    uiHost: "127.0.0.1",
    uiPort: await freePort(),
    httpAdminRoot: false,
    httpNodeRoot: false,
    telemetry: { enabled: false },
    logging: { console: { level: "info" } },
  };
  await writeFile(join(data, "settings.js"), `module.exports = ${JSON.stringify(settings)};\n`);
  const args = [join(folder, "red.js"), "--userDir", data, "--settings", join(data, "settings.js")];
  const child = spawn(process.execPath, [...args, "flows.json"], { stdio: ["ignore", "pipe", "inherit"] });
  const stop = async (): Promise<void> => {
    await endProcess(child);
    await broker.stop();
    await rm(data, { recursive: true });
  };
  try {
    await connected(child);
  } catch (error) {
    await stop();
    throw error;
  }
  const lines = new LineCount("Node-RED", file);
  return { port: broker.port, pid: child.pid ?? 0, login: [], stop, written: (count) => lines.more(count) };
}

function flows(port: number, file: string): readonly object[] {
  return [
    { id: "tab", type: "tab", label: "log" },
    {
      ...{ id: "broker", type: "mqtt-broker", broker: "127.0.0.1", port: String(port), clientid: "" },
      ...{ usetls: false, protocolVersion: "4", keepalive: "60", cleansession: true, autoConnect: true },
    },
    {
      ...{ id: "in", type: "mqtt in", z: "tab", topic: "boardlog/+/+/log", qos: "1", datatype: "utf8" },
      ...{ broker: "broker", inputs: 0, wires: [["out"]] },
    },
    {
      ...{ id: "out", type: "file", z: "tab", filename: file, filenameType: "str", appendNewline: true },
      ...{ createDir: false, overwriteFile: "false", encoding: "none", wires: [[]] },
    },
  ];
}

/** It says so when it is connected; what it subscribes to follows at once. */
async function connected(child: ChildProcess): Promise<void> {
  const timer = setTimeout(() => child.kill(), START_MS_MAX);
  let said = "";
  for await (const chunk of child.stdout ?? []) {
    said += String(chunk);
    if (!said.includes("Connected to broker")) continue;
    clearTimeout(timer);
    child.stdout?.on("data", () => {}).resume();
    await pause(500);
    return;
  }
  clearTimeout(timer);
  throw new Error(`Node-RED did not connect to its broker:\n${said}`);
}
