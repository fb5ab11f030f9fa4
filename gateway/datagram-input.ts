import type { Counters } from "../host/counters.ts";
import { checkSrc } from "../protocol/names.ts";
import { decodeUtf8 } from "../protocol/utf8.ts";
import type { LineSessions } from "./line-sessions.ts";
import type { DatagramLink } from "./link.ts";
import { type LogLine, parseLogLine } from "./log-line.ts";
import { ignoreStopping } from "./pauses.ts";
import { RecentTable } from "./recent-table.ts";
import type { SeldomLog } from "./seldom-log.ts";
import type { TopicKind } from "./topic-route.ts";

export interface DatagramInputOptions {
  readonly project: string;
  readonly kind: typeof TopicKind.Shelly | typeof TopicKind.MongooseOs;
}

/** Devices that one port hears; names of further ones are refused, for anybody may make them up. */
const DEVICES_MAX = 1_000;
/** Lines that wait for room. What comes meanwhile is lost, as it is where the network is full; the next line shows the gap. */
const WAITING_MAX = 2_000;
/** A datagram that was overtaken on its way comes this soon after the one that it should have come before. A boot takes longer. */
const OVERTAKEN_MS = 200;
const OVERTAKEN_LINES = 8;

/** Log lines as datagrams, one in each (docs/protocol.md 8.11). */
export class DatagramInput {
  readonly #link: DatagramLink;
  readonly #lines: LineSessions;
  readonly #counters: Counters;
  readonly #seldomLog: SeldomLog;
  readonly #options: DatagramInputOptions;
  /** The last line of each device. */
  readonly #last = new RecentTable<{ line: LogLine }>(DEVICES_MAX);
  #waitingCount = 0;
  #isStopping = false;

  constructor(
    world: {
      readonly link: DatagramLink;
      readonly lines: LineSessions;
      readonly counters: Counters;
      readonly seldomLog: SeldomLog;
    },
    options: DatagramInputOptions,
  ) {
    this.#link = world.link;
    this.#lines = world.lines;
    this.#counters = world.counters;
    this.#seldomLog = world.seldomLog;
    this.#options = options;
  }

  /** @throws what the link throws when it cannot start. */
  start(): Promise<void> {
    return this.#link.start((payload, address) => this.#receive(payload, address));
  }

  /** Takes nothing more. */
  drain(): void {
    this.#isStopping = true;
  }

  close(): Promise<void> {
    return this.#link.stop();
  }

  #receive(payload: Uint8Array, address: string): void {
    if (this.#isStopping) return;
    const line = parseLogLine(decodeUtf8(payload).text, this.#options.kind);
    if (line === undefined || !checkSrc(line.id).ok) {
      this.#seldomLog.warn(`datagram ${address}`, { address }, "a datagram is no log line");
      this.#counters.add("udp_bad_datagrams_total");
      return;
    }
    if (!this.#isNext(line, address)) return;
    if (this.#waitingCount >= WAITING_MAX) {
      this.#counters.add("udp_dropped_datagrams_total");
      return;
    }
    this.#counters.add("udp_log_lines_total");
    void this.#take(line, payload.length);
  }

  /** Notes the line as the last of its device; false where it is none to take. */
  #isNext(line: LogLine, address: string): boolean {
    const known = this.#last.get(line.id);
    if (known === undefined) {
      if (this.#last.isFull) {
        this.#seldomLog.warn(
          `devices ${address}`,
          { address },
          `more than ${DEVICES_MAX} devices on one port`,
        );
        this.#counters.add("udp_devices_over_limit_datagrams_total");
        return false;
      }
      this.#last.set(line.id, { line });
      return true;
    }
    const { number, timeMs, text } = known.line;
    const isRepeat = line.number === number && line.timeMs === timeMs && line.text === text;
    const isOvertaken =
      line.number < number &&
      number - line.number <= OVERTAKEN_LINES &&
      line.timeMs <= timeMs &&
      timeMs - line.timeMs <= OVERTAKEN_MS;
    if (isRepeat || isOvertaken) {
      this.#counters.add(isRepeat ? "udp_repeated_datagrams_total" : "udp_overtaken_datagrams_total");
      return false;
    }
    known.line = line;
    return true;
  }

  async #take(line: LogLine, sizeBytes: number): Promise<void> {
    const origin = { project: this.#options.project, src: line.id };
    this.#waitingCount += 1;
    try {
      await this.#lines.line(origin, line, { sizeBytes, isHeldBack: false, isRepeat: false }, () => {});
    } catch (error) {
      ignoreStopping(error);
    } finally {
      this.#waitingCount -= 1;
    }
  }
}
