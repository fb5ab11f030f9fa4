/** Runs on Node and on XS: the serial bundle on a UART that takes 100 bytes at a time and throws beyond. */

import { start } from "boardlog";
import { advance, bytesOf, preferences, report, Timer, textOf, traced } from "./stand-ins.ts";

const FIFO_BYTES = 100;
const out: string[] = [];
let pendingInput: ArrayBuffer | undefined;
let board: Uart | undefined;
let sizes = 0;

interface UartOptions {
  readonly baud: number;
  readonly format: string;
  readonly port: number;
  onReadable(this: Uart, count: number): void;
  onWritable(this: Uart, count: number): void;
}

class Uart {
  readonly options: UartOptions;
  #free = FIFO_BYTES;
  constructor(options: UartOptions) {
    this.options = options;
    board = this;
    Timer.set(() => options.onWritable.call(this, FIFO_BYTES), 1);
  }
  read(): ArrayBuffer | undefined {
    const bytes = pendingInput;
    pendingInput = undefined;
    return bytes;
  }
  write(bytes: ArrayBuffer): void {
    if (bytes.byteLength > this.#free) throw new Error("output full");
    sizes = Math.max(sizes, bytes.byteLength);
    this.#free -= bytes.byteLength;
    out.push(textOf(bytes));
    Timer.set(() => {
      this.#free = FIFO_BYTES;
      this.options.onWritable.call(this, FIFO_BYTES);
    }, 10);
  }
}

function down(bytes: ArrayBuffer): void {
  pendingInput = bytes;
  board?.options.onReadable.call(board, bytes.byteLength);
}

const host = globalThis as unknown as {
  console: { log(...values: unknown[]): void; warn(...values: unknown[]): void; info(value: unknown): void };
};
const agent = start({ io: Uart, serial: { port: 2 }, src: "m", boot: "7-c0ffee" });
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
  written: out.join(""),
  sizes,
  traced,
  look,
  noise,
  badSum,
  options: [board?.options.baud, board?.options.format, board?.options.port],
  preferences: [...preferences],
});
