import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { Agent } from "../../firmware-js/agent/env.ts";
import { buildFirmware } from "../../scripts/build-firmware.mjs";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { asciiJson } from "./agent-bench.ts";

async function built(name: string): Promise<string> {
  const outDir = await mkdtemp(join(tmpdir(), "boardlog-port-"));
  await buildFirmware({ outDir });
  const text = await readFile(join(outDir, name), "utf8");
  await rm(outDir, { recursive: true });
  return text;
}

export const serialText = await built("espruino-serial.js");
export const mqttText = await built("espruino-mqtt.js");

/** The bits of Espruino that the ports touch, in virtual time; what stays over a reset is given in. */
export class StandIn {
  readonly time = new VirtualTime();
  readonly printed: string[] = [];
  readonly storage: Map<string, string>;
  /** Seconds; 0 at power-up, as on a board without a battery. */
  #clockOffset = 0;
  readonly globals: Record<string, unknown>;

  constructor(storage = new Map<string, string>()) {
    this.storage = storage;
    const print = (...args: unknown[]) => void this.printed.push(args.join(" "));
    const self = this;
    this.globals = {
      console: { log: print, info: print, warn: print, error: print, debug: print },
      E: { CRC32: (text: string) => crc32(Buffer.from(text, "latin1")), hwRand: () => -559038737 },
      JSON: { parse: JSON.parse, stringify: asciiJson },
      getTime: () => this.getTime(),
      setTime: (seconds: number) => this.#setTime(seconds),
      setTimeout: (action: () => void, ms: number) => this.time.after(ms, action),
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
