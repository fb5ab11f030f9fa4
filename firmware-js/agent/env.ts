/**
 * What the agent's core needs from the thing it runs on, and what it gives. Every number is integer ms or a count of bytes
 * (which are characters: all that is sent is ASCII).
 */

/**
 * A port, as the core sees it: the build puts the one asked for in the place of `board`. Beside it the core uses
 * `console`, `setTimeout`, `clearTimeout` and `JSON`, whose `stringify` must give printable ASCII only
 * (docs/protocol.md 7.1).
 */
export interface Board {
  /** Identity of this start of the board (docs/protocol.md 1.5). */
  readonly boot: string;
  readonly settings: AgentSettings;
  /** Largest text that `send` takes. */
  readonly frameBytesMax: number;
  /** What the board's memory takes of `ringBytesMax`. */
  readonly ringBytesLimit: number;
  /** How long an ack may take; doubled at each turn without one. */
  readonly ackTimeoutMsMin: number;
  /** UTC ms once the clock is set, ms since some moment before the start until then (docs/protocol.md 12.4). */
  now(): number;
  /**
   * Sends the text of one frame; checksum, line end and topic are the port's. False: the link cannot take it now, and
   * the port calls `agent.ready()` once it can. A throw counts as a frame lost on the link. The agent's own methods must
   * not be called from inside.
   */
  send(frame: string): boolean;
  /** Takes the gateway's UTC over; called while the clock is not set. */
  setClock(utcMs: number): void;
  /** What `save` kept at this place before the reset; undefined where there is nothing. */
  saved(index: number): string | undefined;
  /** Keeps a text over a reset, of at most one frame and 64 characters, at a place from 0 on; an empty one forgets it. */
  save(index: number, text: string): void;
}

/** What the text built for the simulator and the tests takes; boards have their own ports. */
export interface AgentEnv {
  /** Its `log`, `info`, `warn`, `error` and `debug` are replaced; the originals are kept and still called. */
  readonly console: AgentConsole;
  readonly boot: string;
  /** `src` of every frame; left out where the link says it (MQTT topic, a bound serial port). */
  readonly src?: string | undefined;
  readonly settings?: AgentSettings | undefined;
  /** As in `Board`; no limit where it is left out. */
  readonly ringBytesLimit?: number;
  /** JSON text in printable ASCII only (docs/protocol.md 7.1). May throw and may give undefined, as `JSON.stringify`. */
  stringify(value: unknown): string | undefined;
  /** Ms since boot; never falls, whatever is done to the clock. */
  uptime(): number;
  /** UTC ms, or 0 while the board's clock is not set. */
  utc(): number;
  setTimeout(action: () => void, delayMs: number): unknown;
  clearTimeout(timer: unknown): void;
  /** As in `Board`. */
  send(frame: string): boolean;
  /** Where it exists, told the gateway's UTC while `utc()` is 0 (docs/protocol.md 5.1). */
  readonly setClock?: ((utcMs: number) => void) | undefined;
  /** Where it exists, holds texts over a reset, by place. */
  readonly storage?:
    | { read(index: number): string | undefined; write(index: number, text: string): void }
    | undefined;
  /** Set by the core. */
  agent?: Agent;
}

export interface AgentConsole {
  log(...args: unknown[]): void;
  info(...args: unknown[]): void;
  warn(...args: unknown[]): void;
  error(...args: unknown[]): void;
  debug(...args: unknown[]): void;
}

/** All optional; the defaults stand in docs/agent.md. */
export interface AgentSettings {
  readonly src?: string | undefined;
  /** Bound of what is kept for sending, bookkeeping included. */
  readonly ringBytesMax?: number;
  /** Largest text that `send` takes. */
  readonly frameBytesMax?: number;
  /** What goes when the ring is full: the oldest lines not yet sent, or the newest. */
  readonly drop?: "oldest" | "newest";
  /** False: the link has no acks (docs/protocol.md 3.6): a line is forgotten once it was sent. Needs `unacked`. */
  readonly ack?: boolean;
  /** The link is the wire the console prints on (docs/protocol.md 7.7). Needs the build option `shared`. */
  readonly shared?: boolean;
  /** What further lines may fill a frame up to, where that is less than a lone line may take. Needs `shared`. */
  readonly batchBytesMax?: number;
  /** How long an ack may take before what was sent is sent again. */
  readonly ackTimeoutMs?: number;
  /** What that doubles up to. Needs the build option `lab`. */
  readonly ackTimeoutMsMax?: number;
  /** Frames sent and not yet acked, at most. Needs the build option `lab`. */
  readonly windowFrames?: number;
  /** On a shared wire: how long frames go unanswered before the agent prints text again. Needs `lab`. */
  readonly silenceMs?: number;
  /** Least level that is sent: 0 all, 1 debug, 2 info, 3 warn, 4 error, 5 nothing. Needs the build option `levels`. */
  readonly level?: number;
  /** False: the gateway's time is not taken over. Needs the build option `clock`. */
  readonly setClock?: boolean;
  /** How long repeats of a line are counted before they are told, ms. Needs the build option `fold`. */
  readonly foldMs?: number;
}

/** What the core gives its port and the app. None of these throws. */
export interface Agent extends AgentConsole {
  /** One JSON text that came down the link, its checksum verified and removed. Junk is counted and ignored. */
  receive(text: string): void;
  /** The link can take a frame again after `send` gave false. */
  ready(): void;
  /** The link is new (connected again): everything not acked is sent again at once. */
  restart(): void;
  /** Sends what waits, without the delay. */
  flush(): void;
  look(): AgentLook;
  /** With the build option `lab`. */
  readonly stats: AgentStats;
  /** With the build option `stop`: gives the console back and stops every timer; what was not acked is given up. */
  stop(): void;
  /** On a console: nobody listens on this wire; text from now on, until somebody is heard again. */
  mute(): void;
  /** With the build option `levels`: a console whose lines carry this module. */
  module(name: string): AgentConsole;
  /** With the build option `words`: keeps what is not acked over the reset that follows. */
  keep(): void;
}

/** Counters since the start, and two levels. */
export interface AgentLook {
  /** Last seq given out: lines taken and lines dropped. */
  readonly seq: number;
  /** Seqs acked (or sent, where the link has no acks). */
  readonly acked: number;
  /** Bytes in the ring now. */
  readonly ringBytes: number;
  /**
   * Lines dropped by a full ring: the oldest, then the newest; each by level: 0 none, 1 debug, 2 info, 3 warn, 4 error.
   */
  readonly dropped: readonly (readonly number[])[];
  /** Lines too long for a frame, cut and marked in their text. */
  readonly cut: number;
  /** Lines logged from inside the agent or its port: printed, not sent, and without seq. */
  readonly reentrant: number;
  /** What came down and is no ack or hello, or is for another boot. */
  readonly badDownlinks: number;
}

/** The same with what the simulator's build counts. */
export interface AgentStats extends AgentLook {
  readonly droppedOldest: number;
  readonly droppedNewest: number;
  readonly frames: number;
  /** Of `frames`, those sent again. */
  readonly resentFrames: number;
  readonly sendErrors: number;
}
