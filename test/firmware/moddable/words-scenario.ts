/** Runs on Node and on XS: an unhandled exception ends one boot, and the next sends what it left. */

import { start } from "boardlog";
import { advance, bytesOf, clearTimers, preferences, report } from "./stand-ins.ts";
import { down, Uart, uart } from "./uart.ts";

interface Host {
  console?: { info(value: unknown): void } | undefined;
  abort?: ((why: string, error?: unknown) => unknown) | undefined;
}
const host = globalThis as Host;
const aborted: string[] = [];
host.abort = (why) => {
  aborted.push(why);
  return false;
};

function boot(name: string) {
  // A reset takes all but the preferences.
  clearTimers();
  host.console = undefined;
  uart.out.length = 0;
  const agent = start({ io: Uart, serial: { port: 2 }, boot: name, ringBytesMax: 8192 });
  advance(10);
  return agent;
}

boot("1-a");
for (let index = 0; index < 20; index++) host.console?.info(`line ${index} ${"x".repeat(50)}`);
const kept = host.abort("unhandled exception", new Error("boom"));
const places = [...preferences.keys()].filter((key) => /\d\.0$/.test(key));

host.abort = undefined;
const agent = boot("2-b");
host.console?.info("born");
const frames: string[] = [];
for (let turn = 0; turn < 40; turn++) {
  advance(500);
  const lines = uart.out.join("").split("\n").slice(frames.length, -1);
  for (const line of lines) {
    frames.push(line);
    const [head] = JSON.parse(line.slice(0, -8)) as [string];
    down(bytesOf(`{"v":1,"boot":"${head.slice(1)}","ack":${head === "@1-a" ? 21 : agent.look().seq}}\n`));
  }
}
report({ aborted, kept, places: places.length, frames, look: agent.look(), left: preferences.size });
