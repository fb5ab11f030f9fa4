import type { Clock, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { ProcessLog } from "../host/log.ts";
import type { KeyRing } from "./auth/caller.ts";
import { Commands } from "./commands.ts";
import { EntryAppender } from "./entry-appender.ts";
import { ServiceEnd } from "./http/message-socket.ts";
import { HttpServer, type TlsOptions } from "./http/server.ts";
import { LevelHub, type LevelPeers } from "./level-control.ts";
import { NameQuota, type NameQuotaOptions } from "./name-quota.ts";
import { RateLimiter } from "./rate-limiter.ts";
import type { AppendResult, LogStore, StoreBatch } from "./store/log-store.ts";

/** `src` of answers to frames that name nobody as `dst` (docs/protocol.md 3.4). */
export const SERVICE_ADDRESS = "//boardlog";

export interface LogServiceDependencies {
  readonly store: LogStore;
  readonly keys: KeyRing;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counters: Counters;
  readonly log: ProcessLog;
  /** Other processes over the same store. */
  readonly levelPeers?: LevelPeers;
}

export interface LogServiceOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly address?: string;
  /** Whether the rest of the process serves; `/healthz` answers 503 until then. */
  readonly isReady?: () => boolean;
  /** Folder of the built console page. */
  readonly consoleFolder?: string;
  readonly requestMsMax?: number;
  readonly readerBytesMax?: number;
  /** Serves over TLS alone. */
  readonly tls?: TlsOptions;
  /** Commands a second of keys that have no rate of their own and are not admin; not limited when absent. */
  readonly keyRatePerSecond?: number;
  readonly nameQuota?: Partial<NameQuotaOptions>;
  /** Other sites whose pages may use the service, such as `https://logs.example.org`. */
  readonly origins?: readonly string[];
}

/** Another program listens there. */
export class PortTaken extends Error {
  readonly code = "PORT_TAKEN";
  readonly host: string;
  readonly port: number;
  constructor(host: string, port: number, options?: ErrorOptions) {
    super(`${host}:${port} is taken by another program`, options);
    this.name = "PortTaken";
    this.host = host;
    this.port = port;
  }
}

/** The log service: a store, who may use it, and the ways to reach it. The store stays the caller's to close. */
export class LogService {
  readonly #dependencies: LogServiceDependencies;
  readonly #options: LogServiceOptions;
  /** The gateways that boards are reached by. */
  readonly levels: LevelHub;
  readonly #appender: EntryAppender;
  #server: HttpServer | undefined;
  #port: number | undefined;

  constructor(dependencies: LogServiceDependencies, options: LogServiceOptions) {
    this.#dependencies = dependencies;
    this.#options = options;
    this.levels = new LevelHub(dependencies.levelPeers);
    this.#appender = new EntryAppender(dependencies);
  }

  /**
   * Resolves when the service listens.
   * @throws PortTaken
   */
  async start(): Promise<void> {
    const { host, port, address, isReady, consoleFolder, requestMsMax, readerBytesMax, tls, origins } =
      this.#options;
    const limiter = new RateLimiter(this.#dependencies.clock, this.#options.keyRatePerSecond);
    const nameQuota = new NameQuota(this.#dependencies.clock, this.#options.nameQuota);
    const dependencies = { ...this.#dependencies, appender: this.#appender, limiter, nameQuota };
    const server = new HttpServer(
      { ...dependencies, levels: this.levels, commands: new Commands(dependencies) },
      {
        ownAddress: address ?? SERVICE_ADDRESS,
        isReady: isReady ?? (() => true),
        ...(consoleFolder !== undefined && { consoleFolder }),
        ...(requestMsMax !== undefined && { requestMsMax }),
        ...(readerBytesMax !== undefined && { readerBytesMax }),
        ...(tls !== undefined && { tls }),
        ...(origins !== undefined && { origins }),
      },
    );
    try {
      this.#port = await server.listen(host, port);
    } catch (error) {
      await server.close();
      if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") {
        throw new PortTaken(host, port, { cause: error });
      }
      throw error;
    }
    this.#server = server;
    this.#dependencies.log.info({ url: this.url }, "the log service listens");
  }

  /** `http://host:port`, once started. */
  get url(): string {
    const { host } = this.#options;
    const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
    return `${this.#options.tls === undefined ? "http" : "https"}://${name}:${this.#port ?? this.#options.port}`;
  }

  /** Stores entries of a gateway in the same process. @throws StoreUnavailable */
  async append(batches: readonly StoreBatch[]): Promise<readonly AppendResult[]> {
    return await this.#appender.append(batches);
  }

  /** The store may have less than it answered for: gateways ask, and send again what it lacks. */
  greetGatewaysAgain(): void {
    this.#server?.greetAgain();
  }

  /** What waits for the store and what it has answered: for a watchdog. */
  get progress(): Pick<EntryAppender, "waitingCount" | "settledCount"> {
    return this.#appender;
  }

  /**
   * Closes every connection; what was accepted is answered or durable. Within 2 s.
   * @param hasFailed the store failed for good: that is why, and connections are told.
   */
  async stop(hasFailed = false): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.close(hasFailed ? ServiceEnd.Failed : ServiceEnd.Stopped);
  }
}
