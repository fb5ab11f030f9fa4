/**
 * What the agent's core needs from the thing it runs on: a port on a board, the simulator, a test. The core's text is a
 * function body with `env` as its only free name; running it hooks `env.console` and leaves the agent in `env.agent`.
 * Every number is integer ms or a count of bytes (which are characters: all that is sent is ASCII).
 */
export interface AgentEnv {
  /** Its `log`, `info`, `warn`, `error` and `debug` are replaced; the originals are kept and still called. */
  readonly console: AgentConsole;
  /** Identity of this start of the board (docs/protocol.md 1.5): 1 to 32 printable ASCII characters. */
  readonly boot: string;
  /** `src` of every frame; left out where the link says it (MQTT topic, a bound serial port). */
  readonly src?: string | undefined;
  readonly settings?: AgentSettings | undefined;
  /** JSON text in printable ASCII only (docs/protocol.md 7.1). May throw and may give undefined, as `JSON.stringify`. */
  stringify(value: unknown): string | undefined;
  /** Ms since boot; never falls, whatever is done to the clock. */
  uptime(): number;
  /** UTC ms, or 0 while the board's clock is not set. */
  utc(): number;
  setTimeout(action: () => void, delayMs: number): unknown;
  clearTimeout(timer: unknown): void;
  /**
   * Sends the JSON text of one frame; checksum, line end and topic are the port's. False: the link cannot take it now,
   * and the port calls `agent.ready()` once it can. A throw counts as a frame lost on the link. The agent's own methods
   * must not be called from inside.
   */
  send(frame: string): boolean;
  /** Where it exists, told the gateway's UTC while `utc()` is 0 (docs/protocol.md 5.1). */
  readonly setClock?: ((utcMs: number) => void) | undefined;
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

/** All optional; the defaults stand in `agent.ts` and in docs/agent.md. */
export interface AgentSettings {
  /** Bound of what is kept for sending, 32 bytes of bookkeeping for each line included. */
  readonly ringBytesMax?: number;
  /** Largest text that `send` takes. */
  readonly frameBytesMax?: number;
  /** What goes when the ring is full: the oldest lines not yet sent, or the newest. */
  readonly drop?: "oldest" | "newest";
  /** False: the link has no acks (docs/protocol.md 3.6): a line is forgotten once it was sent. */
  readonly ack?: boolean;
  /** The link is the wire the console prints on (docs/protocol.md 7.7). */
  readonly shared?: boolean;
  /** How long a lone line waits for company before it is sent. */
  readonly flushDelayMs?: number;
  readonly ackTimeoutMs?: number;
  readonly ackTimeoutMsMax?: number;
  /** Frames sent and not yet acked, at most. */
  readonly windowFrames?: number;
  /** On a shared wire: how long frames go unanswered before the agent prints text again. */
  readonly silenceMs?: number;
}

/** What the core gives its port. None of these throws. */
export interface Agent {
  /** One JSON text that came down the link, its checksum verified and removed. Junk is counted and ignored. */
  receive(text: string): void;
  /** The link can take a frame again after `send` gave false. */
  ready(): void;
  /** The link is new (connected again): everything not acked is sent again at once. */
  restart(): void;
  /** Sends what waits, without the delay. */
  flush(): void;
  /** Gives the console its methods back and stops every timer; what was not acked is given up. */
  stop(): void;
  readonly stats: AgentStats;
}

/** Counters since the start, and two levels. */
export interface AgentStats {
  /** Last seq given out: lines taken and lines dropped. */
  seq: number;
  /** Seqs acked (or sent, where the link has no acks). */
  acked: number;
  /** Bytes in the ring now. */
  ringBytes: number;
  droppedOldest: number;
  droppedNewest: number;
  /** Lines too long for a frame, cut and marked in their text. */
  cut: number;
  /** Lines logged from inside the agent or its port: printed, not sent, and without seq. */
  reentrant: number;
  frames: number;
  /** Of `frames`, those sent again. */
  resentFrames: number;
  sendErrors: number;
  /** Received texts that are no ack or hello, or are for another boot. */
  badDownlinks: number;
}
