import { once } from "node:events";
import { connect, type Socket } from "node:net";

const HEAD_END = Buffer.from("\r\n\r\n");

/** A connection that asks for one page after the other and costs little itself: HTTP/1.1 as a service of ours answers it. */
export class PageConnection {
  readonly #socket: Socket;
  readonly #key: string;
  #received: Buffer = Buffer.alloc(0);
  #onPage: ((body: string) => void) | undefined;
  #onError: ((error: Error) => void) | undefined;

  private constructor(socket: Socket, key: string) {
    this.#socket = socket;
    this.#key = key;
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("error", (error) => this.#onError?.(error));
    socket.on("close", () => this.#onError?.(new Error("the service closed the connection")));
  }

  static async open(port: number, key: string): Promise<PageConnection> {
    const socket = connect(port, "127.0.0.1");
    socket.setNoDelay();
    await once(socket, "connect");
    return new PageConnection(socket, key);
  }

  /** The body of the answer. @throws when the status is not 200, or the body's length is not told. */
  get(path: string): Promise<string> {
    this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: bench\r\nx-api-key: ${this.#key}\r\n\r\n`);
    return new Promise((resolve, reject) => {
      this.#onPage = resolve;
      this.#onError = reject;
    });
  }

  close(): void {
    this.#onError = undefined;
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    const headEnd = this.#received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.#received.toString("latin1", 0, headEnd);
    const length = /^content-length: (\d+)/im.exec(head)?.[1];
    if (!head.startsWith("HTTP/1.1 200 ") || length === undefined) {
      this.#onError?.(new Error(`not a page: ${head}`));
      return;
    }
    const bodyStart = headEnd + HEAD_END.length;
    const bodyEnd = bodyStart + Number(length);
    if (this.#received.length < bodyEnd) return;
    const body = this.#received.toString("utf8", bodyStart, bodyEnd);
    this.#received = this.#received.subarray(bodyEnd);
    this.#onPage?.(body);
  }
}
