/** A UART as ECMA-419 has it, that takes 100 bytes at a time and throws beyond. */
import { Timer, textOf } from "./stand-ins.ts";

const FIFO_BYTES = 100;

interface UartOptions {
  readonly baud: number;
  readonly format: string;
  readonly port: number;
  onReadable(this: Uart, count: number): void;
  onWritable(this: Uart, count: number): void;
}

/** What was written, the largest piece of it, and the one opened last. */
export const uart = { out: [] as string[], sizes: 0, board: undefined as Uart | undefined };
let pendingInput: ArrayBuffer | undefined;

export class Uart {
  readonly options: UartOptions;
  #free = FIFO_BYTES;
  constructor(options: UartOptions) {
    this.options = options;
    uart.board = this;
    Timer.set(() => options.onWritable.call(this, FIFO_BYTES), 1);
  }
  read(): ArrayBuffer | undefined {
    const bytes = pendingInput;
    pendingInput = undefined;
    return bytes;
  }
  write(bytes: ArrayBuffer): void {
    if (bytes.byteLength > this.#free) throw new Error("output full");
    uart.sizes = Math.max(uart.sizes, bytes.byteLength);
    this.#free -= bytes.byteLength;
    uart.out.push(textOf(bytes));
    Timer.set(() => {
      this.#free = FIFO_BYTES;
      this.options.onWritable.call(this, FIFO_BYTES);
    }, 10);
  }
}

export function down(bytes: ArrayBuffer): void {
  pendingInput = bytes;
  uart.board?.options.onReadable.call(uart.board, bytes.byteLength);
}
