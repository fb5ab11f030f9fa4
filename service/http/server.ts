import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import fastifyWebsocket from "@fastify/websocket";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import type { Clock, Timers } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import type { ProcessLog } from "../../host/log.ts";
import packageJson from "../../package.json" with { type: "json" };
import { FRAME_BYTES_MAX } from "../../protocol/frame.ts";
import { INGEST_BYTES_MAX } from "../../protocol/ingest.ts";
import { AnswerBuffers } from "../answer-buffers.ts";
import { LOG_SERVICE } from "../api-definition.ts";
import { type Caller, callerOf, type KeyRing } from "../auth/caller.ts";
import { NO_GOOD_KEY_SOCKET, shownKey } from "../auth/credentials.ts";
import type { Commands } from "../commands.ts";
import type { EntryAppender } from "../entry-appender.ts";
import { FOLLOW_MS_MAX } from "../entry-walk.ts";
import { GatewaySocket } from "../ingest/gateway-socket.ts";
import { type Admitted, IngestHandlers } from "../ingest/ingest-handlers.ts";
import { otlpRefusal, postOtlp } from "../ingest/otlp-handler.ts";
import { OTLP_BYTES_MAX } from "../ingest/otlp-records.ts";
import type { LevelHub } from "../level-control.ts";
import { eventStreamSink } from "../live/event-stream.ts";
import { LiveHub } from "../live/live-hub.ts";
import { LiveReader } from "../live/live-reader.ts";
import { type LiveSink, socketSink } from "../live/live-sink.ts";
import type { NameQuota } from "../name-quota.ts";
import type { RateLimiter } from "../rate-limiter.ts";
import type { ByteWriter } from "../store/byte-writer.ts";
import type { LogStore } from "../store/log-store.ts";
import { inflatedBody } from "./body-encoding.ts";
import { consolePage } from "./console-page.ts";
import { CredentialWatch } from "./credential-watch.ts";
import { getEntries, getSources } from "./entries-handler.ts";
import { AT_ONCE, type HttpAnswer, type HttpRequest, jsonAnswer, refusalAnswer } from "./exchange.ts";
import { postArgs, postFrame } from "./frame-handlers.ts";
import { FrameSocket } from "./frame-socket.ts";
import { FrameTurns } from "./frame-turns.ts";
import { Heartbeat } from "./heartbeat.ts";
import { postLevel } from "./level-handler.ts";
import { admitLive, type LiveRequest, refusedAnswer } from "./live-request.ts";
import { getLogs } from "./logs-handler.ts";
import { CloseCode, type MessageSocket, messageSocketOf, ServiceEnd } from "./message-socket.ts";
import type { Metrics } from "./metrics.ts";
import { openApi } from "./open-api.ts";
import { isSameOrigin } from "./origin.ts";
import { getRates } from "./rates-handler.ts";

export interface HttpServerDependencies {
  readonly store: LogStore;
  readonly appender: EntryAppender;
  readonly nameQuota: NameQuota;
  readonly commands: Commands;
  readonly keys: KeyRing;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counters: Counters;
  readonly log: ProcessLog;
  readonly limiter: RateLimiter;
  readonly levels: LevelHub;
}

/** PEM texts. */
export interface TlsOptions {
  readonly cert: string;
  readonly key: string;
}

export interface HttpServerOptions {
  readonly ownAddress: string;
  /** Whether everything else of this process serves too; `/healthz` answers 503 until then. */
  readonly isReady: () => boolean;
  /** Folder of the console page. */
  readonly consoleFolder?: string;
  /** Serves over TLS alone. */
  readonly tls?: TlsOptions;
  /** Longest time for a whole request to arrive. */
  readonly requestMsMax?: number;
  /** What one live reader may leave unread. */
  readonly readerBytesMax?: number;
  /** Other sites whose pages may use the service. */
  readonly origins?: readonly string[];
}

