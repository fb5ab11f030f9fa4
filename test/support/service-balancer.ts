import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** One address for several services: each new connection goes to the next one that takes it. */
export class ServiceBalancer {
  readonly #ports: readonly number[];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #next = 0;

  constructor(ports: readonly number[]) {
    this.#ports = ports;
    this.#server = createServer((socket) => this.#take(socket));
  }

  get url(): string {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : "";
  }

  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #take(socket: Socket, tries = 0): void {
    this.#own(socket);
    const port = this.#ports[this.#next++ % this.#ports.length] ?? 0;
    const upstream = connect(port, "127.0.0.1");
    this.#own(upstream);
    upstream.once("connect", () => {
      socket.pipe(upstream).pipe(socket);
      for (const [one, other] of [
        [socket, upstream],
        [upstream, socket],
      ] as const)
        one.on("close", () => other.destroy());
    });
    upstream.once("error", () => {
      if (upstream.bytesRead > 0 || tries >= this.#ports.length) socket.destroy();
      else if (!socket.destroyed) this.#take(socket, tries + 1);
    });
  }

  #own(socket: Socket): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }
}
