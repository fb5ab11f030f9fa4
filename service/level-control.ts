import type { LevelLease } from "../protocol/level-lease.ts";

/** A gateway that knows the board, and whether it has it on a link now and sent it the lease. */
export interface LevelDelivery {
  readonly gatewayId: string;
  readonly isReached: boolean;
}

/** The service's way to the boards (docs/protocol.md 14). */
export interface LevelControl {
  /** Empty: no gateway that is connected knows the board. */
  setLevel(project: string, src: string, lease: LevelLease): Promise<readonly LevelDelivery[]>;
}

/** A gateway that is there now: on a socket, or in the same process. */
export interface LevelGateway {
  readonly gatewayId: string;
  /** The one whose boards it has; of any where absent. */
  readonly project?: string;
  /** Undefined: it never heard the board, or did not say in time. Never rejects. */
  setLevel(
    project: string,
    src: string,
    lease: LevelLease,
  ): Promise<{ readonly isReached: boolean } | undefined>;
}

/** The other processes of the same service, where there are any: gateways are connected to them as well. */
export interface LevelPeers {
  /** What their gateways say. @throws StoreUnavailable where it cannot be known */
  setLevel(project: string, src: string, lease: LevelLease): Promise<readonly LevelDelivery[]>;
  /** Sets what the others ask for, at the gateways of this process. */
  serve(own: LevelControl): void;
}

/** All gateways that are connected, here and to the other processes of the service. Bounded by the open connections. */
export class LevelHub implements LevelControl {
  readonly #gateways = new Set<LevelGateway>();
  readonly #peers: LevelPeers | undefined;

  constructor(peers?: LevelPeers) {
    this.#peers = peers;
    peers?.serve({ setLevel: (...lease) => this.#setLevelHere(...lease) });
  }

  /** @returns what takes it off again. */
  add(gateway: LevelGateway): () => void {
    this.#gateways.add(gateway);
    return () => this.#gateways.delete(gateway);
  }

  /** @throws StoreUnavailable where other processes cannot be asked and no gateway of this one knows the board. */
  async setLevel(project: string, src: string, lease: LevelLease): Promise<readonly LevelDelivery[]> {
    const [here, elsewhere] = await Promise.allSettled([
      this.#setLevelHere(project, src, lease),
      this.#peers?.setLevel(project, src, lease) ?? [],
    ]);
    if (here.status === "rejected") throw here.reason;
    if (elsewhere.status === "fulfilled") return joined([...here.value, ...elsewhere.value]);
    if (here.value.length === 0) throw elsewhere.reason;
    return here.value;
  }

  async #setLevelHere(project: string, src: string, lease: LevelLease): Promise<readonly LevelDelivery[]> {
    const asked = [...this.#gateways].filter((each) => (each.project ?? project) === project);
    const answers = await Promise.all(
      asked.map(async (each) => ({
        gatewayId: each.gatewayId,
        answer: await each.setLevel(project, src, lease),
      })),
    );
    return answers.flatMap(({ gatewayId, answer }) =>
      answer === undefined ? [] : [{ gatewayId, isReached: answer.isReached }],
    );
  }
}

/** One of each gateway: it may be on a new socket already while its last one is not seen to be dead. */
function joined(deliveries: readonly LevelDelivery[]): LevelDelivery[] {
  const byId = new Map<string, LevelDelivery>();
  for (const each of deliveries) {
    if (each.isReached || !byId.has(each.gatewayId)) byId.set(each.gatewayId, each);
  }
  return [...byId.values()];
}
