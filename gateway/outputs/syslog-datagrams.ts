import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { isIPv6 } from "node:net";
import type { Counters } from "../../host/counters.ts";
import { connectionReason } from "../tls-trust.ts";
import { type Sink, SinkUnavailable, type SpooledEntry } from "./sink.ts";
import type { SyslogSinkOptions } from "./syslog-setting.ts";
import { encodeSyslog } from "./syslog-text.ts";

/** Datagrams handed over at once: what comes faster than it is read is thrown away by the receiver's kernel. */
const BURST_MAX = 20;

/** RFC 5424 over UDP (RFC 5426): an entry counts as taken when its datagram left. Nobody knows whether it arrived. */
export class SyslogDatagrams implements Sink {
  readonly #counters: Counters;
  readonly #options: SyslogSinkOptions;
  #socket: Socket | undefined;

  constructor(world: { readonly counters: Counters }, options: SyslogSinkOptions) {
    this.#counters = world.counters;
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  async send(entries: readonly SpooledEntry[], taken: (position: number) => void): Promise<void> {
    try {
      this.#socket ??= await this.#open();
      for (let first = 0; first < entries.length; first += BURST_MAX) {
        const burst = entries.slice(first, first + BURST_MAX);
        await Promise.all(burst.map(({ entry }) => this.#datagram(encodeSyslog(entry, this.#options.text))));
        const last = burst.at(-1);
        if (last !== undefined) taken(last.position);
      }
    } catch (error) {
      this.close();
      throw new SinkUnavailable(connectionReason(error, this.#options.at), { cause: error });
    }
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }

  #datagram({ bytes, isCut }: ReturnType<typeof encodeSyslog>): Promise<void> {
    if (isCut) this.#counters.add("syslog_cut_entries_total");
    return new Promise((resolve, reject) => {
      this.#socket?.send(bytes, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  async #open(): Promise<Socket> {
    const { host, port } = this.#options;
    const { address } = await lookup(host);
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    // A receiver that is not there says so to a connected socket, now and then; the next send tells.
    socket.on("error", () => {});
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.connect(port, address, resolve);
    });
    return socket;
  }
}
