import { BatchRefused, type ServiceClient, type Stored } from "../gateway/service-client.ts";
import { UplinkUnavailable } from "../gateway/uplink.ts";
import type { Timer } from "../host/clock.ts";
import type { JsonObject } from "../protocol/json-parser.ts";
import type { MessageSocket } from "../service/http/message-socket.ts";
import type { FaultPlan } from "./fault-plan.ts";
import type { ProcessLife } from "./process-life.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** As `gateway/socket-service-client.ts` waits. */
const ANSWER_MS_MAX = 30_000;
/** A connection that cannot be made is given up after this at most. */
const CONNECT_MS_MAX = 3000;

/** Who knocks at the service, and as whom. */
export interface Knock {
  readonly project: string;
  readonly gateway: string;
  readonly key: string;
}

/** The service's port: takes the socket, or says false where it refuses it. */
export interface ServiceDoor {
  admit(knock: Knock, socket: MessageSocket): Promise<boolean>;
}

export interface ServiceLinkWorld {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  readonly plan: FaultPlan;
  /** Undefined while the service is down. */
  readonly door: () => ServiceDoor | undefined;
  /** Told of each position that the service says a spool of this gateway is stored up to. */
  readonly onPosition: (epoch: string, position: number) => void;
}

/** The network between one gateway and the service: it delays, holds back while it is away, and breaks. */
export class ServiceLink {
  readonly #world: ServiceLinkWorld;
  readonly #knock: Knock;
  #wire: SocketWire | undefined;
  #awayUntilMs = 0;
  isQuiet = false;

  constructor(world: ServiceLinkWorld, knock: Knock) {
    this.#world = world;
    this.#knock = knock;
  }

  /** The gateway's end, for one life of it. */
  open(life: ProcessLife): ServiceClient {
    return new SimulatedServiceClient(this, life);
  }

  /** The connection there is ends on both sides; what was given to it may still arrive, unless the network is away. */
  cut(): void {
    this.#wire?.end();
  }

  /** The connection there is breaks; another can be made at once. */
  lose(): void {
    this.#wire?.break();
  }

  /** No way through for a while: the connection ends, or lives through it and everything is late. */
  outage(forMs: number): void {
    this.#awayUntilMs = this.nowMs + forMs;
    if (this.#world.random.chance(0.5)) this.#wire?.break();
  }

  endOutage(): void {
    this.#awayUntilMs = this.nowMs;
  }

  get nowMs(): number {
    return this.#world.time.monotonicMs();
  }

  /** When something that is sent now arrives, behind what was sent before it. */
  arrivalMs(beforeMs: number): number {
    const slow = this.isQuiet ? 0 : this.#world.plan.amount("slowUplink");
    const delayMs = this.#world.random.between(0.2, 8 + 300 * slow);
    return Math.max(beforeMs, this.nowMs, this.#awayUntilMs) + delayMs;
  }

  at(atMs: number, action: () => void): Timer {
    return this.#world.time.after(Math.max(0, atMs - this.nowMs), action);
  }

  /** When the other side notices that a connection has gone. */
  get noticeMs(): number {
    return this.nowMs + this.#world.random.between(0.2, this.isQuiet ? 8 : 2000);
  }

  hearPosition(epoch: string, position: number): void {
    this.#world.onPosition(epoch, position);
  }

  get losesAnswer(): boolean {
    return !this.isQuiet && this.#world.random.chance(this.#world.plan.amount("uplinkAnswerLost"));
  }

  /** @throws UplinkUnavailable */
  async connect(events: WireEvents): Promise<SocketWire> {
    const wire = new SocketWire(this, events);
    const isAway = this.#awayUntilMs > this.nowMs;
    await this.#sleep(
      isAway ? this.#world.random.between(1, CONNECT_MS_MAX) : this.arrivalMs(0) - this.nowMs,
    );
    const door = this.#world.door();
    if (isAway || door === undefined) throw new UplinkUnavailable("nobody answers");
    this.#wire = wire;
    if (!(await door.admit(this.#knock, wire.serviceEnd))) throw new UplinkUnavailable("it is refused");
    await this.#sleep(this.arrivalMs(0) - this.nowMs);
    if (wire.isBroken) throw new UplinkUnavailable("it was closed again");
    return wire;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#world.time.after(ms, resolve));
  }
}

interface WireEvents {
  readonly onText: (message: JsonObject) => void;
  readonly onClosed: () => void;
}

/** One connection: ordered both ways. */
class SocketWire {
  readonly serviceEnd: MessageSocket;
  readonly #link: ServiceLink;
  readonly #events: WireEvents;
  /** Neither side hears the other any more. */
  isBroken = false;
  #serviceHasClosed = false;
  #upAtMs = 0;
  #downAtMs = 0;
  #onMessage: (bytes: Uint8Array, isBinary: boolean) => void = () => {};
  #onClose: () => void = () => {};
  #isPaused = false;
  #held: { readonly bytes: Uint8Array; readonly isBinary: boolean }[] = [];

  constructor(link: ServiceLink, events: WireEvents) {
    this.#link = link;
    this.#events = events;
    this.serviceEnd = {
      bufferedBytes: 0,
      sendText: (bytes) => this.#sendDown(bytes),
      sendBinary: () => {},
      sendFrames: () => {},
      pause: () => {
        this.#isPaused = true;
      },
      resume: () => {
        this.#isPaused = false;
        for (const { bytes, isBinary } of this.#held.splice(0)) this.#heard(bytes, isBinary);
      },
      ping: () => {},
      close: () => this.#endByService(),
      terminate: () => this.#endByService(),
      onMessage: (listener) => {
        this.#onMessage = listener;
      },
      onPong: () => {},
      onClose: (listener) => {
        this.#onClose = listener;
      },
    };
  }

  /** From the gateway. */
  send(bytes: Uint8Array, isBinary: boolean): void {
    if (this.isBroken) return;
    this.#upAtMs = this.#link.arrivalMs(this.#upAtMs);
    this.#link.at(this.#upAtMs, () => {
      if (!this.isBroken) this.#heard(bytes, isBinary);
    });
  }

  /** Nothing more goes either way. */
  break(): void {
    if (this.isBroken) return;
    this.isBroken = true;
    this.#closeService();
    this.#link.at(this.#link.noticeMs, () => this.#events.onClosed());
  }

  /** The gateway has gone: what it sent arrives first. */
  end(): void {
    this.#link.at(this.#upAtMs, () => this.break());
  }

  /** The service hears nothing more; what it sent arrives first. */
  #endByService(): void {
    if (this.#serviceHasClosed) return;
    this.#closeService();
    this.#link.at(Math.max(this.#downAtMs, this.#link.noticeMs), () => {
      if (this.isBroken) return;
      this.isBroken = true;
      this.#events.onClosed();
    });
  }

  #closeService(): void {
    if (this.#serviceHasClosed) return;
    this.#serviceHasClosed = true;
    this.#onClose();
  }

  #heard(bytes: Uint8Array, isBinary: boolean): void {
    if (this.#serviceHasClosed) return;
    if (this.#isPaused) this.#held.push({ bytes, isBinary });
    else this.#onMessage(bytes, isBinary);
  }

  #sendDown(bytes: Uint8Array): void {
    if (this.isBroken || this.#serviceHasClosed) return;
    // The connection breaks behind what was done and before it is said.
    if (this.#link.losesAnswer) {
      this.break();
      return;
    }
    this.#downAtMs = this.#link.arrivalMs(this.#downAtMs);
    this.#link.at(this.#downAtMs, () => {
      if (!this.isBroken) this.#events.onText(JSON.parse(Buffer.from(bytes).toString("utf8")) as JsonObject);
    });
  }
}