/** Longest time for a whole request to arrive: 1 MiB at 300 kbit/s. */
const REQUEST_MS_MAX = 30_000;
/** A connection on which nothing moves is closed, also when its client does not take the answer. Above the longest `follow`. */
const IDLE_MS_MAX = 2 * FOLLOW_MS_MAX;
const HEADERS_MS_MAX = 10_000;
/** How long open sockets get to say goodbye when the service stops. */
const CLOSE_GRACE_MS = 500;
/** A source address of 256 bytes, percent-encoded. */
const PARAM_CHARACTERS_MAX = 3 * 256;
const SUB_PROTOCOL = "clubby.cesanta.com";
const OTLP_PATH = "/v1/logs";
const LIVE_PATH = "/v1/ws/projects/:projectId/logs";
const LIVE_DEVICE_PATH = "/v1/ws/projects/:projectId/devices/:deviceId/logs";
const GATEWAY_SOCKET_PATH = "/v1/ws/projects/:projectId/gateways/:gatewayId";
/** Where a WebSocket may be opened; the first takes frames. */
const SOCKET_PATHS: readonly string[] = ["/", LIVE_PATH, LIVE_DEVICE_PATH, GATEWAY_SOCKET_PATH];

/** On everything: a key in a query must not travel on in a referrer, and nothing is to be taken for a page. */
const HEADERS_ALWAYS = { "referrer-policy": "no-referrer", "x-content-type-options": "nosniff" };
const HEADERS_API = { "cache-control": "no-store" };
/** Both, names and values in turn, as the answers of the API have them. */
const FIELDS_API: readonly string[] = Object.entries({ ...HEADERS_ALWAYS, ...HEADERS_API }).flat();

/** What a page of an allowed site may send. */
const PREFLIGHT_HEADERS = {
  "access-control-allow-methods": "GET, POST",
  "access-control-allow-headers":
    "authorization, content-encoding, content-type, jwt, last-event-id, x-api-key",
  "access-control-max-age": "600",
};

const noSchema = (): never => {
  throw new TypeError("a route has a schema; bodies are read by `protocol/`");
};
/** Without these Fastify loads a validator and a serializer, which are half of all that it loads. */
const NO_SCHEMAS = { buildValidator: noSchema, buildSerializer: noSchema };

type Handler = (request: HttpRequest) => Promise<HttpAnswer>;
type Method = "GET" | "POST";

/** The service over HTTP and WebSocket (docs/protocol.md 10, 11). The only file that knows the HTTP library. */
export class HttpServer {
  readonly #dependencies: HttpServerDependencies;
  readonly #options: HttpServerOptions;
  readonly #app: FastifyInstance;
  readonly #heartbeat: Heartbeat;
  readonly #hub: LiveHub;
  readonly #credentials: CredentialWatch;
  /** Bounded by the open connections. */
  readonly #eventSinks = new Set<LiveSink>();
  /** Ends each request that waits. Bounded by the connections. */
  readonly #waiting = new Set<AbortController>();
  #isClosing = false;
  /** What was decided before an upgrade, for the handler after it. */
  readonly #frameCallers = new WeakMap<object, Caller>();
  /** Bounded by the open connections. */
  readonly #gatewaySockets = new Set<MessageSocket>();
  readonly #gateways = new WeakMap<object, Extract<Admitted, { ok: true }>>();
  readonly #liveRequests = new WeakMap<object, LiveRequest>();
  readonly #answerBuffers = new AnswerBuffers();

