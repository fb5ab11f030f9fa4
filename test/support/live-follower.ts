import { pause } from "./boardlog-process.ts";
import { connect, type WebSocketClient } from "./web-socket-client.ts";

export interface HeardEntry {
  readonly id: string;
  readonly deviceId: string;
  readonly message: string;
}

/** A live reader as a program would be one: where its socket ends, it comes back and goes on after the last line that it heard. */
export class LiveFollower {
  readonly #url: string;
  readonly #key: string;
  readonly heard: HeardEntry[] = [];
  /** The id after which it hears everything; undefined until it is live for the first time. */
  startId: string | undefined;
  #lastId: string | undefined;
  #isEnded = false;
  #client: WebSocketClient | undefined;
  readonly #running: Promise<void>;
  problem: unknown;
  reconnectCount = -1;

  constructor(url: string, key: string) {
    this.#url = `${url}/v1/ws/projects/default/logs?x-api-key=${key}`;
    this.#key = key;
    this.#running = this.#run();
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    this.#client?.socket.terminate();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isEnded) {
      try {
        const start = this.#lastId === undefined ? "&last=1" : `&after=${this.#lastId}`;
        this.#client = await connect(this.#url + start, { headers: { "x-api-key": this.#key } });
        this.reconnectCount += 1;
        for (;;) this.#take(await this.#client.nextJson());
      } catch (error) {
        this.problem = error;
        await pause(200);
      }
    }
  }

  #take(message: { readonly [name: string]: unknown }): void {
    if ("live" in message) {
      const { after } = message.live as { readonly after: string };
      this.startId ??= after;
      this.#lastId ??= after;
      return;
    }
    const { data } = message.result as { readonly data: HeardEntry };
    // The one line of history that the first connection asks for.
    if (this.startId === undefined) return;
    this.#lastId = data.id;
    this.heard.push(data);
  }
}
