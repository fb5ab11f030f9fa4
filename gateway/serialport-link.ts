import { readSync, writeSync } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { ReadlineParser } from "@serialport/parser-readline";
import { SerialPort } from "serialport";
import type { Clock, Timer, Timers } from "../host/clock.ts";
import type { ProcessLog } from "../host/log.ts";
import type { Random } from "../host/random.ts";
import { Backoff } from "./backoff.ts";
import type { ByteLink, ByteLinkEvents } from "./link.ts";
import { type PolledPort, PortReader } from "./port-reader.ts";
import { ReadRounds } from "./read-rounds.ts";
import { explainOpenError } from "./serial-port-error.ts";
import type { FlowControl } from "./serial-setting.ts";

const BY_ID_FOLDER = "/dev/serial/by-id";
/** A board that re-enumerates is back within a second or two. */
const REOPEN = { firstMs: 100, maxMs: 2_000 };

/** How long a device that went may be read as empty, ms: a look is one stat. */
const PRESENCE_MS = 1_000;
/** How long a write may be forgotten by the driver. */
const NUDGE_MS = 200;
/** Flags of libuv's poll. */
const READABLE = 1;
const WRITABLE = 2;

export interface SerialportOptions {
  /** For people: `/dev/ttyUSB0`. */
  readonly name: string;
  /** What to open now; undefined while the device is not there. */
  readonly locate: () => Promise<string | undefined>;
  readonly baud: number;
  readonly flowControl?: FlowControl;
  /** What comes soon after something else may be read some ms later, together with what follows it. */
  readonly mayRest?: boolean;
}

/** A real serial port, opened again whenever its device comes back. */
export class SerialportLink implements ByteLink {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #rounds: ReadRounds;
  readonly #log: ProcessLog;
  readonly #options: SerialportOptions;
  readonly #backoff: Backoff;
  #events: ByteLinkEvents | undefined;
  #port: SerialPort | undefined;
  /** Of the open port. */
  #reading: Reading | undefined;
  #opening: Promise<void> | undefined;
  #reopenTimer: Timer | undefined;
  #stopped = false;
  #paused = false;
  /** Of the open port. */
  #path = "";
  #deviceNumber: number | undefined;
  #presenceTimer: Timer | undefined;
  #lastComplaint = "";
  #isAbsent = false;
  /** Writes under way, to be told when the device goes. */
  readonly #writes = new Set<(isTaken: boolean) => void>();

  constructor(
    world: {
      readonly clock: Clock;
      readonly timers: Timers;
      /** Of ports that are read together; without it this one is alone. */
      readonly rounds?: ReadRounds;
      readonly random: Random;
      readonly log: ProcessLog;
    },
    options: SerialportOptions,
  ) {
    this.#clock = world.clock;
    this.#timers = world.timers;
    this.#rounds = world.rounds ?? new ReadRounds(world.timers);
    this.#log = world.log;
    this.#options = options;
    this.#backoff = new Backoff(world.random, REOPEN);
  }

  get name(): string {
    return this.#options.name;
  }

  /** Why it is closed; undefined while it is open. */
  get problem(): string | undefined {
    if (this.#port !== undefined) return undefined;
    return `serial port ${this.#lastComplaint === "" ? `${this.name}: not open yet` : this.#lastComplaint}`;
  }

  /** Nothing stood where it was looked for last. */
  get isAbsent(): boolean {
    return this.#isAbsent;
  }

  start(events: ByteLinkEvents): void {
    this.#events = events;
    this.#open();
  }

  write(bytes: Uint8Array): Promise<boolean> {
    const port = this.#port;
    if (!port?.isOpen) return Promise.resolve(false);
    const takenBytes = this.#writes.size === 0 ? writeNow(port, bytes) : 0;
    if (takenBytes === bytes.length) return Promise.resolve(true);
    return this.#writeByDriver(port, bytes.subarray(takenBytes));
  }

  #writeByDriver(port: SerialPort, bytes: Uint8Array): Promise<boolean> {
    return new Promise((resolve) => {
      const nudge = this.#timers.every(NUDGE_MS, () => nudgeDriver(port));
      const settle = (isTaken: boolean): void => {
        nudge.cancel();
        this.#writes.delete(settle);
        resolve(isTaken);
      };
      this.#writes.add(settle);
      port.write(Buffer.from(bytes), (error) => settle(error === null || error === undefined));
    });
  }

  pause(): void {
    this.#paused = true;
    this.#reading?.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#port !== undefined) void this.#resumeIfThere(this.#port);
  }

  async #resumeIfThere(port: SerialPort): Promise<void> {
    await this.#closeIfGone(port);
    if (this.#port === port && !this.#paused) this.#reading?.resume();
  }

