import { crc32 } from "node:zlib";
import type { Agent } from "../../firmware-js/agent/env.ts";
import { bundlePort } from "../../scripts/build-firmware.mjs";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { asciiJson } from "./agent-bench.ts";

export const serialText = await bundlePort("serial", ["clock"]);
export const consoleText = await bundlePort("console", ["clock"]);
export const mqttText = await bundlePort("mqtt", ["clock"]);

/** The bits of Espruino that the ports touch, in virtual time; what stays over a reset is given in. */
export class StandIn {
  readonly time: VirtualTime;
  readonly printed: string[] = [];
  readonly storage: Map<string, string>;
  /** Seconds; 0 at power-up, as on a board without a battery. */
  #clockOffset = 0;
  readonly globals: Record<string, unknown>;
  freeVariables = 4000;
  /** What `process.memory()` tells of the transmit ring; older firmware tells nothing. */
  ring: { readonly total: number } | undefined;

  constructor(storage = new Map<string, string>(), time = new VirtualTime()) {
    this.storage = storage;
    this.time = time;
    const print = (...args: unknown[]) => void this.printed.push(args.join(" "));
    const self = this;
    this.globals = {
      console: { log: print, info: print, warn: print, error: print, debug: print },
      E: { CRC32: (text: string) => crc32(Buffer.from(text, "latin1")), hwRand: () => 0xdeadbeef },
      process: { memory: () => ({ free: this.freeVariables, tx: this.ring }) },
      JSON: { parse: JSON.parse, stringify: asciiJson },
      Date: { now: () => this.getTime() * 1000 },
      getTime: () => this.getTime(),
      setTime: (seconds: number) => this.#setTime(seconds),
      setTimeout: (action: (...args: unknown[]) => void, ms: number, ...args: unknown[]) =>
        this.time.after(ms, () => action(...args)),
      setInterval: (action: () => void, ms: number) => this.time.every(ms, action),
      clearTimeout: (timer: { cancel(): void }) => timer.cancel(),
      require(name: string) {
        if (name !== "Storage") throw new Error(`Module "${name}" not found`);
        return {
          read: (file: string) => self.storage.get(file),
          write: (file: string, text: string) => self.storage.set(file, text),
        };
      },
    };
    this.globals.global = this.globals;
  }

  getTime(): number {
    return this.time.monotonicMs() / 1000 + this.#clockOffset;
  }

  /** Calls the `setTime` that an app would see. */
  setTime(seconds: number): void {
    (this.globals.setTime as (seconds: number) => void)(seconds);
  }

  #setTime(seconds: number): void {
    this.#clockOffset += seconds - this.getTime();
  }

  /** Loads a built file as a module and starts it. */
  start(text: string, options: object): Agent {
    const names = Object.keys(this.globals);
    const exports: { start?: (options: object) => Agent } = {};
    new Function("exports", ...names, text)(exports, ...names.map((name) => this.globals[name]));
    if (exports.start === undefined) throw new Error("the module has no start");
    return exports.start(options);
  }

  log(line: string): void {
    (this.globals.console as { log(line: string): void }).log(line);
  }
}
