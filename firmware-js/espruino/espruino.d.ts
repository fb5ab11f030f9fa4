/** The bits of Espruino's API that the ports use (https://www.espruino.com/Reference). */

interface EspruinoSerial {
  setup(baud: number, options?: object | undefined): void;
  write(text: string): void;
  on(event: "data", action: (text: string) => void): void;
}

/** Client of the module `MQTT` (https://www.espruino.com/MQTT), or anything like it. */
interface EspruinoMqtt {
  readonly connected: boolean;
  connect(): void;
  disconnect(): void;
  subscribe(topic: string, options: { readonly qos: number }): void;
  publish(topic: string, text: string, options: { readonly qos: number }): void;
  on(event: "connected", action: () => void): void;
  on(event: "message", action: (topic: string, text: string) => void): void;
}

interface EspruinoStorage {
  /** Undefined where there is no such file. */
  read(name: string): string | undefined;
  write(name: string, text: string): boolean;
  /** Takes the name alone. */
  erase(name: string, text?: string): void;
}

declare const E: {
  /** IEEE 802.3, as in zlib; native. */
  CRC32(text: string): number;
  hwRand(): number;
  /** Name of the device that the console is on; null where it is on none. */
  getConsole(): string | null;
  on(event: "errorFlag", action: (flags: readonly string[]) => void): void;
  /** Before reset, load, save and reboot; not where power is lost or a watchdog bites. */
  on(event: "kill", action: () => void): void;
};

declare const process: {
  /** `free` in variables; `tx`, in firmware that has it, is the transmit ring that all ports share, in bytes. */
  memory(): { readonly free: number; readonly tx?: { readonly total: number } };
  on(event: "uncaughtException", action: (error: { readonly stack?: string } | undefined) => void): void;
};

declare function setTime(seconds: number): void;
declare function setInterval(action: () => void, delayMs: number): unknown;
declare function require(name: "ESP8266"): { getResetInfo(): { readonly reason: string } };
declare function require(name: "Storage"): EspruinoStorage;
declare function require(name: "MQTT"): { create(server: string, options?: object): EspruinoMqtt };
