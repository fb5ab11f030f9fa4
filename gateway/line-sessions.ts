import type { Frame } from "../protocol/frame.ts";
import { type JsonObject, Verbatim } from "../protocol/json-parser.ts";
import { LOG_METHOD } from "../protocol/sequencing.ts";
import type { Arrival, Intake, Origin } from "./intake.ts";
import type { LineBoots } from "./line-boots.ts";
import type { LogLine } from "./log-line.ts";
import { RecentTable } from "./recent-table.ts";
import { type Uplink, UplinkUnavailable } from "./uplink.ts";
import type { WallClock } from "./wall-clock.ts";

export interface LineArrival extends Arrival {
  /** The sender says that it may have sent it before. */
  readonly isRepeat: boolean;
}

interface Followed {
  readonly boot: string;
  lastSeq: number;
}

/** Gives log lines without an agent what the model wants: a boot, a seq and a time (docs/protocol.md 8.10). */
export class LineSessions {
  readonly #intake: Intake;
  readonly #wallClock: WallClock;
  readonly #boots: LineBoots;
  readonly #uplink: Uplink;
  readonly #followed: RecentTable<Followed>;
  /** Lines of one source go one after the other. */
  readonly #turns = new Map<string, Promise<void>>();

  /** @param sourcesMax are followed at once; beyond it one not heard for long is asked for again. */
  constructor(
    world: {
      readonly intake: Intake;
      readonly wallClock: WallClock;
      readonly boots: LineBoots;
      readonly uplink: Uplink;
    },
    sourcesMax: number,
  ) {
    this.#followed = new RecentTable(sourcesMax);
    this.#intake = world.intake;
    this.#wallClock = world.wallClock;
    this.#boots = world.boots;
    this.#uplink = world.uplink;
  }

  /**
   * Takes a line. Resolves when it is queued; `onDurable` is called once, when it is durable.
   * @throws GatewayStopping
   */
  async line(origin: Origin, line: LogLine, arrival: LineArrival, onDurable: () => void): Promise<void> {
    const key = `${origin.project} ${origin.src}`;
    const receipt = this.#wallClock.receipt();
    const taken = (this.#turns.get(key) ?? Promise.resolve()).then(async () => {
      const { boot, joins } = await this.#bootOf(key, origin, line, arrival.isRepeat);
      await this.#intake.frame(origin, frameOf(line, boot, joins), receipt, arrival, onDurable);
    });
    const turn = taken.catch(() => {}); // The caller is told.
    this.#turns.set(key, turn);
    try {
      await taken;
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    }
  }

  async #bootOf(
    key: string,
    origin: Origin,
    line: LogLine,
    isRepeat: boolean,
  ): Promise<{ readonly boot: string; readonly joins: boolean }> {
    const { project, src } = origin;
    const seq = line.number + 1;
    let followed = this.#followed.get(key);
    if (followed === undefined) {
      const boot = await this.#boots.current(project, src);
      if (boot !== undefined) {
        followed = { boot, lastSeq: await this.#markOr(seq - 1, project, src, boot) };
      }
    }
    // Met in the middle of a boot: what came before was never ours, and is not called lost.
    const joins = followed === undefined;
    if (followed === undefined || (seq <= followed.lastSeq && !isRepeat)) {
      followed = { boot: await this.#boots.begin(project, src), lastSeq: 0 };
    }
    followed.lastSeq = Math.max(followed.lastSeq, seq);
    this.#followed.set(key, followed);
    return { boot: followed.boot, joins };
  }

  /** While nobody can say what is stored, the boot is taken to go on. */
  async #markOr(assumed: number, project: string, src: string, boot: string): Promise<number> {
    try {
      return await this.#uplink.mark(project, src, boot, assumed + 1);
    } catch (error) {
      if (error instanceof UplinkUnavailable) return assumed;
      throw error;
    }
  }
}

/** A line as a frame over a link without acks: a gap in its numbers becomes a loss record at once (6.7). */
function frameOf(line: LogLine, boot: string, joins: boolean): Frame {
  const seq = line.number + 1;
  const args: JsonObject = {
    msg: new Verbatim(JSON.stringify(line.text)),
    ...(line.clock === "utc" ? { timestamp: line.timeMs } : { uptime: line.timeMs }),
    ...(line.level !== undefined && { level: line.level }),
  };
  return {
    v: 1,
    form: "json",
    boot: { text: boot, json: JSON.stringify(boot) },
    clock: line.clock,
    now: line.timeMs,
    ...(joins && { joinsAt: seq }),
    ack: false,
    commands: [{ id: seq, method: LOG_METHOD, args }],
    answerCount: 0,
  };
}
