import type { Clock, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { Disk } from "../host/disk.ts";
import type { ProcessLog } from "../host/log.ts";
import { pause } from "../host/pause.ts";
import type { Random } from "../host/random.ts";
import { LossPlace } from "../protocol/entry.ts";
import type { LevelLease } from "../protocol/level-lease.ts";
import { BoardLinks } from "./board-links.ts";
import { Committer, type CommitterOptions } from "./committer.ts";
import { DatagramInput, type DatagramInputOptions } from "./datagram-input.ts";
import { DemandTurns } from "./demand-turns.ts";
import { DEVICES_MAX_DEFAULT } from "./devices-max.ts";
import { Intake } from "./intake.ts";
import { LineBoots } from "./line-boots.ts";
import { LineSessions } from "./line-sessions.ts";
import type { ByteLink, DatagramLink, TopicLink } from "./link.ts";
import { MqttInput, type MqttInputOptions } from "./mqtt-input.ts";
import { ignoreStopping, Pauses } from "./pauses.ts";
import { Presence } from "./presence.ts";
import { SeldomLog } from "./seldom-log.ts";
import { SerialInput, type SerialInputOptions } from "./serial-input.ts";
import { SessionTable } from "./session-table.ts";
import { type GivenUp, SourceHistories } from "./source-histories.ts";
import { type SourceRate, Throttle } from "./throttle.ts";
import type { Uplink } from "./uplink.ts";
import { WallClock } from "./wall-clock.ts";

/**
 * What one turn of the loop reads of sixteen fast ports is no more; cut in its middle, the rest would wait as bytes for nothing. Beyond it
 * bytes cost less than what they become.
 */
const SERIAL_READ_AHEADS = 1.25;

export interface GatewayWorld {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly uplink: Uplink;
  readonly counters: Counters;
  readonly log: ProcessLog;
  /** Where names of boots that the gateway gave are kept; without it they are good for one run. */
  readonly disk?: Disk;
  /** The gateway's own clock, started; without it one that is taken as set where it shows a plausible time. */
  readonly wallClock?: WallClock;
}

export interface GatewayCoreOptions extends CommitterOptions {
  /** Boards and other devices that are held. */
  readonly devicesMax?: number;
  /** Fewer sessions than devices. */
  readonly sessionsMax?: number;
  /** What one source may bring; without it, as much as it likes. */
  readonly sourceRate?: SourceRate;
}

/** Parts of a stop, ms; together under the 2 s of `stop`, since systemd and `boardlog up` allow 3 s for all. */
const READ_OUT_MS = 400;
const COMMIT_MS = 1_200;
/** For the acks of the last commit to leave. */
const FLUSH_MS = 50;

/** All of a gateway but its wires: these are given to it, real ones by `Gateway`, others by the simulator. */
export class GatewayCore {
  readonly #world: GatewayWorld;
  readonly #pauses: Pauses;
  readonly #committer: Committer;
  readonly #intake: Intake;
  readonly #wallClock: WallClock;
  readonly #sessions: SessionTable;
  readonly #histories: SourceHistories;
  readonly #throttle: Throttle | undefined;
  readonly #seldomLog: SeldomLog;
  readonly #lines: LineSessions;
  readonly #boards: BoardLinks;
  readonly presence: Presence;
  readonly #devicesMax: number;
  readonly #serial: SerialInput[] = [];
  readonly #serialTurns: DemandTurns;
  readonly #topics: MqttInput[] = [];
  readonly #datagrams: DatagramInput[] = [];

  constructor(world: GatewayWorld, options: GatewayCoreOptions = {}) {
    this.#world = world;
    this.#seldomLog = new SeldomLog(world.log, world.clock);
    this.#pauses = new Pauses(world.timers);
    this.#committer = new Committer(world, options);
    const { devicesMax = DEVICES_MAX_DEFAULT } = options;
    this.#devicesMax = devicesMax;
    this.presence = new Presence(devicesMax);
    this.#boards = new BoardLinks(world, { boardsMax: devicesMax });
    const committer = this.#committer;
    this.#serialTurns = new DemandTurns(
      {
        get isOpen() {
          return committer.isOpenFor(SERIAL_READ_AHEADS);
        },
        onOpen: (listener) => committer.onOpen(listener),
      },
      world.timers,
    );
    const { random, uplink, counters } = world;
    const wallClock = world.wallClock ?? new WallClock(world);
    this.#wallClock = wallClock;
    this.#histories = new SourceHistories(world, (given) => this.#giveUp(given), devicesMax);
    this.#sessions = new SessionTable(
      { pauses: this.#pauses, random, uplink, counters, committer, histories: this.#histories, wallClock },
      { sessionsMax: options.sessionsMax ?? devicesMax, onFull: () => this.#tellFull() },
    );
    const { sourceRate } = options;
    this.#throttle = sourceRate === undefined ? undefined : new Throttle(world, sourceRate, devicesMax);
    this.#intake = new Intake({
      wallClock,
      committer,
      sessions: this.#sessions,
      counters,
      ...(this.#throttle !== undefined && { throttle: this.#throttle }),
    });
    const boots = new LineBoots(world);
    this.#lines = new LineSessions({ intake: this.#intake, wallClock, boots, uplink }, devicesMax);
  }

  #tellFull(): void {
    this.#seldomLog.warn(
      "sessions full",
      { devicesMax: this.#devicesMax },
      "more boards wait for a commit than the gateway holds: what others send is not taken, and comes again; set devicesMax higher",
    );
  }

  get seldomLog(): SeldomLog {
    return this.#seldomLog;
  }

  /** Entries taken and not durable yet. */
  get queuedEntries(): number {
    return this.#committer.queuedEntries;
  }

  /** Tells a board how much to log (docs/protocol.md 14). @returns undefined where the board was never heard here. */
  setLevel(project: string, src: string, lease: LevelLease): { readonly isReached: boolean } | undefined {
    return this.#boards.setLevel(project, src, lease);
  }

  /** Reads a serial wire from now on. */
  addSerial(link: ByteLink, options: SerialInputOptions): void {
    const input = new SerialInput(
      {
        ...this.#world,
        link,
        intake: this.#intake,
        wallClock: this.#wallClock,
        boards: this.#boards,
        turns: this.#serialTurns,
        seldomLog: this.#seldomLog,
      },
      options,
    );
    this.#serial.push(input);
    input.start();
  }

  /**
   * Hears a broker from now on.
   * @throws what the link throws when it cannot start.
   */
  async addTopics(link: TopicLink, options: MqttInputOptions = {}): Promise<void> {
    const input = new MqttInput(
      {
        ...this.#world,
        link,
        demand: this.#committer,
        intake: this.#intake,
        wallClock: this.#wallClock,
        lines: this.#lines,
        boards: this.#boards,
        presence: this.presence,
        seldomLog: this.#seldomLog,
      },
      { topicsKnownMax: this.#devicesMax, ...options },
    );
    await input.start();
    this.#topics.push(input);
  }

  /**
   * Hears log lines as datagrams from now on.
   * @throws what the link throws when it cannot start.
   */
  async addDatagrams(link: DatagramLink, options: DatagramInputOptions): Promise<void> {
    const { counters } = this.#world;
    const world = { link, lines: this.#lines, counters, seldomLog: this.#seldomLog };
    const input = new DatagramInput(world, options);
    await input.start();
    this.#datagrams.push(input);
  }

  /** Takes nothing more, and resolves within 2 s: everything that was taken is durable then, or was never acked. */
  async stop(): Promise<void> {
    for (const input of [...this.#topics, ...this.#datagrams]) input.drain();
    const gapsSaved = this.#histories.stop();
    this.#throttle?.stop();
    this.#pauses.end();
    const readOut = Promise.all(this.#serial.map((input) => input.drain()));
    await Promise.race([readOut, pause(this.#world.timers, READ_OUT_MS)]);
    await this.#committer.stop(COMMIT_MS);
    await Promise.all([gapsSaved, pause(this.#world.timers, FLUSH_MS)]);
    await Promise.all([...this.#serial, ...this.#topics, ...this.#datagrams].map((input) => input.close()));
  }

  /** Lines that a board sent in part and will not send again. @returns whether their loss record is durable. */
  async #giveUp({ project, src, boot, last, why }: GivenUp): Promise<boolean> {
    const identity = { project, src, boot: { text: boot, json: JSON.stringify(boot) } };
    const session = this.#sessions.get(identity);
    if (session === undefined) return false;
    try {
      await session.giveUp(last, { where: LossPlace.Link, why }, this.#wallClock.receipt());
      return true;
    } catch (error) {
      ignoreStopping(error);
      return false;
    }
  }
}
