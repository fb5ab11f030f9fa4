import type { ByteLink, ByteLinkEvents } from "../gateway/link.ts";
import type { Timers } from "../host/clock.ts";
import type { FaultPlan } from "./fault-plan.ts";
import type { ProcessLife } from "./process-life.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** What the gateway's end holds while it is paused; more is lost, as in a kernel's buffer. */
const HELD_BYTES_MAX = 4096;
const REOPEN_MS = 1000;
const LF = 0x0a;

/** A serial line between a board and whatever gateway has it open: it delays, damages, cuts, glues and splits. */
export class SerialWire {
  readonly name: string;
  readonly #timers: Timers;
  readonly #random: SeededRandom;
  readonly #plan: FaultPlan;
  readonly #onDown: (bytes: Uint8Array) => void;
  /** By gateway; the wire is in one of them. */
  readonly #ends = new Map<string, GatewayEnd>();
  #gateway: string;
  #plugged = true;
  #upAtMs = 0;
  #downAtMs = 0;
  /** The last line of the board came whole, to its LF, or is text without one; whatever comes behind it is read as it is. */
  #isUpWhole = true;
  /** Told of text that came without its LF, once that comes. */
  #unended: (() => void)[] = [];
  readonly #nowMs: () => number;
  /** Told of what a gateway writes, before anything happens to it. */
  onWriteDown: (bytes: Uint8Array, gateway: string) => void = () => {};
  /** No faults any more. */
  isQuiet = false;

  constructor(
    world: {
      readonly timers: Timers;
      readonly random: SeededRandom;
      readonly plan: FaultPlan;
      readonly nowMs: () => number;
    },
    name: string,
    gateway: string,
    onDown: (bytes: Uint8Array) => void,
  ) {
    this.name = name;
    this.#gateway = gateway;
    this.#timers = world.timers;
    this.#random = world.random;
    this.#plan = world.plan;
    this.#nowMs = world.nowMs;
    this.#onDown = onDown;
  }

  /** A gateway's end, for one life of it. */
  open(gateway: string, life: ProcessLife): ByteLink {
    const end = new GatewayEnd(this.name, life, {
      started: () => {
        this.#ends.set(gateway, end);
        if (this.#plugged && gateway === this.#gateway) end.up();
      },
      write: (bytes) => gateway === this.#gateway && this.#writeDown(bytes),
    });
    return end;
  }

  get #end(): GatewayEnd | undefined {
    return this.#ends.get(this.#gateway);
  }

  /** Pulls the plug for a moment: what is on the way is lost, and a line is cut in two. */
  unplug(forMs: number): void {
    if (!this.#plugged) return;
    this.#plugged = false;
    // What came without an LF is read by then: a line ends with the connection.
    for (const heard of this.#unended.splice(0)) heard();
    this.#end?.down();
    this.#timers.after(forMs + REOPEN_MS, () => this.plug());
  }

  /** Pulls the plug and puts it into another gateway a moment later. */
  move(gateway: string, forMs: number): void {
    this.unplug(forMs);
    this.#gateway = gateway;
  }

  plug(): void {
    if (this.#plugged) return;
    this.#plugged = true;
    this.#end?.up();
  }

  /**
   * The board writes a line; it arrives in pieces, later, perhaps damaged, or nowhere.
   * @param onHeard of console text: told when a gateway has heard it as it was printed.
   */
  writeUp(text: string, onHeard?: () => void): void {
    const bytes = this.#damage(Buffer.from(text, "latin1"));
    const isGlued = bytes.length === text.length - 1 && text.startsWith(bytes.toString("latin1"));
    const isAltered = !isGlued && bytes.toString("latin1") !== text;
    const pieces = this.#pieces(bytes);
    let end: GatewayEnd | undefined;
    let leftCount = pieces.length;
    for (const piece of pieces) {
      this.#upAtMs = Math.max(this.#upAtMs, this.#nowMs()) + this.#delayMs(piece.length);
      this.#timers.after(this.#upAtMs - this.#nowMs(), () => {
        const isFirst = leftCount === pieces.length;
        const to = this.#plugged ? this.#end : undefined;
        const isTaken = to?.bytes(piece) === true && (isFirst || to === end);
        end = isTaken ? to : undefined;
        leftCount--;
        if (leftCount === 0) this.#arrived(!isAltered && end !== undefined, isGlued, onHeard);
      });
    }
  }

  /** All of a line has come, or what is left of it. */
  #arrived(isWhole: boolean, isGlued: boolean, onHeard: (() => void) | undefined): void {
    const isRead = this.#isUpWhole && isWhole;
    // A frame without its LF takes with it what comes behind it.
    this.#isUpWhole = isWhole && (!isGlued || (isRead && onHeard !== undefined));
    if (!isWhole) this.#unended = [];
    if (isRead && onHeard !== undefined) this.#unended.push(onHeard);
    if (isWhole && !isGlued) for (const heard of this.#unended.splice(0)) heard();
  }

  #writeDown(bytes: Uint8Array): boolean {
    this.onWriteDown(bytes, this.#gateway);
    if (!this.#plugged) return false;
    const damaged = this.#damage(Buffer.from(bytes));
    this.#downAtMs = Math.max(this.#downAtMs, this.#nowMs()) + this.#delayMs(damaged.length);
    this.#timers.after(this.#downAtMs - this.#nowMs(), () => {
      if (this.#plugged) this.#onDown(damaged);
    });
    return true;
  }

  /** 115,200 baud, and what the operating system adds. */
  #delayMs(byteCount: number): number {
    const slow = this.isQuiet ? 0 : this.#plan.amount("slowLink");
    return byteCount / 11.5 + this.#random.between(0.1, 2 + 200 * slow);
  }

