import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";

/** What a fault makes of one frame. */
export const SeedFault = {
  None: "none",
  /** Each command gets a status other than 0, and nothing is stored. */
  Refuse: "refuse",
  /** Nothing is stored, and no answer comes. */
  Hang: "hang",
  /** The connection ends before anything is stored. */
  CloseBefore: "close-before",
  /** It is stored, and the connection ends before the answer. */
  CloseAfter: "close-after",
  /** Half of the answer, then the connection ends. */
  CutAnswer: "cut-answer",
  /** The answers in a frame stand in another order, and those to later frames may come first. */
  OutOfOrder: "out-of-order",
} as const;
export type SeedFault = (typeof SeedFault)[keyof typeof SeedFault];

export interface SeedEntry {
  readonly id: string;
  readonly msg: unknown;
  readonly timestamp: number;
  readonly stream: string;
}

interface SeedFrame {
  readonly v: number;
  readonly src: string;
  readonly dst?: string;
  readonly cmds: readonly { readonly cmd: string; readonly id: number; readonly args: SeedArgs }[];
}

interface SeedArgs {
  readonly msg?: unknown;
  readonly timestamp?: unknown;
  readonly stream?: unknown;
  readonly src?: unknown;
  readonly after?: unknown;
  readonly limit?: unknown;
}

interface SeedAnswer {
  readonly id: number;
  readonly status: number;
  readonly status_msg?: string;
  readonly resp?: unknown;
}

const LOG_ARGS = ["msg", "timestamp", "stream"];
const FRAME_FIELDS = ["v", "src", "dst", "key", "cmds"];

/**
 * A log service as somebody would write it who has the two pages of the seed and nothing else: Log.Log and Log.List in v1 frames, over
 * HTTP and over WebSocket. What stands in no page is an error. Its memory outlives `stop` and `start`.
 */
export class SeedService {
  readonly logs = new Map<string, SeedEntry[]>();
  /** What came that the seed does not know. */
  readonly complaints: string[] = [];
  readonly bodies: string[] = [];
  readonly keys = new Set<unknown>();
  /** Frames that hang until they are let go. */
  fault: (frame: SeedFrame) => SeedFault = () => SeedFault.None;
  /** Status of a single command, where it is not 0. */
  statusOf: (src: string, msg: unknown) => number = () => 0;
  frameCount = 0;
  port = 0;
  readonly #tls: { readonly cert: string; readonly key: string; readonly ca?: string } | undefined;
  #server: Server | undefined;
  #sockets = new Set<Duplex>();
  #nextId = 1;

  constructor(tls?: { readonly cert: string; readonly key: string; readonly ca?: string }) {
    this.#tls = tls;
  }

  async start(): Promise<void> {
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      void this.#request(request, response);
    };
    const tls = this.#tls;
    const server =
      tls === undefined
        ? createServer(listener)
        : createTlsServer({ ...tls, requestCert: tls.ca !== undefined, rejectUnauthorized: true }, listener);
    this.#server = server;
    const webSockets = new WebSocketServer({ server });
    webSockets.on("connection", (socket) => {
      socket.on("message", (data) => this.#message(socket, String(data)));
      socket.on("error", () => {});
    });
    server.on("connection", (socket: Duplex) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    const address = server.address();
    if (typeof address === "object" && address !== null) this.port = address.port;
  }

  /** As a process that is killed: connections end in the middle. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }

  /** Of one stream, or of all. */
  texts(src: string, stream?: string): readonly unknown[] {
    return (this.logs.get(src) ?? [])
      .filter((entry) => stream === undefined || entry.stream === stream)
      .map(({ msg }) => msg);
  }

  async #request(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const answer = this.#take(Buffer.concat(chunks).toString("utf8"));
    if (answer.fault === SeedFault.Hang) return;
    if (answer.fault === SeedFault.CloseBefore || answer.fault === SeedFault.CloseAfter) {
      request.socket.destroy();
      return;
    }
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(answer.text),
    });
    if (answer.fault === SeedFault.CutAnswer) {
      response.write(answer.text.slice(0, answer.text.length / 2), () => request.socket.destroy());
      return;
    }
    if (answer.fault === SeedFault.OutOfOrder) await new Promise((resolve) => setTimeout(resolve, 5));
    response.end(answer.text);
  }

  #message(socket: WebSocket, text: string): void {
    const answer = this.#take(text);
    switch (answer.fault) {
      case SeedFault.Hang:
        return;
      case SeedFault.CloseBefore:
      case SeedFault.CloseAfter:
        socket.terminate();
        return;
      case SeedFault.CutAnswer:
        socket.send(answer.text.slice(0, answer.text.length / 2));
        return;
      case SeedFault.OutOfOrder:
        setTimeout(() => socket.send(answer.text), 5);
        return;
      default:
        socket.send(answer.text);
    }
  }

  #take(text: string): { readonly fault: SeedFault; readonly text: string } {
    this.frameCount += 1;
    this.bodies.push(text);
    const frame = JSON.parse(text) as SeedFrame;
    for (const name of Object.keys(frame))
      if (!FRAME_FIELDS.includes(name)) this.complaints.push(`frame: ${name}`);
    if (frame.v !== 1) this.complaints.push(`v: ${frame.v}`);
    if (typeof frame.src !== "string") this.complaints.push("no src");
    this.keys.add((frame as { key?: unknown }).key);
    const fault = this.fault(frame);
    const isStored =
      fault !== SeedFault.Refuse && fault !== SeedFault.Hang && fault !== SeedFault.CloseBefore;
    let resp = frame.cmds.map(({ cmd, id, args }): SeedAnswer => {
      if (!Number.isSafeInteger(id) || id < 1) this.complaints.push(`id: ${id}`);
      if (!isStored) return { id, status: 500, status_msg: "not now" };
      if (cmd === "/v1/Log.Log") return { id, ...this.#log(frame.src, args) };
      if (cmd === "/v1/Log.List") return { id, status: 0, resp: this.#list(args) };
      return { id, status: 404, status_msg: `no ${cmd}` };
    });
    if (fault === SeedFault.OutOfOrder) resp = resp.reverse();
    return { fault, text: JSON.stringify({ v: 1, src: frame.dst ?? "//seed", dst: frame.src, resp }) };
  }

  #log(src: string, args: SeedArgs): { readonly status: number; readonly status_msg?: string } {
    for (const name of Object.keys(args)) if (!LOG_ARGS.includes(name)) this.complaints.push(`args: ${name}`);
    const { msg, timestamp = Date.now(), stream = "console" } = args;
    const isMsg = typeof msg === "string" || (typeof msg === "object" && msg !== null);
    if (!isMsg || !Number.isInteger(timestamp) || typeof stream !== "string") {
      this.complaints.push(`wrong type: ${JSON.stringify(args)}`);
      return { status: 400, status_msg: "wrong type" };
    }
    const status = this.statusOf(src, msg);
    if (status !== 0) return { status, status_msg: "told to refuse" };
    const entries = this.logs.get(src) ?? [];
    this.logs.set(src, entries);
    entries.push({ id: `msg${this.#nextId++}`, msg, timestamp: timestamp as number, stream });
    return { status: 0 };
  }

  #list({ src, after, limit, stream }: SeedArgs): readonly SeedEntry[] {
    const entries = this.logs.get(String(src)) ?? [];
    const start = entries.findIndex(({ id }) => id === after) + 1;
    return entries
      .slice(start)
      .filter((entry) => stream === undefined || entry.stream === stream)
      .slice(0, typeof limit === "number" ? limit : 100);
  }
}