interface Waiting {
  readonly resolve: (answer: JsonObject) => void;
  readonly reject: (error: Error) => void;
}

/** The gateway's end of the socket (docs/protocol.md 13.8), without the library under it. */
class SimulatedServiceClient implements ServiceClient {
  readonly #link: ServiceLink;
  readonly #life: ProcessLife;
  #wire: Promise<SocketWire> | undefined;
  #batches: Waiting[] = [];
  #questions = new Map<number, Waiting>();
  #asked = 0;
  #connection = 0;
  /** What batches are of: that of the last question. */
  #epoch = "";
  onDown: () => void = () => {};

  constructor(link: ServiceLink, life: ProcessLife) {
    this.#link = link;
    this.#life = life;
  }

  async position(epoch: string): Promise<number> {
    const position = (await this.#ask({ position: epoch })).position as number;
    this.#epoch = epoch;
    this.#link.hearPosition(epoch, position);
    return position;
  }

  async mark(src: string, boot: string): Promise<number> {
    return (await this.#ask({ mark: [src, boot] })).mark as number;
  }

  async store(batch: Uint8Array): Promise<Stored> {
    const wire = await this.#connected();
    const { batch: status, position } = await this.#answer(wire, (waiting) => {
      this.#batches.push(waiting);
      wire.send(batch, true);
    });
    if (status === 400 || status === 413) throw new BatchRefused(`status ${status}`);
    if (status !== 200 && status !== 409) throw new UplinkUnavailable(`status ${status}`);
    this.#link.hearPosition(this.#epoch, position as number);
    return { position: position as number, isGap: status === 409 };
  }

  async #ask(question: object): Promise<JsonObject> {
    const wire = await this.#connected();
    const ask = ++this.#asked;
    const answer = await this.#answer(wire, (waiting) => {
      this.#questions.set(ask, waiting);
      wire.send(Buffer.from(JSON.stringify({ ask, ...question })), false);
    });
    if (answer.status !== 200) throw new UplinkUnavailable(`status ${answer.status}`);
    return answer;
  }

  async #answer(wire: SocketWire, begin: (waiting: Waiting) => void): Promise<JsonObject> {
    // An answer that does not come ends the socket: what follows it can no longer be told apart.
    const timer = this.#life.after(ANSWER_MS_MAX, () => wire.break());
    try {
      return await this.#life.hear(new Promise((resolve, reject) => begin({ resolve, reject })));
    } finally {
      timer.cancel();
    }
  }

  #connected(): Promise<SocketWire> {
    this.#wire ??= this.#life.hear(this.#open());
    return this.#wire;
  }

  async #open(): Promise<SocketWire> {
    const connection = ++this.#connection;
    try {
      return await this.#link.connect({
        onText: (message) => this.#isNow(connection) && this.#heard(message),
        onClosed: () => this.#isNow(connection) && this.#closed(),
      });
    } catch (error) {
      if (this.#isNow(connection)) this.#closed();
      throw error;
    }
  }

  #isNow(connection: number): boolean {
    return this.#life.isAlive && this.#connection === connection && this.#wire !== undefined;
  }

  #heard(message: JsonObject): void {
    if (typeof message.batch === "number") this.#batches.shift()?.resolve(message);
    else if (typeof message.answer === "number") {
      this.#questions.get(message.answer)?.resolve(message);
      this.#questions.delete(message.answer);
    }
  }

  #closed(): void {
    this.#wire = undefined;
    const waiting = [...this.#batches, ...this.#questions.values()];
    this.#batches = [];
    this.#questions = new Map();
    for (const { reject } of waiting) reject(new UplinkUnavailable("the connection ended"));
    this.onDown();
  }
}
