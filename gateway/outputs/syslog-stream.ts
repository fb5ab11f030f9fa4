import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Timer, Timers } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import { connectionReason } from "../tls-trust.ts";
import { type Sink, SinkUnavailable, type SpooledEntry } from "./sink.ts";
import type { SyslogSinkOptions } from "./syslog-setting.ts";
import { encodeSyslog } from "./syslog-text.ts";

const CONNECT_MS_MAX = 10_000;
/** For a batch to leave this process. */
const WRITE_MS_MAX = 30_000;
/**
 * Syslog says nothing to what it gets. What left this process counts as taken once the connection has lived on for so long: the
 * kernel notices within it that the other side is gone, if it is reachable at all.
 */
const SETTLE_MS = 3_000;
/** A write that takes longer is stuck: what went before it may stand unread at the other side, and counts when the write is through. */
const STALL_MS = 1_000;
/** For the other side to close in its turn, which says that it read all. */
const CLOSE_MS_MAX = 400;

interface Batch {
  timer: Timer;
  readonly settle: () => void;
}

/** RFC 5424 over TCP with octet counting (RFC 6587, 3.4.1), or over TLS (RFC 5425). */
export class SyslogStream implements Sink {
  readonly #timers: Timers;
  readonly #counters: Counters;
  readonly #options: SyslogSinkOptions;
  #socket: Socket | undefined;
  #opening: Promise<Socket> | undefined;
  /** Sent and not settled, in order. */
  #batches: Batch[] = [];
  #isSending = false;
  #isStalled = false;
  onDown: (reason: SinkUnavailable) => void = () => {};

  constructor(world: { readonly timers: Timers; readonly counters: Counters }, options: SyslogSinkOptions) {
    this.#timers = world.timers;
    this.#counters = world.counters;
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  async send(entries: readonly SpooledEntry[], taken: (position: number) => void): Promise<void> {
    const frames: Buffer[] = [];
    let cutCount = 0;
    for (const { entry } of entries) {
      const { bytes, isCut } = encodeSyslog(entry, this.#options.text);
      frames.push(Buffer.from(`${bytes.length} `, "latin1"), bytes);
      if (isCut) cutCount += 1;
    }
    this.#isSending = true;
    try {
      this.#opening ??= this.#open();
      const socket = await this.#opening;
      await this.#write(socket, Buffer.concat(frames));
    } finally {
      this.#isSending = false;
    }
    if (cutCount > 0) this.#counters.add("syslog_cut_entries_total", cutCount);
    const last = entries.at(-1)?.position;
    this.#settleLater(() => {
      if (last !== undefined) taken(last);
    });
  }

  #settleLater(settle: () => void): void {
    const due = (): void => {
      if (this.#isStalled) {
        batch.timer = this.#timers.after(STALL_MS, due);
        return;
      }
      this.#batches = this.#batches.filter((each) => each !== batch);
      settle();
    };
    const batch: Batch = { timer: this.#timers.after(SETTLE_MS, due), settle };
    this.#batches.push(batch);
  }

  /** Says that nothing more comes, and waits for the other side to say the same. */
  async close(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return;
    const batches = this.#batches.splice(0);
    for (const { timer } of batches) timer.cancel();
    const isHeard = await new Promise<boolean>((resolve) => {
      const timer = this.#timers.after(CLOSE_MS_MAX, () => resolve(false));
      socket.once("end", () => resolve(true));
      socket.once("close", () => resolve(false));
      socket.end();
      socket.once("close", () => timer.cancel());
    });
    socket.destroy();
    if (isHeard) for (const { settle } of batches) settle();
  }

  #write(socket: Socket, bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const { at } = this.#options;
      const stall = this.#timers.after(STALL_MS, () => {
        this.#isStalled = true;
      });
      const end = (): void => {
        timer.cancel();
        stall.cancel();
        this.#isStalled = false;
      };
      const fail = (error: Error): void => {
        end();
        reject(new SinkUnavailable(connectionReason(error, at), { cause: error }));
      };
      const timer = this.#timers.after(WRITE_MS_MAX, () =>
        socket.destroy(new Error(`it takes nothing for ${WRITE_MS_MAX / 1000} s`)),
      );
      socket.write(bytes, (error) => {
        if (error != null) {
          fail(error);
          return;
        }
        end();
        resolve();
      });
    });
  }

  #open(): Promise<Socket> {
    const { host, port, tls, at } = this.#options;
    const socket =
      tls === undefined
        ? connectTcp({ host, port, keepAlive: true })
        : connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...tls });
    this.#socket = socket;
    let reason = "the connection ended";
    return new Promise((resolve, reject) => {
      const timer = this.#timers.after(CONNECT_MS_MAX, () => socket.destroy(new Error("no answer")));
      socket.once(tls === undefined ? "connect" : "secureConnect", () => {
        timer.cancel();
        resolve(socket);
      });
      // It says nothing; but its end would not be heard unread.
      socket.resume();
      socket.on("end", () => {
        if (this.#socket === socket && !socket.writableEnded) socket.destroy();
      });
      socket.on("error", (error) => {
        reason = connectionReason(error, at);
      });
      socket.on("close", () => {
        timer.cancel();
        this.#opening = undefined;
        const down = new SinkUnavailable(reason);
        reject(down);
        const unsettled = this.#batches.splice(0);
        for (const batch of unsettled) batch.timer.cancel();
        // A send that is under way fails by itself.
        if (unsettled.length > 0 && !this.#isSending) this.onDown(down);
      });
    });
  }
}