  #damage(bytes: Buffer): Buffer {
    if (this.isQuiet) return bytes;
    const random = this.#random;
    let result = bytes;
    if (random.chance(this.#plan.amount("serialNoise"))) {
      result = Buffer.from(result);
      for (let count = 1 + random.below(3); count > 0; count--) {
        const at = random.below(result.length);
        result[at] = (result[at] ?? 0) ^ (1 << random.below(8));
      }
    }
    if (random.chance(this.#plan.amount("serialCut"))) {
      const from = random.below(result.length);
      const until = from + 1 + random.below(random.chance(0.5) ? 12 : result.length);
      result = Buffer.concat([result.subarray(0, from), result.subarray(until)]);
    }
    if (random.chance(this.#plan.amount("serialGlue"))) {
      const end = result.lastIndexOf(LF);
      if (end >= 0) result = Buffer.concat([result.subarray(0, end), result.subarray(end + 1)]);
    }
    return result;
  }

  #pieces(bytes: Buffer): readonly Buffer[] {
    if (this.isQuiet || !this.#random.chance(this.#plan.amount("serialSplit"))) return [bytes];
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = at + 1 + this.#random.below(bytes.length);
      pieces.push(bytes.subarray(at, end));
      at = end;
    }
    return pieces;
  }
}

class GatewayEnd implements ByteLink {
  readonly name: string;
  readonly #life: ProcessLife;
  readonly #wire: { readonly started: () => void; readonly write: (bytes: Uint8Array) => boolean };
  #events: ByteLinkEvents | undefined;
  #paused = false;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #isUp = false;
  #stopped = false;

  constructor(
    name: string,
    life: ProcessLife,
    wire: { readonly started: () => void; readonly write: (bytes: Uint8Array) => boolean },
  ) {
    this.name = name;
    this.#life = life;
    this.#wire = wire;
  }

  get #isOpen(): boolean {
    return this.#life.isAlive && !this.#stopped;
  }

  start(events: ByteLinkEvents): void {
    this.#events = events;
    this.#wire.started();
  }

  async write(bytes: Uint8Array): Promise<boolean> {
    return this.#isOpen && this.#wire.write(bytes);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const bytes of this.#held.splice(0)) this.#events?.onBytes(bytes);
    this.#heldBytes = 0;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
  }

  up(): void {
    if (!this.#isOpen) return;
    this.#isUp = true;
    this.#events?.onUp(this.name);
  }

  down(): void {
    if (!this.#isOpen) return;
    this.#isUp = false;
    this.#events?.onDown();
  }

  /** @returns whether they were heard, or will be. */
  bytes(bytes: Uint8Array): boolean {
    if (!this.#isOpen) return false;
    if (!this.#paused) {
      this.#events?.onBytes(bytes);
      return this.#isUp;
    }
    if (this.#heldBytes + bytes.length > HELD_BYTES_MAX) return false;
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    return this.#isUp;
  }
}
