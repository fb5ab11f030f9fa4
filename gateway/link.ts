/**
 * The seams to the outside wires. Real ones stand in `serialport-link.ts`, `embedded-broker.ts`, `mqtt-broker-link.ts` and `udp-link.ts`; the
 * simulator puts its own here and runs everything behind them as it is.
 */

/** A wire that carries bytes both ways and may come and go: a serial port. */
export interface ByteLink {
  /** For people: `/dev/ttyUSB0`. */
  readonly name: string;
  /** Opens the wire, and again whenever it went away, until `stop`. */
  start(events: ByteLinkEvents): void;
  /** Resolves true once the wire took all of it, false when it is down (the bytes are gone then). Never rejects. */
  write(bytes: Uint8Array): Promise<boolean>;
  /** No more `onBytes` (but for a chunk under way) until `resume`: the board feels it. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export interface ByteLinkEvents {
  /** The wire is open. @param portName source of its console text while nothing else names one (docs/protocol.md 7.8). */
  onUp(portName: string): void;
  /** @param bytes only until it returns: the next read may go into the same memory. */
  onBytes(bytes: Uint8Array): void;
  /** The device went away or was closed; a cut line ends here. */
  onDown(): void;
}

/** What became of a message from a topic. */
export const TopicOutcome = {
  /** Durable, or counted as discarded: nothing to wait for. */
  Done: "done",
  /** The sender has no right to it: a broker of ours closes its connection. */
  Refused: "refused",
  /** The gateway stops: not taken, must come again. */
  Stopped: "stopped",
} as const;
export type TopicOutcome = (typeof TopicOutcome)[keyof typeof TopicOutcome];

export interface TopicMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retained: boolean;
  /** The sender says that it may have sent it before (DUP). */
  readonly isRepeat?: boolean;
  /** Who sent it, where the link has checked a credential: topics without these names are read with them. */
  readonly sender?: { readonly project: string; readonly device?: string };
}

export type TopicListener = (message: TopicMessage, done: (outcome: TopicOutcome) => void) => void;

/** Whether more is wanted of what a link has read: what waits for its commit as bytes costs far less than the same decoded. */
export interface Demand {
  readonly isOpen: boolean;
  /** For good. The listener is called whenever the demand opens again, amid other work: it does its own later. */
  onOpen(listener: () => void): void;
}

/** A broker: ours or somebody else's. */
export interface TopicLink {
  /**
   * Whether the sender itself waits for `done`. False where a broker in between has said yes to it already: then a frame that
   * will get an ack of its own need not hold up the ones behind it (docs/protocol.md 8.6).
   */
  readonly senderWaits: boolean;
  /**
   * `listener` gets every message, in order for each sender; `done` must be called once for each. It takes more than `demand` says, but a
   * link that can leave what it read as it came spares much by waiting.
   */
  start(listener: TopicListener, demand: Demand): Promise<void>;
  /** Sends with QoS 0, not retained; dropped while there is no connection, as acks come again by docs/protocol.md 5.6. */
  publish(topic: string, payload: Uint8Array): void;
  stop(): Promise<void>;
}

/** @param address of the sender, which anybody in its network may forge. */
export type DatagramListener = (payload: Uint8Array, address: string) => void;

/** Something that brings datagrams, each once, twice or never. */
export interface DatagramLink {
  start(listener: DatagramListener): Promise<void>;
  stop(): Promise<void>;
}
