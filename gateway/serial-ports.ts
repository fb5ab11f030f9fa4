import type { Timer, Timers } from "../host/clock.ts";
import type { PortFinder } from "./port-finder.ts";
import type { SeldomLog } from "./seldom-log.ts";
import type { SerialSetting } from "./serial-setting.ts";

/** A port to be opened now, and again whenever it comes back. */
export interface PortToOpen {
  /** For people, and the same at every plugging in. */
  readonly name: string;
  readonly setting: SerialSetting;
  /** What to open now; undefined while the port is not there. */
  locate(): Promise<string | undefined>;
}

/** A board that is plugged in is heard this soon, ms; a look is a read of one folder. */
const LOOK_MS = 1_000;
/** Ports that one pattern may open, so that a wrong one does not take every terminal of the machine. */
const PORTS_MAX = 64;

/** Turns settings into ports: a path into one, a pattern into each port that it finds, now or later (docs/gateway.md). */
export class SerialPorts {
  readonly #timers: Timers;
  readonly #finder: PortFinder;
  readonly #seldomLog: SeldomLog;
  readonly #open: (port: PortToOpen) => void;
  readonly #opened = new Map<SerialSetting, Set<string>>();
  #timer: Timer | undefined;
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(world: {
    readonly timers: Timers;
    readonly finder: PortFinder;
    readonly seldomLog: SeldomLog;
    readonly open: (port: PortToOpen) => void;
  }) {
    this.#timers = world.timers;
    this.#finder = world.finder;
    this.#seldomLog = world.seldomLog;
    this.#open = world.open;
  }

  start(settings: readonly SerialSetting[]): void {
    const patterns: SerialSetting[] = [];
    for (const setting of settings) {
      const { type, text } = setting.pattern;
      if (type === "path") this.#open({ name: text, setting, locate: async () => text });
      else patterns.push(setting);
    }
    if (patterns.length === 0) return;
    this.#looking = this.#look(patterns);
    this.#timer = this.#timers.every(LOOK_MS, () => {
      this.#looking = this.#looking.then(() => this.#look(patterns));
    });
  }

  /** Opens nothing more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  async #look(patterns: readonly SerialSetting[]): Promise<void> {
    for (const setting of patterns) {
      const found = await this.#finder.find(setting.pattern);
      if (this.#stopped) return;
      for (const { key } of found) this.#found(setting, key);
    }
  }

  #found(setting: SerialSetting, key: string): void {
    const opened = this.#opened.get(setting) ?? new Set<string>();
    this.#opened.set(setting, opened);
    if (opened.has(key)) return;
    const { pattern, source } = setting;
    if (opened.size >= (source === undefined ? PORTS_MAX : 1)) {
      const words =
        source === undefined
          ? `it finds more than ${PORTS_MAX} ports; the others are left alone`
          : `it finds more than one port, but has a source, which one board only can be: ${key} is left alone`;
      this.#seldomLog.warn(`ports ${pattern.text}`, { serial: pattern.text }, words);
      return;
    }
    opened.add(key);
    this.#open({
      name: key,
      setting,
      locate: async () => (await this.#finder.find(pattern)).find((port) => port.key === key)?.path,
    });
  }
}
