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

/** All gateways that are connected. Bounded by the open connections. */
export class LevelHub implements LevelControl {
  readonly #gateways = new Set<LevelGateway>();

  /** @returns what takes it off again. */
  add(gateway: LevelGateway): () => void {
    this.#gateways.add(gateway);
    return () => this.#gateways.delete(gateway);
  }

  async setLevel(project: string, src: string, lease: LevelLease): Promise<readonly LevelDelivery[]> {
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
