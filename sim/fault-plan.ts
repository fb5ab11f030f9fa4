import { SeededRandom } from "./seeded-random.ts";

/**
 * What may go wrong, and how badly at most. A `chance` is that of each line, message or commit; a `rate` is events a minute,
 * for each thing it can happen to; a `share` is a part of the whole, whose meaning the fault's user states.
 */
export const FAULTS = {
  serialNoise: { unit: "chance", most: 0.25 },
  serialCut: { unit: "chance", most: 0.2 },
  serialGlue: { unit: "chance", most: 0.15 },
  serialSplit: { unit: "chance", most: 0.8 },
  serialUnplug: { unit: "rate", most: 4 },
  linkFull: { unit: "chance", most: 0.3 },
  mqttDuplicate: { unit: "chance", most: 0.25 },
  mqttReorder: { unit: "chance", most: 0.2 },
  mqttLoss: { unit: "chance", most: 0.2 },
  mqttCut: { unit: "rate", most: 8 },
  mqttRedelivery: { unit: "chance", most: 0.8 },
  brokerAmnesia: { unit: "rate", most: 3 },
  gatewayCut: { unit: "rate", most: 4 },
  slowLink: { unit: "share", most: 1 },
  boardReset: { unit: "rate", most: 3 },
  smallRing: { unit: "share", most: 1 },
  burst: { unit: "chance", most: 0.3 },
  hugeLine: { unit: "chance", most: 0.1 },
  clockDrift: { unit: "share", most: 1 },
  boardClockStep: { unit: "rate", most: 2 },
  clockWrap: { unit: "share", most: 1 },
  gatewayClockStep: { unit: "rate", most: 2 },
  gatewayClockUnset: { unit: "share", most: 1 },
  clonedSource: { unit: "share", most: 1 },
  gatewayCrash: { unit: "rate", most: 10 },
  killedWriting: { unit: "rate", most: 8 },
  gatewayStop: { unit: "rate", most: 3 },
  fewSessions: { unit: "share", most: 1 },
  smallQueues: { unit: "share", most: 1 },
  tightRate: { unit: "share", most: 1 },
  serviceCrash: { unit: "rate", most: 10 },
  serviceStop: { unit: "rate", most: 3 },
  crashOpening: { unit: "chance", most: 0.5 },
  fewMarks: { unit: "share", most: 1 },
  stalledSync: { unit: "chance", most: 0.06 },
  serviceDiskFull: { unit: "rate", most: 30 },
  commitFails: { unit: "chance", most: 0.02 },
  slowCommit: { unit: "share", most: 1 },
  uplinkOutage: { unit: "rate", most: 8 },
  uplinkAnswerLost: { unit: "chance", most: 0.15 },
  slowUplink: { unit: "share", most: 1 },
  diskWriteFails: { unit: "chance", most: 0.1 },
  diskReadFails: { unit: "chance", most: 0.05 },
  diskReadGlitch: { unit: "chance", most: 0.6 },
  diskFull: { unit: "rate", most: 8 },
  diskSlow: { unit: "share", most: 1 },
  smallSpool: { unit: "share", most: 1 },
  wireMoved: { unit: "rate", most: 3 },
  intruder: { unit: "rate", most: 6 },
  bitFlip: { unit: "rate", most: 12 },
  diskFlip: { unit: "rate", most: 12 },
  diskBlock: { unit: "rate", most: 8 },
  diskRestored: { unit: "rate", most: 8 },
  storeRestored: { unit: "rate", most: 8 },
} as const satisfies Record<string, { unit: "chance" | "rate" | "share"; most: number }>;

export type FaultName = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as readonly FaultName[];
/** Faults that alter what was durable in a spool, and that take it. */
const SPOOL_DAMAGES: readonly FaultName[] = ["diskFlip", "diskBlock"];
const SPOOL_LOSSES: readonly FaultName[] = [...SPOOL_DAMAGES, "diskRestored"];
/** Faults for which a spool must let go of what the service has. */
const SPOOL_TOO_SMALL: readonly FaultName[] = ["smallSpool", "diskFull"];
/** Faults that take something from the durable. */
const SELDOM: readonly FaultName[] = ["bitFlip", "storeRestored", ...SPOOL_LOSSES];
/** Runs with such a fault, as a share: the others are held to the stricter promises. */
const SELDOM_SHARE = 0.08;
/** Chance of any other fault to be part of a run. Half of them together hide each other less than all of them. */
const PART_SHARE = 0.4;

/** How often each fault happens in one run. */
export class FaultPlan {
  readonly #amounts: ReadonlyMap<FaultName, number>;

  constructor(amounts: ReadonlyMap<FaultName, number>) {
    this.#amounts = amounts;
  }

  /** The swarm of a seed. Each fault has a stream of its own, so that leaving others out does not change it. */
  static draw(seed: number): FaultPlan {
    const amounts = new Map<FaultName, number>();
    for (const name of FAULT_NAMES) {
      const random = SeededRandom.named(seed, `plan ${name}`);
      const share = SELDOM.includes(name) ? SELDOM_SHARE : PART_SHARE;
      if (!random.chance(share)) continue;
      // Small amounts as often as large ones.
      amounts.set(name, FAULTS[name].most * 30 ** (random.fraction() - 1));
    }
    return new FaultPlan(amounts);
  }

  only(names: readonly FaultName[]): FaultPlan {
    return new FaultPlan(new Map([...this.#amounts].filter(([name]) => names.includes(name))));
  }

  without(name: FaultName): FaultPlan {
    return new FaultPlan(new Map([...this.#amounts].filter(([other]) => other !== name)));
  }

  get names(): readonly FaultName[] {
    return [...this.#amounts.keys()];
  }

  amount(name: FaultName): number {
    return this.#amounts.get(name) ?? 0;
  }

  has(name: FaultName): boolean {
    return this.#amounts.has(name);
  }

  /** What was durable in the store may be damaged: found and skipped, or refused. */
  get damagesStore(): boolean {
    return this.has("bitFlip");
  }

  /** The same of a spool. */
  get damagesSpool(): boolean {
    return SPOOL_DAMAGES.some((name) => this.has(name));
  }

  /** What was durable may be lost: losses are allowed then, altered entries are not. */
  get isDestructive(): boolean {
    const isSpoolLost = SPOOL_LOSSES.some((name) => this.has(name));
    // Spools send again what a service on an older disk has lost, unless they had to let go of it.
    const isNotSentAgain = this.has("storeRestored") && SPOOL_TOO_SMALL.some((name) => this.has(name));
    return this.damagesStore || isSpoolLost || isNotSentAgain;
  }

  toString(): string {
    const shown = [...this.#amounts].map(([name, amount]) => {
      const { unit } = FAULTS[name];
      return `${name} ${amount.toPrecision(2)}${unit === "rate" ? "/min" : ""}`;
    });
    return shown.length === 0 ? "no faults" : shown.join(", ");
  }
}