  /**
   * A port that the driver was not waiting at when its device went (it was paused, or handing over what it had just read) reads as
   * empty for ever after, and the driver asks it again without end. The device number tells: it is not given out again while we
   * hold the port open.
   */
  async #closeIfGone(port: SerialPort): Promise<void> {
    const number = await deviceNumber(this.#path);
    if (this.#port !== port || !port.isOpen) return;
    if (number === undefined || number !== this.#deviceNumber) port.close(() => {});
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#reopenTimer?.cancel();
    this.#presenceTimer?.cancel();
    await this.#opening;
    const port = this.#port;
    this.#port = undefined;
    this.#abandonWrites();
    if (port?.isOpen) await new Promise<void>((resolve) => port.close(() => resolve()));
  }

  #open(): void {
    this.#opening = this.#tryOpen().finally(() => {
      this.#opening = undefined;
    });
  }

  async #tryOpen(): Promise<void> {
    const { locate, baud, flowControl } = this.#options;
    const path = await locate();
    this.#isAbsent = path === undefined;
    if (path === undefined) {
      this.#complain(`${this.name}: no such device; is the board plugged in?`);
      this.#reopenLater();
      return;
    }
    // Not hanging up on close: a restart of the gateway must not reset the boards whose reset hangs on DTR.
    const port = new SerialPort({
      path,
      baudRate: baud,
      autoOpen: false,
      hupcl: false,
      // Held for us alone: of two gateways on one port each would get half of the bytes.
      lock: true,
      rtscts: flowControl === "rts-cts",
      xon: flowControl === "xon-xoff",
      xoff: flowControl === "xon-xoff",
    });
    port.on("error", () => {}); // What fails says so to its caller, and a device that went says `close`.
    const error = await new Promise<Error | null>((resolve) => port.open(resolve));
    if (error !== null) {
      this.#complain(await explainOpenError(path, error));
      this.#reopenLater();
      return;
    }
    if (this.#stopped) {
      await new Promise<void>((resolve) => port.close(() => resolve()));
      return;
    }
    this.#backoff.reset();
    this.#lastComplaint = "";
    this.#port = port;
    this.#path = path;
    port.on("close", () => this.#down(port));
    this.#deviceNumber = await deviceNumber(path);
    if (this.#port === port) {
      this.#presenceTimer = this.#timers.every(PRESENCE_MS, () => void this.#closeIfGone(port));
    }
    const portName = await nameOf(path);
    if (this.#port !== port) return; // Gone again meanwhile.
    this.#events?.onUp(portName);
    this.#reading = this.#readingOf(port);
    if (!this.#paused) this.#reading.resume();
  }

  /** Where the driver polls (not on Windows), its own way of reading gives way to ours. */
  #readingOf(port: SerialPort): Reading {
    const driver = port.port as (DriverPort & SerialPort["port"]) | undefined;
    const onBytes = (bytes: Uint8Array): void => this.#events?.onBytes(bytes);
    if (driver?.poller === undefined) {
      port.on("data", onBytes);
      return port.pause();
    }
    const polled: PolledPort = {
      get isOpen() {
        return driver.isOpen;
      },
      poller: driver.poller,
      readNow: (buffer) => readSync(driver.fd ?? -1, buffer),
    };
    const onGone = (): void => {
      if (port.isOpen) port.close(() => {});
    };
    const { baud, mayRest = false } = this.#options;
    const world = { port: polled, clock: this.#clock, timers: this.#timers, rounds: this.#rounds };
    return new PortReader(world, { baud, mayRest }, { onBytes, onGone });
  }

  #down(port: SerialPort): void {
    if (this.#port !== port) return;
    this.#port = undefined;
    this.#reading = undefined;
    this.#presenceTimer?.cancel();
    port.destroy();
    this.#abandonWrites();
    this.#log.warn({ port: this.name }, "serial port gone; waiting for it to come back");
    this.#events?.onDown();
    this.#reopenLater();
  }

  #abandonWrites(): void {
    for (const settle of [...this.#writes]) settle(false);
  }

  #reopenLater(): void {
    if (this.#stopped) return;
    this.#reopenTimer = this.#timers.after(this.#backoff.takeMs(), () => this.#open());
  }

  /** The same words are said once, however long the port stays away. */
  #complain(complaint: string): void {
    if (complaint === this.#lastComplaint) return;
    this.#lastComplaint = complaint;
    this.#log.warn({ port: this.name }, complaint);
  }
}

/** Cuts what a board prints into lines, for somebody who looks on: gives what is told each piece, as Latin-1. */
export function printedLines(onLine: (line: string) => void): (text: string) => void {
  const parser = new ReadlineParser({ delimiter: "\n", encoding: "latin1" });
  parser.on("data", onLine);
  return (text) => parser.write(text, "latin1");
}

/**
 * Writes what the wire takes at once, nearly always all: an ack by the driver costs a turn of the thread pool.
 * @returns the bytes taken; 0 also where it fails, for the driver meets that again and says so.
 */
function writeNow({ port }: SerialPort, bytes: Uint8Array): number {
  const { fd, poller } = (port ?? {}) as Partial<DriverPort>;
  if (poller === undefined || fd === undefined || fd === null) return 0;
  try {
    return writeSync(fd, bytes);
  } catch {
    return 0;
  }
}

/** How bytes come from an open port; it begins paused. */
interface Reading {
  pause(): void;
  resume(): void;
}

/** What bindings-cpp has and does not declare. */
interface DriverPort {
  readonly fd: number | null;
  readonly poller?: PolledPort["poller"];
}

/**
 * Each new wait replaces the one before (bindings-cpp, `Poller::poll`): while a write waits for the wire (a full buffer, XOFF, CTS) the
 * driver would tell of nothing to read. So it is told again to look for both.
 */
function nudgeDriver({ port }: SerialPort): void {
  const { poller } = (port ?? {}) as Partial<DriverPort>;
  poller?.poll(READABLE | WRITABLE);
}

async function deviceNumber(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).rdev;
  } catch {
    return undefined; // Gone.
  }
}

/** The by-id name of a port, which is the same at every plugging in; else its path below /dev (docs/protocol.md 7.8). */
async function nameOf(path: string): Promise<string> {
  try {
    const device = await realpath(path);
    for (const name of await readdir(BY_ID_FOLDER)) {
      if ((await realpath(join(BY_ID_FOLDER, name))) === device) return name;
    }
  } catch {
    // No such folder where no adapter has an id.
  }
  return /\/serial\/by-id\/[^/]+$/.test(path)
    ? basename(path)
    : path
        .replace(/^\/dev\//, "")
        .replace(/^\/+/, "")
        .replaceAll("/", "-");
}
