import type { Timer, Timers } from "../../../host/clock.ts";
import type { Random } from "../../../host/random.ts";
import { decodeLevelLease, type LevelLease } from "../../../protocol/level-lease.ts";
import { decodeUtf8, encodeUtf8 } from "../../../protocol/utf8.ts";
import type { LevelControl, LevelDelivery, LevelPeers } from "../../level-control.ts";
import { StoreUnavailable } from "../log-store.ts";
import type { PeerLine } from "./peer-line.ts";

/** How long a process has to say that it is there, ms: once a board is reached, who has said nothing yet is not waited for. */
const SPEAK_MS_MAX = 300;
/** How long gateways may take, ms: more than a service gives each of its own. */
const ANSWER_MS_MAX = 2_500;

/** A process heard the question, before it asks its gateways; or what they said. */
interface Answer {
  readonly from: string;
  readonly gateways?: readonly LevelDelivery[];
}

/** Level leases for boards whose gateways are connected to another process over the same cluster. */
export class ClusterLevels implements LevelPeers {
  readonly #line: PeerLine;
  readonly #subject: string;
  readonly #timers: Timers;
  /** Of this process, among its peers. */
  readonly #name: string;

  constructor(world: {
    readonly line: PeerLine;
    /** Of the whole store: its processes are the peers. */
    readonly prefix: string;
    readonly timers: Timers;
    readonly random: Random;
  }) {
    this.#line = world.line;
    this.#subject = `${world.prefix}.peers.level`;
    this.#timers = world.timers;
    this.#name = Buffer.from(world.random.bytes(9)).toString("base64url");
  }

  setLevel(project: string, src: string, lease: LevelLease): Promise<readonly LevelDelivery[]> {
    /** By process; undefined while it asks its gateways. */
    const answers = new Map<string, readonly LevelDelivery[] | undefined>();
    let hasSpoken = false;
    const found = (): LevelDelivery[] => [...answers.values()].flatMap((gateways) => gateways ?? []);
    return new Promise((resolve, reject) => {
      const timers: Timer[] = [];
      const end = (): void => {
        for (const timer of timers) timer.cancel();
        asked.close();
        // This process hears its own question: where it does not, nobody heard it.
        if (answers.size > 0) resolve(found());
        else reject(new StoreUnavailable("the cluster did not carry a question to the other processes"));
      };
      const endIfKnown = (): void => {
        const isWaiting = [...answers.values()].includes(undefined);
        if (hasSpoken && !isWaiting && found().some(({ isReached }) => isReached)) end();
      };
      const question = encodeUtf8(JSON.stringify({ from: this.#name, project, src, lease }));
      const asked = this.#line.ask(this.#subject, question, (bytes) => {
        const answer = parsed(bytes) as Answer | undefined;
        if (answer === undefined) return;
        const { from, gateways } = answer;
        answers.set(from, gateways ?? answers.get(from));
        endIfKnown();
      });
      timers.push(
        this.#timers.after(SPEAK_MS_MAX, () => {
          hasSpoken = true;
          endIfKnown();
        }),
        this.#timers.after(ANSWER_MS_MAX, end),
      );
    });
  }

  serve(own: LevelControl): void {
    this.#line.serve(this.#subject, (bytes, answer) => {
      const { from, project, src, lease } = (parsed(bytes) ?? {}) as Record<string, unknown>;
      const say = (gateways?: readonly LevelDelivery[]): void =>
        answer(encodeUtf8(JSON.stringify({ from: this.#name, ...(gateways && { gateways }) })));
      // Its own gateways were asked already.
      if (from === this.#name) return say([]);
      const decoded = decodeLevelLease(lease);
      if (typeof project !== "string" || typeof src !== "string" || !decoded.ok) return;
      say();
      own.setLevel(project, src, decoded.value).then(say, () => say([]));
    });
  }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes).text);
  } catch {
    return undefined;
  }
}
