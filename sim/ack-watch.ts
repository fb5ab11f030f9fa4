import type { NewEntry } from "../protocol/entry.ts";
import type { BootTruth } from "./boot-truth.ts";
import type { EventLog } from "./event-log.ts";
import { bootKey, type Violation } from "./evidence.ts";
import type { UplinkWitness } from "./watched-uplink.ts";

/** Invariant 6, at the moment each ack leaves a gateway. */
export class AckWatch {
  readonly violations: Violation[] = [];
  /** Highest seq that any gateway acked, by boot. */
  readonly acked = new Map<string, number>();
  readonly #boots: readonly BootTruth[];
  readonly #events: EventLog;
  /** By gateway and boot: the highest seq known to be durable, and the highest acked. */
  readonly #durable = new Map<string, number>();
  readonly #ackedBy = new Map<string, number>();

  /** By gateway and epoch of its spool: the highest position that the service said it has. */
  readonly #storedUpTo = new Map<string, number>();
  readonly #mayServiceForget: boolean;

  /** @param mayServiceForget its disk loses what was durable. */
  constructor(boots: readonly BootTruth[], events: EventLog, mayServiceForget: boolean) {
    this.#boots = boots;
    this.#events = events;
    this.#mayServiceForget = mayServiceForget;
  }

  /** What the service says of a gateway's spool, which is its ack to the gateway. */
  storedUpTo(gateway: string, epoch: string, position: number): void {
    const key = `${gateway} ${epoch}`;
    const before = this.#storedUpTo.get(key) ?? 0;
    if (position < before && !this.#mayServiceForget)
      this.#broken(`the service had the spool of ${gateway} up to ${before}, and now says ${position}`);
    raise(this.#storedUpTo, key, position);
  }

  /** What a gateway's uplink promises. */
  witness(gateway: string): UplinkWitness {
    return {
      durable: (project, entry: NewEntry) => {
        const boot = entry.lost?.boot ?? entry.boot;
        const last = Math.max(entry.lost?.last ?? 0, entry.seq ?? 0);
        if (boot !== undefined)
          raise(this.#durable, `${gateway} ${bootKey({ project, src: entry.src, boot })}`, last);
        this.#events.add(gateway, `has ${entry.src} ${boot} ${entry.seq} ${entry.stream}`);
      },
      mark: (project, src, boot, mark) =>
        raise(this.#durable, `${gateway} ${bootKey({ project, src, boot })}`, mark),
    };
  }

  /** A gateway is on an older disk: it cannot know what it acked. */
  forget(gateway: string): void {
    for (const marks of [this.#durable, this.#ackedBy]) {
      for (const key of marks.keys()) if (key.startsWith(`${gateway} `)) marks.delete(key);
    }
  }

  /** @param json what goes down to a board, or undefined where it is no frame. */
  saw(json: string | undefined, gateway: string): void {
    if (json === undefined || !json.includes('"ack":')) return;
    const { boot, ack } = JSON.parse(json) as { boot: string | number; ack: number };
    const truth = this.#boots.find((one) => one.boot === String(boot));
    if (truth === undefined) return;
    const key = `${gateway} ${bootKey(truth)}`;
    this.#events.add(gateway, `acks ${boot} ${ack}`);
    const durable = this.#durable.get(key) ?? 0;
    if (ack > durable) this.#broken(`${boot}: ${gateway} acked ${ack}, durable is ${durable}`);
    const before = this.#ackedBy.get(key) ?? 0;
    if (ack < before) this.#broken(`${boot}: the ack of ${gateway} fell from ${before} to ${ack}`);
    raise(this.#ackedBy, key, ack);
    raise(this.acked, bootKey(truth), ack);
  }

  #broken(text: string): void {
    this.violations.push({ invariant: 6, text });
  }
}

function raise(marks: Map<string, number>, key: string, seq: number): void {
  if (seq > (marks.get(key) ?? 0)) marks.set(key, seq);
}
