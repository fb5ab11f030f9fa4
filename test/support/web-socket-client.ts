import { WebSocket } from "ws";

/** A WebSocket client that keeps what it hears, in order, until it is asked for. */
export class WebSocketClient {
  readonly socket: WebSocket;
  readonly #messages: (string | Buffer)[] = [];
  #wake: (() => void) | undefined;
  #closeCode: number | undefined;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer, isBinary) => {
      this.#messages.push(isBinary ? data : data.toString("utf8"));
      this.#wake?.();
    });
    socket.on("close", (code) => {
      this.#closeCode = code;
      this.#wake?.();
    });
    socket.on("error", () => {});
  }

  /** The next message, text as string. */
  async next(): Promise<string | Buffer> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.#closeCode !== undefined) throw new Error(`closed with ${this.#closeCode}`);
      await this.#changed();
    }
  }

  async nextJson(): Promise<{ readonly [name: string]: unknown }> {
    return JSON.parse(String(await this.next()));
  }

  /** The code the socket was closed with. */
  async closed(): Promise<number> {
    while (this.#closeCode === undefined) await this.#changed();
    return this.#closeCode;
  }

  send(data: string | Uint8Array): void {
    this.socket.send(data);
  }

  async #changed(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** Connects. @throws Error with `status` and `body` when the upgrade is refused. */
export async function connect(
  url: string,
  options: { readonly headers?: Record<string, string>; readonly protocols?: string[] } = {},
): Promise<WebSocketClient> {
  const socket = new WebSocket(url.replace(/^http/, "ws"), options.protocols ?? [], {
    headers: options.headers ?? {},
    perMessageDeflate: false,
  });
  const client = new WebSocketClient(socket);
  return await new Promise((resolve, reject) => {
    socket.once("open", () => resolve(client));
    socket.once("error", reject);
    socket.once("unexpected-response", (_request, response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      const refused = (): void => reject(new UpgradeRefused(response.statusCode ?? 0, body));
      response.on("end", refused);
      response.on("error", refused);
    });
  });
}

export class UpgradeRefused extends Error {
  readonly status: number;
  readonly body: string;
  constructor(status: number, body: string) {
    super(`refused with ${status}: ${body}`);
    this.status = status;
    this.body = body;
  }
}
