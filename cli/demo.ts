import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Timer } from "../host/clock.ts";
import { openPty, type Pty } from "../host/pty.ts";
import type { Random } from "../host/random.ts";
import { systemClock, systemTimers } from "../host/system-clock.ts";
import { compileAgent, type SimulatedBoard } from "../sim/board.ts";
import { DemoApp, startDemoApp } from "../sim/demo-app.ts";
import { startMqttBoard } from "../sim/mqtt-board.ts";
import { startSerialBoard } from "../sim/serial-board.ts";

/** The agent's bundle with level leases, beside this program in dist/. */
const AGENT_FILE = fileURLToPath(new URL("./firmware/agent-demo.js", import.meta.url));

/** As a product would ship: info and above, until a lease asks for more. */
const SETTINGS = { level: 2 };

const BOOT_ROM_LINES = [
  "ets Jun  8 2016 00:22:57",
  "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
] as const;

export interface Demo {
  stop(): Promise<void>;
}

const world = { clock: systemClock, timers: systemTimers };

/** The pump's end of a serial line; the gateway opens `path` before the pump starts. */
export function openDemoWire(): Pty {
  return openPty();
}

/** Starts two boards that run the real agent: a greenhouse on MQTT that knows UTC, a pump on a wire that counts from its boot. */
export async function startDemo(
  mqtt: { readonly url: string; readonly username?: string; readonly password?: string },
  wire: Pty,
  random: Random,
): Promise<Demo> {
  const program = compileAgent(await readFile(AGENT_FILE, "utf8"));
  const greenhouse = startMqttBoard(world, program, {
    brokerUrl: mqtt.url,
    ...(mqtt.username !== undefined && { username: mqtt.username }),
    ...(mqtt.password !== undefined && { password: mqtt.password }),
    project: "default",
    device: DemoApp.Greenhouse,
    boot: bootId(random),
    settings: SETTINGS,
    knowsUtc: true,
  });
  for (const line of BOOT_ROM_LINES) wire.write(`${line}\r\n`);
  const pump = startSerialBoard(world, program, wire, {
    boot: bootId(random),
    settings: SETTINGS,
    src: DemoApp.Pump,
    knowsUtc: false,
  });
  const start = (app: DemoApp, { console, agent }: SimulatedBoard): Timer =>
    startDemoApp(app, { console, module: agent.module }, { timers: systemTimers, random });
  const apps = [start(DemoApp.Greenhouse, greenhouse.board), start(DemoApp.Pump, pump)];
  return {
    stop: async () => {
      for (const app of apps) app.cancel();
      pump.agent.stop();
      await greenhouse.stop();
    },
  };
}

function bootId(random: Random): string {
  return Buffer.from(random.bytes(4)).toString("hex");
}
