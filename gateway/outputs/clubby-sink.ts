import { type ClubbyAnswer, encodeClubbyFrame } from "./clubby-frame.ts";
import type { ClubbyTransport } from "./clubby-transport.ts";
import { Refusals } from "./refusals.ts";
import { type GiveUp, type Sink, SinkUnavailable, type SpooledEntry } from "./sink.ts";

export interface ClubbySinkOptions {
  readonly name: string;
  /** Address of the service, where it wants one in each frame. */
  readonly dst?: string | undefined;
  readonly key?: string | undefined;
  /** Put before sources that are no address yet, for services that want `//host/path`. */
  readonly srcPrefix?: string | undefined;
  /**
   * Commands of a source under way at once. With more than one the order of a source is that in which the service carries out the
   * commands of a frame.
   */
  readonly frameCommandsMax: number;
}

/** Sources whose frames are under way at once. */
export const LANES_MAX = 16;

/**
 * A log service that knows the seed and nothing of ours: frames of `Log.Log`, one source each, under the source's own name. What is
 * not answered with status 0 is sent again, so an answer that is lost on its way makes an entry twice there.
 */
export class ClubbySink implements Sink {
  readonly #transport: ClubbyTransport;
  readonly #giveUp: GiveUp;
  readonly #options: ClubbySinkOptions;
  readonly #refusals = new Refusals();
  /** Positions that were taken of a batch that was not taken as a whole: not sent again. */
  readonly #taken = new Set<number>();
  #nextId = 1;

  constructor(transport: ClubbyTransport, giveUp: GiveUp, options: ClubbySinkOptions) {
    this.#transport = transport;
    this.#giveUp = giveUp;
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  async send(entries: readonly SpooledEntry[], taken: (position: number) => void): Promise<void> {
    const batch = new Batch(entries, this.#taken, taken);
    const lanes = lanesOf(batch.rest).values();
    const failures: unknown[] = [];
    let isAway = false;
    const work = async (): Promise<void> => {
      for (const lane of lanes) {
        try {
          const problem = await this.#sendLane(lane, batch);
          if (problem !== undefined) failures.push(problem);
        } catch (error) {
          // All lanes end before this does: what is sent again must not overtake what is still under way.
          isAway = true;
          failures.push(error);
        }
        if (isAway) return;
      }
    };
    await Promise.all(Array.from({ length: LANES_MAX }, work));
    if (failures.length > 0) throw failures[0];
    this.#taken.clear();
  }

  close(): void {
    this.#transport.close();
  }

  /**
   * Everything of one source, in order.
   * @returns why it ended before that, where the service refuses a line for now.
   * @throws SinkUnavailable when the service does not answer.
   */
  async #sendLane(lane: readonly SpooledEntry[], batch: Batch): Promise<SinkUnavailable | undefined> {
    const { frameCommandsMax } = this.#options;
    for (let first = 0; first < lane.length; first += frameCommandsMax) {
      const sent = lane.slice(first, first + frameCommandsMax);
      const answers = await this.#exchange(sent);
      let problem: SinkUnavailable | undefined;
      for (const [index, { position, entry }] of sent.entries()) {
        const { status, words } = answers[index] ?? { status: -1, words: "no answer" };
        const reason = `status ${status}${words === "" ? "" : `: ${words}`}`;
        if (status === 0) this.#refusals.accepted(position, entry.src);
        else if (this.#refusals.refused(position, entry.src, status)) await this.#giveUp([entry], reason);
        else {
          problem ??= new SinkUnavailable(`a line of ${entry.src} is refused for now: ${reason}`);
          continue;
        }
        batch.take(position);
      }
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  async #exchange(entries: readonly SpooledEntry[]): Promise<readonly (ClubbyAnswer | undefined)[]> {
    const commands = entries.map(({ entry }) => ({ id: this.#nextId++, entry }));
    const { dst, key, srcPrefix = "" } = this.#options;
    const src = entries[0]?.entry.src ?? "";
    const head = { src: src.startsWith("//") ? src : `${srcPrefix}${src}`, dst, key };
    const ids = commands.map(({ id }) => id);
    const answers = await this.#transport.exchange(encodeClubbyFrame(head, commands), ids);
    return ids.map((id) => answers.get(id));
  }
}

/** What of some entries is taken, and how far all of it is. */
class Batch {
  readonly #entries: readonly SpooledEntry[];
  readonly #taken: Set<number>;
  readonly #told: (position: number) => void;
  #prefix = 0;

  constructor(entries: readonly SpooledEntry[], taken: Set<number>, told: (position: number) => void) {
    this.#entries = entries;
    this.#taken = taken;
    this.#told = told;
    this.#advance();
  }

  get rest(): readonly SpooledEntry[] {
    return this.#entries.filter(({ position }) => !this.#taken.has(position));
  }

  take(position: number): void {
    this.#taken.add(position);
    this.#advance();
  }

  #advance(): void {
    const before = this.#prefix;
    while (this.#taken.has(this.#entries[this.#prefix]?.position ?? 0)) this.#prefix += 1;
    const last = this.#entries[this.#prefix - 1];
    if (this.#prefix > before && last !== undefined) this.#told(last.position);
  }
}

function lanesOf(entries: readonly SpooledEntry[]): readonly (readonly SpooledEntry[])[] {
  const lanes = new Map<string, SpooledEntry[]>();
  for (const spooled of entries) {
    const lane = lanes.get(spooled.entry.src);
    if (lane === undefined) lanes.set(spooled.entry.src, [spooled]);
    else lane.push(spooled);
  }
  return [...lanes.values()];
}