  constructor(dependencies: HttpServerDependencies, options: HttpServerOptions) {
    this.#dependencies = dependencies;
    this.#options = options;
    this.#heartbeat = new Heartbeat(dependencies.timers);
    this.#hub = new LiveHub(dependencies.store);
    this.#credentials = new CredentialWatch(dependencies);
    const requestMsMax = options.requestMsMax ?? REQUEST_MS_MAX;
    const limits = {
      headersTimeout: Math.min(HEADERS_MS_MAX, requestMsMax),
      connectionsCheckingInterval: Math.min(5_000, requestMsMax),
    };
    // The types tell a TLS server from a plain one; nothing here does.
    const listener = (
      options.tls === undefined ? { http: limits } : { https: { ...limits, ...options.tls } }
    ) as { http: typeof limits };
    this.#app = fastify({
      // Its log lines hold whole URLs, and so keys.
      logger: false,
      schemaController: { compilersFactory: NO_SCHEMAS },
      bodyLimit: FRAME_BYTES_MAX,
      forceCloseConnections: true,
      requestTimeout: requestMsMax,
      connectionTimeout: IDLE_MS_MAX,
      ...listener,
      // The query is read once, by `requestOf`.
      routerOptions: { maxParamLength: PARAM_CHARACTERS_MAX, querystringParser: () => ({}) },
      clientErrorHandler: (error, socket) => this.#refuseConnection(error, socket),
      frameworkErrors: (_error, _request, reply) => {
        this.#send(reply, refusalAnswer(400, "the URL cannot be read"));
      },
    });
  }

  /** Opens the port. @returns the port, also where 0 was asked for. */
  async listen(host: string, port: number): Promise<number> {
    await this.#build();
    await this.#app.listen({ host, port });
    this.#heartbeat.start();
    this.#credentials.start();
    const address = this.#app.server.address();
    return typeof address === "object" && address !== null ? address.port : port;
  }

  /** Has all gateways ask where they are (docs/protocol.md 13.8): what was answered may not hold any more. */
  greetAgain(): void {
    for (const socket of this.#gatewaySockets) socket.close(CloseCode.AskAgain, "ask for the position again");
  }

  /** Ends waiting requests and closes every connection. */
  async close(end: ServiceEnd = ServiceEnd.Stopped): Promise<void> {
    this.#isClosing = true;
    for (const waiting of this.#waiting) waiting.abort();
    this.#heartbeat.stop(end, CLOSE_GRACE_MS);
    for (const sink of this.#eventSinks) sink.close(end.code, end.reason);
    this.#credentials.stop();
    // Answers that the line above set free go out before connections are cut.
    await new Promise<void>((resolve) => setImmediate(resolve));
    await this.#app.close();
  }

  async #build(): Promise<void> {
    const app = this.#app;
    const { counters, keys, commands } = this.#dependencies;
    const { ownAddress, consoleFolder } = this.#options;
    // Bodies reach our own decoders as they came (docs/protocol.md 1.2).
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
    app.setErrorHandler((error: { readonly statusCode?: number }, request, reply) =>
      this.#send(reply, this.#answerOfError(error, request)),
    );
    app.addHook("onRequest", (request, reply, done) => {
      if (!this.#isAnsweredAcross(request, reply)) done();
    });
    // Before the upgrade: the library opens a socket on any path, and closes it without a word.
    app.addHook("preValidation", (request, reply, done) => {
      if (!request.ws || SOCKET_PATHS.includes(request.routeOptions.url ?? "")) done();
      else this.#send(reply, refusalAnswer(404, `no WebSocket here; there are ${SOCKET_PATHS.join(", ")}`));
    });
    app.setNotFoundHandler((_request, reply) => this.#send(reply, refusalAnswer(404, "no such resource")));
    await app.register(fastifyWebsocket, {
      options: {
        maxPayload: FRAME_BYTES_MAX,
        maxFragments: 1024,
        maxBufferedChunks: 4096,
        perMessageDeflate: false,
        // Our decoder says what becomes of invalid UTF-8 (docs/protocol.md 2.1).
        skipUTF8Validation: true,
        handleProtocols: (protocols) => (protocols.has(SUB_PROTOCOL) ? SUB_PROTOCOL : false),
      },
      errorHandler: (_error, socket) => {
        counters.add("websocket_errors_total");
        socket.close();
      },
      // Sockets are closed by the heartbeat, with a reason.
      preClose: (done) => done(),
    });
    const handlers = { commands, keys, counters, ownAddress };
    let metrics: Promise<Metrics> | undefined;
    // Its library is loaded once somebody asks.
    const loadMetrics = async (): Promise<Metrics> =>
      new (await import("./metrics.ts")).Metrics(counters, () => this.#gauges());
    this.#route("POST", "/", (request) => postFrame(request, handlers));
    this.#route("POST", "/v1/:method", (request) => postArgs(request, handlers));
    this.#route("GET", "/v1/Log", async () => jsonAnswer(200, LOG_SERVICE));
    this.#route("GET", "/openapi.json", async () => jsonAnswer(200, openApi(packageJson.version)));
    this.#route("GET", "/healthz", async () => this.#health());
    this.#route("GET", "/metrics", async () => {
      metrics ??= loadMetrics();
      return (await metrics).answer();
    });
    this.#route("GET", "/v1/projects/:projectId/logs", (request) => getLogs(request, this.#dependencies));
    this.#route("GET", "/v1/projects/:projectId/entries", (request) =>
      getEntries(request, this.#dependencies),
    );
    this.#route("GET", "/v1/projects/:projectId/sources", (request) =>
      getSources(request, this.#dependencies),
    );
    this.#route("GET", "/v1/projects/:projectId/rates", (request) => getRates(request, this.#dependencies));
    this.#route("POST", OTLP_PATH, (request) => postOtlp(request, this.#dependencies), OTLP_BYTES_MAX);
    this.#route("POST", "/v1/projects/:projectId/devices/:deviceId/level", (request) =>
      postLevel(request, this.#dependencies),
    );
    const ingest = new IngestHandlers(this.#dependencies);
    const gateway = "/v1/projects/:projectId/gateways/:gatewayId";
    this.#route("GET", `${gateway}/position`, (request) => ingest.getPosition(request));
    this.#route("GET", `${gateway}/mark`, (request) => ingest.getMark(request));
    this.#route("POST", `${gateway}/entries`, (request) => ingest.postEntries(request), INGEST_BYTES_MAX);
    this.#gatewayRoute(GATEWAY_SOCKET_PATH, ingest);
    this.#liveRoute(LIVE_PATH);
    this.#liveRoute(LIVE_DEVICE_PATH);
    this.#eventRoute("/v1/projects/:projectId/events");
    this.#eventRoute("/v1/projects/:projectId/devices/:deviceId/events");
    if (consoleFolder === undefined) {
      this.#frameSocketRoute((_request, reply) =>
        this.#send(reply, refusalAnswer(404, "no console page here; POST frames to /")),
      );
    } else await this.#consoleRoutes(consoleFolder);
  }

  async #consoleRoutes(folder: string): Promise<void> {
    const page = consolePage(folder);
    await this.#app.register(page.plugin, page.options);
    const sendFile = (path: string, reply: FastifyReply) => {
      reply.headers({ ...HEADERS_ALWAYS, ...page.headers });
      return reply.sendFile(path);
    };
    this.#frameSocketRoute((_request, reply) => sendFile("index.html", reply));
    this.#app.get("/*", (request, reply) => sendFile((request.params as { "*": string })["*"], reply));
  }

  /** `GET /`: a page for browsers, frames for WebSockets. */
  #frameSocketRoute(handler: (request: FastifyRequest, reply: FastifyReply) => unknown): void {
    const { commands, keys, counters, timers } = this.#dependencies;
    const turns = new FrameTurns(() => new Promise((resolve) => setImmediate(resolve)));
    this.#app.route({
      method: "GET",
      url: "/",
      preValidation: async (request, reply) => {
        if (!request.ws) return;
        if (!this.#isFromHere(request)) return this.#send(reply, refusalAnswer(403, "another site's page"));
        const { headers, query } = requestOf(request);
        const key = shownKey(headers, query);
        if (key === undefined) return;
        const caller = await callerOf(key, keys);
        if (caller === undefined) return this.#send(reply, refusalAnswer(401, NO_GOOD_KEY_SOCKET));
        this.#frameCallers.set(request.raw, caller);
      },
      handler,
      wsHandler: (webSocket, request) => {
        const socket = messageSocketOf(webSocket, request.raw.socket);
        this.#heartbeat.watch(socket);
        const caller = this.#frameCallers.get(request.raw);
        if (caller !== undefined) this.#endWith(caller, socket);
        const { ownAddress } = this.#options;
        new FrameSocket({ socket, commands, keys, counters, timers, turns }, { ownAddress, caller }).start();
      },
    });
  }

  /** Docs/protocol.md 13.8. */
  #gatewayRoute(url: string, ingest: IngestHandlers): void {
    const { levels, timers, counters } = this.#dependencies;
    this.#app.route({
      method: "GET",
      url,
      preValidation: async (request, reply) => {
        if (!request.ws) return this.#send(reply, refusalAnswer(426, "a WebSocket upgrade is needed"));
        if (request.headers.origin !== undefined)
          return this.#send(reply, refusalAnswer(403, "not for pages"));
        const admitted = await ingest.admit(requestOf(request));
        if (!admitted.ok) return this.#send(reply, admitted.answer);
        this.#gateways.set(request.raw, admitted);
      },
      handler: () => {},
      wsHandler: (webSocket, request) => {
        const admitted = this.#gateways.get(request.raw);
        const socket = messageSocketOf(webSocket, request.raw.socket);
        this.#heartbeat.watch(socket);
        if (admitted === undefined) return;
        const { caller, gateway } = admitted;
        this.#endWith(caller, socket);
        this.#gatewaySockets.add(socket);
        socket.onClose(() => this.#gatewaySockets.delete(socket));
        new GatewaySocket({ socket, ingest, levels, timers, counters }, requestOf(request), {
          project: caller.project,
          gatewayId: gateway,
        }).start();
      },
    });
  }

  #liveRoute(url: string): void {
    const { counters, store, clock, timers } = this.#dependencies;
    this.#app.route({
      method: "GET",
      url,
      preValidation: async (request, reply) => {
        if (!request.ws) return this.#send(reply, refusalAnswer(426, "a WebSocket upgrade is needed"));
        if (!this.#isFromHere(request)) return this.#send(reply, refusalAnswer(403, "another site's page"));
        const admission = await admitLive(requestOf(request), this.#dependencies);
        if (!admission.ok) {
          counters.add("live_refused_readers_total");
          return this.#send(reply, refusedAnswer(admission));
        }
        this.#liveRequests.set(request.raw, admission.request);
      },
      handler: () => {},
      wsHandler: (webSocket, request) => {
        const live = this.#liveRequests.get(request.raw);
        const socket = messageSocketOf(webSocket, request.raw.socket);
        this.#heartbeat.watch(socket);
        const { readerBytesMax } = this.#options;
        if (live === undefined) return;
        this.#endWith(live.caller, socket);
        new LiveReader(
          { sink: socketSink(socket), store, hub: this.#hub, counters, clock, timers },
          { ...live, ...(readerBytesMax !== undefined && { readerBytesMax }) },
        ).start();
      },
    });
  }

  /** The same as a live socket, as Server-Sent Events (docs/protocol.md 11.7). */
  #eventRoute(url: string): void {
    const { counters, store, clock, timers } = this.#dependencies;
    this.#app.get(url, async (request, reply) => {
      if (!this.#isFromHere(request)) return this.#send(reply, refusalAnswer(403, "another site's page"));
      const admission = await admitLive(requestOf(request), this.#dependencies);
      if (!admission.ok) {
        counters.add("live_refused_readers_total");
        return this.#send(reply, refusedAnswer(admission));
      }
      reply.hijack();
      reply.raw.writeHead(200, {
        ...definedOf(reply.getHeaders()),
        ...HEADERS_ALWAYS,
        ...HEADERS_API,
        "content-type": "text/event-stream",
      });
      const sink = eventStreamSink(reply.raw, timers);
      this.#eventSinks.add(sink);
      sink.onClose(() => this.#eventSinks.delete(sink));
      this.#endWith(admission.request.caller, sink);
      const { readerBytesMax } = this.#options;
      new LiveReader(
        { sink, store, hub: this.#hub, counters, clock, timers },
        { ...admission.request, ...(readerBytesMax !== undefined && { readerBytesMax }) },
      ).start();
    });
  }

  /** A socket lives no longer than the credential that opened it. */
  #endWith(caller: Caller, socket: Pick<MessageSocket, "close" | "onClose">): void {
    const reason = "the credential has ended: revoked, replaced or expired";
    socket.onClose(this.#credentials.watch(caller, () => socket.close(CloseCode.Policy, reason)));
  }

  #route(method: Method, url: string, handler: Handler, bodyLimit = FRAME_BYTES_MAX): void {
    this.#app.route({
      method,
      url,
      bodyLimit,
      handler: async (request, reply) => {
        // Made once, however many commands of a frame wait.
        let ended: AbortSignal | undefined;
        let buffer: ByteWriter | undefined;
        const asked = requestOf(request, {
          ended: () => (ended ??= this.#endOf(reply.raw)),
          answerBuffer: () => (buffer ??= this.#answerBuffers.take()),
        });
        if (asked.headers["content-encoding"] !== undefined) {
          const inflated = await inflatedBody(asked.headers, asked.body, bodyLimit);
          if (!inflated.ok) {
            this.#dependencies.counters.add("service_bad_frames_total");
            return this.#send(reply, this.#refusalOf(request, inflated.httpStatus, inflated.reason));
          }
          asked.body = inflated.body;
        }
        const answer = await handler(asked);
        // Called once all is with the kernel; the memory of what never gets there is not used again.
        return this.#sendAtOnce(reply, answer, () => buffer && this.#answerBuffers.give(buffer));
      },
    });
    // The root answers GET as well (page, WebSocket).
    const allowed = url === "/" ? ["GET", "HEAD", "POST"] : method === "GET" ? ["GET", "HEAD"] : [method];
    const others = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"].filter(
      (other) => !allowed.includes(other),
    );
    const refused = refusalAnswer(405, `only ${allowed.join(", ")} here`, { allow: allowed.join(", ") });
    this.#app.route({ method: others, url, handler: (_request, reply) => this.#send(reply, refused) });
  }

  /** Ends when the client has gone before its answer, or the service stops. */
  #endOf(response: ServerResponse): AbortSignal {
    const waiting = new AbortController();
    if (this.#isClosing || response.destroyed) {
      waiting.abort();
      return waiting.signal;
    }
    this.#waiting.add(waiting);
    response.on("close", () => {
      this.#waiting.delete(waiting);
      // Nobody waits for what was answered; an abort makes an error with its stack each time.
      if (!response.writableFinished) waiting.abort();
    });
    return waiting.signal;
  }

  /** As `#send`, past what the library does to an answer: all that is left to do is to write it. */
  #sendAtOnce(
    reply: FastifyReply,
    { httpStatus, type, body, headers }: HttpAnswer,
    onSent: () => void,
  ): FastifyReply {
    const fields = [...FIELDS_API];
    if (headers !== undefined) fields.push(...Object.entries(headers).flat());
    // Only to pages of other sites are there more (`#isAnsweredAcross`).
    if (reply.request.headers.origin !== undefined)
      fields.push(...Object.entries(definedOf(reply.getHeaders())).flat());
    reply.hijack();
    if (type !== undefined) fields.push("content-type", type);
    if (httpStatus === 204) {
      reply.raw.writeHead(httpStatus, fields).end();
      return reply;
    }
    const sizeBytes = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    fields.push("content-length", String(sizeBytes));
    const response = reply.raw.writeHead(httpStatus, fields);
    // ASCII goes out in one piece with its head, and needs no memory beside the text's; most answers are ASCII.
    if (typeof body === "string") response.end(body, sizeBytes === body.length ? "latin1" : "utf8");
    else response.end(body, onSent);
    return reply;
  }

  #send(reply: FastifyReply, { httpStatus, type, body, headers }: HttpAnswer): FastifyReply {
    reply.code(httpStatus).headers({ ...HEADERS_ALWAYS, ...HEADERS_API, ...headers });
    if (type !== undefined) reply.header("content-type", type);
    return reply.send(httpStatus === 204 ? undefined : Buffer.from(body as Uint8Array));
  }

  /** A store that does not answer takes its own figures away, not the others. */
  async #gauges(): Promise<Readonly<Record<string, number>>> {
    const { store, appender } = this.#dependencies;
    const own = {
      service_waiting_appends: appender.waitingCount,
      live_event_streams: this.#eventSinks.size,
      websocket_connections: this.#heartbeat.socketCount,
    };
    try {
      const { diskBytes, entryCount, oldestMs } = await store.status();
      return {
        ...own,
        store_disk_bytes: diskBytes,
        store_entries: entryCount,
        ...(oldestMs !== undefined && { store_oldest_entry_seconds: Math.round(oldestMs / 1000) }),
      };
    } catch {
      return own;
    }
  }

  /** Tells also of a store that takes nothing, though readers are served: lines wait in boards and gateways meanwhile. */
  #health(): HttpAnswer {
    if (!this.#options.isReady()) return jsonAnswer(503, { status: "starting" });
    const { isFull = false } = this.#dependencies.store;
    return isFull
      ? jsonAnswer(503, { status: "degraded", problems: ["the disk is full: nothing more is taken"] })
      : jsonAnswer(200, { status: "ok" });
  }

  #isFromHere(request: FastifyRequest): boolean {
    const { origin, host } = request.headers;
    return isSameOrigin(origin, host) || this.#isAllowedSite(origin);
  }

  #isAllowedSite(origin: string | undefined): origin is string {
    return origin !== undefined && (this.#options.origins ?? []).includes(origin);
  }

  /** Pages of the sites in the settings may ask and read answers; to any other page a browser shows none (docs/protocol.md 10.6). */
  #isAnsweredAcross(request: FastifyRequest, reply: FastifyReply): boolean {
    const { origin } = request.headers;
    if (!this.#isAllowedSite(origin)) return false;
    reply.headers({
      "access-control-allow-origin": origin,
      "access-control-expose-headers": "retry-after",
      vary: "origin",
    });
    if (request.method !== "OPTIONS" || request.headers["access-control-request-method"] === undefined)
      return false;
    this.#send(reply, { httpStatus: 204, body: "", headers: PREFLIGHT_HEADERS });
    return true;
  }

  /** What the library refused, in our words; anything else is our fault and goes to the process's log alone. */
  #answerOfError(error: { readonly statusCode?: number }, request: FastifyRequest): HttpAnswer {
    const { statusCode } = error;
    const refuse = (status: number, text: string): HttpAnswer => this.#refusalOf(request, status, text);
    if (statusCode === 413) {
      return refuse(413, `body: larger than ${request.routeOptions.bodyLimit ?? FRAME_BYTES_MAX} bytes`);
    }
    if (statusCode === 415) return refuse(415, "content-type: cannot be read");
    if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
      return refuse(statusCode, "the request cannot be read");
    }
    this.#dependencies.counters.add("service_failures_total");
    this.#dependencies.log.error({ error }, "a request failed");
    return refuse(500, "the service failed; see its own log");
  }

  /** In the form that the route's clients read: exporters of OpenTelemetry have one of their own (docs/protocol.md 10.9). */
  #refusalOf(request: FastifyRequest, status: number, text: string): HttpAnswer {
    return request.routeOptions.url === OTLP_PATH
      ? otlpRefusal(request.headers, status, text)
      : refusalAnswer(status, text);
  }

  /** Speaks to a connection that never became a request: too slow, too large a head, no HTTP. */
  #refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
    this.#dependencies.counters.add("http_bad_connections_total");
    if (error.code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    const [status, reason] =
      error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? [408, "Request Timeout"]
        : error.code === "HPE_HEADER_OVERFLOW"
          ? [431, "Request Header Fields Too Large"]
          : [400, "Bad Request"];
    const body = JSON.stringify({ status, status_msg: reason.toLowerCase() });
    socket.end(
      `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
    );
  }
}

const NO_BODY = new Uint8Array(0);

function requestOf(
  request: FastifyRequest,
  { ended, answerBuffer } = AT_ONCE,
): HttpRequest & { body: Uint8Array } {
  const queryStart = request.url.indexOf("?");
  return {
    headers: request.headers,
    params: request.params as Record<string, string>,
    query: new URLSearchParams(queryStart < 0 ? "" : request.url.slice(queryStart + 1)),
    body: request.body instanceof Uint8Array ? request.body : NO_BODY,
    ended,
    answerBuffer,
  };
}

/** Headers as a raw answer takes them. */
function definedOf(headers: ReturnType<FastifyReply["getHeaders"]>): Record<string, string> {
  const entries = Object.entries(headers).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}
