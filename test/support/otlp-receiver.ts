import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { gunzipSync } from "node:zlib";

interface LogRecord {
  readonly timeUnixNano?: string;
  readonly observedTimeUnixNano: string;
  readonly severityNumber?: number;
  readonly severityText?: string;
  readonly body: { readonly stringValue?: string };
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
}

interface LogsRequest {
  readonly resourceLogs: readonly {
    readonly resource: { readonly attributes: readonly { readonly key: string; readonly value: object }[] };
    readonly scopeLogs: readonly {
      readonly scope: { readonly name: string };
      readonly logRecords: readonly LogRecord[];
    }[];
  }[];
}

export interface OtlpReply {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** In its place, in hex. */
  readonly bytes?: string;
  /** The connection ends instead, or nothing is said. */
  readonly fault?: "close" | "hang";
}

/** What takes OTLP/HTTP in JSON, written from the specification alone. Its memory outlives `stop`. */
export class OtlpReceiver {
  readonly requests: {
    readonly headers: IncomingHttpHeaders;
    readonly path: string;
    readonly logs: LogsRequest;
  }[] = [];
  /** Bodies of records that were taken, as text. */
  readonly texts: string[] = [];
  reply: (records: readonly LogRecord[]) => OtlpReply = () => ({});
  port = 0;
  #server: Server | undefined;

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const bytes = Buffer.concat(chunks);
        const text = request.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes;
        const logs = JSON.parse(text.toString("utf8")) as LogsRequest;
        this.requests.push({ headers: request.headers, path: request.url ?? "", logs });
        const records = recordsOf(logs);
        const { status = 200, headers = {}, body = "{}", bytes: hex, fault } = this.reply(records);
        if (fault === "close") request.socket.destroy();
        if (fault !== undefined) return;
        if (status === 200) for (const record of records) this.texts.push(textOf(record));
        response
          .writeHead(status, { "content-type": "application/json", ...headers })
          .end(hex === undefined ? body : Buffer.from(hex, "hex"));
      });
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    const address = server.address();
    if (typeof address === "object" && address !== null) this.port = address.port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }
}

const recordsOf = (logs: LogsRequest): readonly LogRecord[] =>
  logs.resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords));
export const textOf = ({ body }: LogRecord): string => body.stringValue ?? JSON.stringify(body);
