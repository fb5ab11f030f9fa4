import { once } from "node:events";
import { connect, type Socket } from "node:net";

const HEAD_END = Buffer.from("\r\n\r\n");

/** An answer that is being received. */
interface Answer {
  readonly resolve: (body: Buffer) => void;
  readonly isKept: boolean;
  /** Of the body, where it is kept. */
  readonly parts: Buffer[];
  /** Unknown until the head has come. */
  bytesLeft: number | undefined;
}

/** A connection that asks for one page after the other and costs little itself: HTTP/1.1 as a service of ours answers it. */
export class PageConnection {
  readonly #socket: Socket;
  readonly #key: string;
  /** Of a head that has not come whole. */
  #begun: Buffer = Buffer.alloc(0);
  #answer: Answer | undefined;
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
  async get(path: string): Promise<string> {
    return (await this.#ask(path, true)).toString();
  }

  /** Asks for a page and drops what comes. @throws as `get` */
  async load(path: string): Promise<void> {
    await this.#ask(path, false);
  }

  close(): void {
    this.#onError = undefined;
    this.#socket.destroy();
  }

  #ask(path: string, isKept: boolean): Promise<Buffer> {
    this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: bench\r\nx-api-key: ${this.#key}\r\n\r\n`);
    return new Promise((resolve, reject) => {
      this.#answer = { resolve, isKept, parts: [], bytesLeft: undefined };
      this.#onError = reject;
    });
  }

  #take(bytes: Buffer): void {
    const answer = this.#answer;
    if (answer === undefined) return;
    let body = bytes;
    if (answer.bytesLeft === undefined) {
      const received = this.#begun.length === 0 ? bytes : Buffer.concat([this.#begun, bytes]);
      const headEnd = received.indexOf(HEAD_END);
      if (headEnd < 0) {
        this.#begun = received;
        return;
      }
      this.#begun = Buffer.alloc(0);
      const head = received.toString("latin1", 0, headEnd);
      const length = /^content-length: (\d+)/im.exec(head)?.[1];
      if (!head.startsWith("HTTP/1.1 200 ") || length === undefined) {
        this.#onError?.(new Error(`not a page: ${head}`));
        return;
      }
      answer.bytesLeft = Number(length);
      body = received.subarray(headEnd + HEAD_END.length);
    }
    answer.bytesLeft -= body.length;
    if (answer.isKept) answer.parts.push(body);
    if (answer.bytesLeft > 0) return;
    this.#answer = undefined;
    answer.resolve(Buffer.concat(answer.parts));
  }
}
