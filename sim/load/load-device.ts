import { connect, type Socket } from "node:net";
import type { Clock, Timers } from "../../host/clock.ts";
import { commandTopic, logTopic } from "../../protocol/mqtt-topics.ts";
import { type AgentProgram, SimulatedBoard } from "../board.ts";
import type { LatencyTable } from "./latency-table.ts";
import { loadLine } from "./load-line.ts";
import {
  connectPacket,
  type PacketEvents,
  PING_MS,
  PING_PACKET,
  publishPacket,
  readPackets,
  subscribePacket,
  topicBytes,
} from "./mqtt-wire.ts";

export interface LoadTarget {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly project: string;
}

/** Bytes that may wait in a socket; beyond it the board's link takes nothing. */
const SOCKET_BYTES_MAX = 32 * 1024;
const RECONNECT_MS = 1000;
/** Logging times kept, for the latency; more lines than that without an ack are not measured. */
const TIMES_MAX = 512;

/** One board of the load mode: the real agent over an MQTT connection of its own. */
export class LoadDevice {
  readonly index: number;
  readonly #target: LoadTarget;
  readonly #world: { readonly clock: Clock; readonly timers: Timers; readonly latency: LatencyTable };
  readonly #board: SimulatedBoard;
  readonly #topic: Buffer;
  readonly #events: PacketEvents;
  /** When the seqs behind the acked one were logged, monotonic ms. */
  #loggedMs: number[] = [];
  #ackedSeq = 0;
  #socket: Socket | undefined;
  #isReady = false;
  #left: Buffer | undefined;
  #packetId = 0;
  #ended = false;
  #lastSentMs = 0;
  /** The board's UTC while it logs, so that a line can say what its timestamp must be. */
  #logMs: number | undefined;
  connectCount = 0;

  constructor(
    world: { readonly clock: Clock; readonly timers: Timers; readonly latency: LatencyTable },
    program: AgentProgram,
    target: LoadTarget,
    options: { readonly index: number; readonly boot: string; readonly ringBytesMax: number },
  ) {
    this.index = options.index;
    this.#world = world;
    this.#target = target;
    this.#topic = topicBytes(logTopic(target.project, this.name));
    const { boot, ringBytesMax } = options;
    const clock: Clock = {
      wallMs: () => this.#logMs ?? world.clock.wallMs(),
      monotonicMs: () => world.clock.monotonicMs(),
    };
    this.#board = new SimulatedBoard(
      { clock, timers: world.timers },
      program,
      { send: (frame) => this.#send(frame), print: () => {} },
      { boot, knowsUtc: true, settings: { ringBytesMax } },
    );
    this.#events = {
      onConnack: (code) => this.#connack(code),
      onSuback: () => this.#subscribed(),
      onPuback: () => {},
      onPublish: (payload) => this.#board.agent.receive(payload),
    };
  }

  get name(): string {
    return deviceName(this.index);
  }

  get isConnected(): boolean {
    return this.#isReady;
  }

  /** Last seq given out, seqs acked and lines dropped. */
  get stats(): { readonly seq: number; readonly acked: number; readonly dropped: number } {
    return this.#board.stats;
  }

  connect(): void {
    if (this.#ended) return;
    const { host, port } = this.#target;
    const socket = connect({ host, port, noDelay: true });
    this.#socket = socket;
    this.#left = undefined;
    socket.on("connect", () => socket.write(connectPacket({ ...this.#target, clientId: this.name })));
    socket.on("data", (bytes) => {
      const all = this.#left === undefined ? bytes : Buffer.concat([this.#left, bytes]);
      this.#left = readPackets(all, this.#events);
      if (this.#isReady) this.#measure();
    });
    socket.on("drain", () => this.#board.agent.ready());
    socket.on("error", () => {});
    socket.on("close", () => {
      if (this.#socket !== socket) return;
      this.#isReady = false;
      this.#socket = undefined;
      if (!this.#ended) this.#world.timers.after(RECONNECT_MS * (0.5 + Math.random()), () => this.connect());
    });
  }

  /** The app logs some lines at once. */
  log(count: number): void {
    const { clock } = this.#world;
    this.#logMs = clock.wallMs();
    for (let left = count; left > 0; left--) {
      const seq = this.#board.stats.seq + 1;
      this.#board.console.log(loadLine(this.index, seq, this.#logMs));
      if (this.#loggedMs.length < TIMES_MAX) this.#loggedMs.push(clock.monotonicMs());
    }
    this.#logMs = undefined;
  }

  /** The connection breaks without a word. */
  cut(): void {
    this.#socket?.destroy();
  }

  /** To be called now and then: an idle connection is kept, and latencies are read. */
  keepAlive(): void {
    const nowMs = this.#world.clock.monotonicMs();
    if (this.#isReady && nowMs - this.#lastSentMs > PING_MS) {
      this.#lastSentMs = nowMs;
      this.#socket?.write(PING_PACKET);
    }
  }

  end(): void {
    this.#ended = true;
    this.#socket?.destroy();
  }

  #connack(code: number): void {
    if (code !== 0) {
      this.#socket?.destroy();
      return;
    }
    this.#socket?.write(subscribePacket(commandTopic(this.#target.project, this.name)));
  }

  #subscribed(): void {
    this.#isReady = true;
    this.connectCount++;
    this.#board.agent.restart();
    this.#board.agent.ready();
  }

  #send(frame: string): boolean {
    const socket = this.#socket;
    if (socket === undefined || !this.#isReady || socket.writableLength > SOCKET_BYTES_MAX) return false;
    this.#packetId = (this.#packetId % 0xffff) + 1;
    this.#lastSentMs = this.#world.clock.monotonicMs();
    socket.write(publishPacket(this.#topic, this.#packetId, frame));
    return true;
  }

  /** From the call to `console.log` to the ack that says it is durable. */
  #measure(): void {
    const { acked } = this.#board.stats;
    const count = acked - this.#ackedSeq;
    if (count <= 0) return;
    this.#ackedSeq = acked;
    const nowMs = this.#world.clock.monotonicMs();
    for (const loggedMs of this.#loggedMs.splice(0, count)) this.#world.latency.add(nowMs - loggedMs);
  }
}

export function deviceName(index: number): string {
  return `load-${index}`;
}
