import type { Clock } from "../../../host/clock.ts";
import { Register, type RegisterForm, type RegisterPlace } from "./register.ts";

/** Who has not been heard of for so long has ended, ms: a holder says that it is there many times meanwhile. */
const SILENT_MS_MAX = 60_000;

interface Holding {
  /** Empty where nobody has it. */
  readonly owner: string;
  /** Another one each time that the owner says that it is there. */
  readonly beat: number;
}

const HOLDING_FORM: RegisterForm<Holding> = {
  empty: { owner: "", beat: 0 },
  encode({ owner, beat }, to) {
    to.text(owner);
    to.varint(beat);
  },
  decode: (from) => ({ owner: from.text(), beat: from.varint() }),
};

/** Lets one process of all at a time change the replicas. Needs no clocks that agree: silence is measured by who waits. */
export class RepairLock {
  readonly #register: Register<Holding>;
  readonly #clock: Clock;
  readonly #owner: string;
  #seen: { readonly holding: Holding; readonly atMs: number } | undefined;

  constructor(place: RegisterPlace, subject: string, clock: Clock, owner: string) {
    this.#register = new Register(place, subject, HOLDING_FORM);
    this.#clock = clock;
    this.#owner = owner;
  }

  /** False where another process has it. Whoever has it already says so again. @throws StoreUnavailable */
  async take(): Promise<boolean> {
    let isTaken = false;
    await this.#register.update((holding) => {
      isTaken = holding.owner === "" || holding.owner === this.#owner || this.#isSilent(holding);
      return isTaken ? { owner: this.#owner, beat: holding.beat + 1 } : undefined;
    });
    return isTaken;
  }

  /** @throws StoreUnavailable */
  async release(): Promise<void> {
    await this.#register.update((holding) =>
      holding.owner === this.#owner ? { owner: "", beat: holding.beat + 1 } : undefined,
    );
  }

  #isSilent(holding: Holding): boolean {
    const nowMs = this.#clock.monotonicMs();
    const seen = this.#seen;
    if (seen?.holding.owner === holding.owner && seen.holding.beat === holding.beat)
      return nowMs - seen.atMs >= SILENT_MS_MAX;
    this.#seen = { holding, atMs: nowMs };
    return false;
  }
}
