/** Runs on Node and on XS: the serial bundle on a UART that takes 100 bytes at a time and throws beyond. */

import { start } from "boardlog";
import { advance, bytesOf, preferences, report, traced } from "./stand-ins.ts";
import { down, Uart, uart } from "./uart.ts";

const host = globalThis as unknown as {
  console: { log(...values: unknown[]): void; warn(...values: unknown[]): void; info(value: unknown): void };
};
const agent = start({ io: Uart, serial: { port: 2 }, src: "m", boot: "7-c0ffee", ringBytesMax: 4096 });
const { console } = host;
advance(10);
console.log("grüße €😀");
console.warn("several", 1, { a: [true, null] });
agent.info({ kind: "object", text: "é" });
advance(200);
down(bytesOf('{"v":1,"hello":1}\n'));
for (let index = 0; index < 12; index++) console.info(`line ${index} ${"x".repeat(50)}`);
advance(2000);
down(Uint8Array.of(0xff, 0xc3).buffer);
down(bytesOf("\n"));
const noise = agent.look().badDownlinks;
const ack = '{"v":1,"boot":"7-c0ffee","ack":15,"now":1795000000000}';
// Cut anywhere, and with its checksum.
for (const unit of `> ${ack}${"a95dc5ed"}\n`) down(bytesOf(unit));
const badSum = agent.look().acked;
for (const unit of `> ${ack}\n`) down(bytesOf(unit));
const look = agent.look();
console.log("after the clock was set");
advance(500);
report({
  written: uart.out.join(""),
  sizes: uart.sizes,
  traced,
  look,
  noise,
  badSum,
  options: [uart.board?.options.baud, uart.board?.options.format, uart.board?.options.port],
  preferences: [...preferences],
});
