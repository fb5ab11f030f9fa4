import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import { LatencyTable } from "./latency-table.ts";

/** The log service, to a live reader. */
export interface LiveService {
  readonly url: string;
  readonly key: string;
  readonly project: string;
}

/** What a live reader of the whole run saw, held against each board's own order. */
export interface LiveSeen {
  readonly entries: number;
  readonly twice: number;
  readonly outOfOrder: number;
  /** Entries that the service said this reader was too slow for. */
  readonly skipped: number;
  readonly reconnects: number;
  /** The first few, in words. */
  readonly examples: readonly string[];
}

interface LiveMessage {
  readonly skipped?: { readonly count: number };
  readonly result?: {
    readonly data: {
      readonly id: string;
      readonly deviceId: string;
      /** RFC 3339. */
      readonly timestamp?: string;
      readonly metadata?: { readonly stream?: string; readonly boot?: string; readonly seq?: number };
    };
  };
}

const RECONNECT_MS = 300;
const EXAMPLES_MAX = 5;

/** Follows the live socket from before the first line to after the last, across restarts of the service. */
export class LiveWitness {
  readonly #url: string;
  readonly #boot: string;
  readonly #lastSeqs = new Map<string, number>();
  readonly #examples: string[] = [];
  /** From the board's timestamp to here, ms. */
  readonly latency = new LatencyTable();
  #socket: WebSocket | undefined;
  #ended = false;
  #isOpen = false;
  #after: string | undefined;
  #entries = 0;
  #twice = 0;
  #outOfOrder = 0;
  #skipped = 0;
  #opened = 0;

  /** @param boot what the boots of this run begin with */
  constructor(service: LiveService, boot: string) {
    this.#url = liveUrl(service);
    this.#boot = boot;
  }

  get seen(): LiveSeen {
    return {
      entries: this.#entries,
      twice: this.#twice,
      outOfOrder: this.#outOfOrder,
      skipped: this.#skipped,
      reconnects: Math.max(0, this.#opened - 1),
      examples: this.#examples,
    };
  }

  /** Resolves when it is listening. */
  async start(signal: AbortSignal): Promise<void> {
    this.#connect();
    while (!this.#isOpen) await pause(20, undefined, { signal });
  }

  /** Waits until as many entries as there are were seen or skipped, but not for ever. */
  async settled(wanted: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    while (this.#entries + this.#skipped < wanted && performance.now() < endMs) {
      await pause(50, undefined, { signal });
    }
  }

  end(): void {
    this.#ended = true;
    this.#socket?.terminate();
  }

  #connect(): void {
    const after = this.#after === undefined ? "" : `&after=${this.#after}`;
    const socket = new WebSocket(this.#url + after, { perMessageDeflate: false });
    this.#socket = socket;
    socket.on("open", () => {
      this.#isOpen = true;
      this.#opened++;
    });
    socket.on("message", (bytes: Buffer) => this.#take(JSON.parse(bytes.toString("utf8")) as LiveMessage));
    socket.on("error", () => {});
    socket.on("close", () => {
      if (!this.#ended) setTimeout(() => this.#connect(), RECONNECT_MS);
    });
  }

  #take({ skipped, result }: LiveMessage): void {
    if (skipped !== undefined) this.#skipped += skipped.count;
    const data = result?.data;
    if (data === undefined) return;
    this.#after = data.id;
    const { stream, boot, seq } = data.metadata ?? {};
    if (stream === "loss" || boot === undefined || seq === undefined || !boot.startsWith(this.#boot)) return;
    this.#entries++;
    if (data.timestamp !== undefined) this.latency.add(Date.now() - Date.parse(data.timestamp));
    const name = `${data.deviceId} ${boot}`;
    const last = this.#lastSeqs.get(name) ?? 0;
    if (seq === last) this.#wrong("twice", `live: ${name} seq ${seq} came twice`);
    else if (seq < last) this.#wrong("order", `live: ${name} seq ${seq} came behind ${last}`);
    this.#lastSeqs.set(name, Math.max(last, seq));
  }

  #wrong(kind: "twice" | "order", text: string): void {
    if (kind === "twice") this.#twice++;
    else this.#outOfOrder++;
    if (this.#examples.length < EXAMPLES_MAX) this.#examples.push(text);
  }
}

/** A live reader that takes the connection and reads nothing, for a time. */
export async function stalledReader(service: LiveService, forMs: number, signal: AbortSignal): Promise<void> {
  const socket = new WebSocket(liveUrl(service), { perMessageDeflate: false });
  socket.on("error", () => {});
  socket.on("open", () => socket.pause());
  try {
    await pause(forMs, undefined, { signal });
  } finally {
    socket.terminate();
  }
}

function liveUrl({ url, key, project }: LiveService): string {
  return `${url.replace(/^http/, "ws")}/v1/ws/projects/${project}/logs?x-api-key=${encodeURIComponent(key)}`;
}
