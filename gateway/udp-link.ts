import { createSocket, type Socket } from "node:dgram";
import { BlockList, isIPv6 } from "node:net";
import type { Counters } from "../host/counters.ts";
import { bad, type Decoded, good } from "../protocol/decoded.ts";
import type { DatagramLink, DatagramListener } from "./link.ts";

export interface UdpOptions {
  readonly host: string;
  readonly port: number;
  /** Who may send. */
  readonly senders: Senders;
}

/** For bursts while the process does something else; the kernel may give less. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024;

/** The port could not be opened; `code` is the system's (EADDRINUSE, EACCES, ...). */
export class UdpListenError extends Error {
  readonly code: string;
  constructor({ host, port }: UdpOptions, cause: NodeJS.ErrnoException) {
    super(`cannot listen on UDP ${host}:${port}: ${cause.message}`, { cause });
    this.name = "UdpListenError";
    this.code = cause.code ?? "UDP_LISTEN";
  }
}

/** Addresses and networks that datagrams are taken from: nothing else about a sender can be checked. */
export class Senders {
  readonly #list = new BlockList();

  private constructor() {}

  /** @param texts `192.168.1.7`, `192.168.1.0/24` or the same of IPv6. */
  static parse(texts: readonly string[]): Decoded<Senders> {
    const senders = new Senders();
    for (const text of texts) {
      const [address = "", bits] = text.split("/");
      const family = isIPv6(address) ? "ipv6" : "ipv4";
      try {
        if (bits === undefined) senders.#list.addAddress(address, family);
        else senders.#list.addSubnet(address, /^\d{1,3}$/.test(bits) ? Number(bits) : -1, family);
      } catch {
        return bad(`from: ${text} must be an IP address, or a network like 192.168.1.0/24`);
      }
    }
    return good(senders);
  }

  has(address: string): boolean {
    return this.#list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
  }
}

/** A UDP port. */
export class UdpLink implements DatagramLink {
  readonly #counters: Counters;
  readonly #options: UdpOptions;
  #socket: Socket | undefined;

  constructor(world: { readonly counters: Counters }, options: UdpOptions) {
    this.#counters = world.counters;
    this.#options = options;
  }

  /** Where it listens, once started. */
  get port(): number {
    return this.#socket?.address().port ?? this.#options.port;
  }

  /** @throws UdpListenError */
  async start(listener: DatagramListener): Promise<void> {
    const { host, port, senders } = this.#options;
    const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", (error) => reject(new UdpListenError(this.#options, error)));
      socket.bind(port, host, resolve);
    });
    socket.on("error", () => {}); // One datagram's; the next may be well.
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
    } catch {
      // Then with what there is.
    }
    socket.on("message", (payload, { address }) => {
      if (senders.has(address)) listener(payload, address);
      else this.#counters.add("udp_foreign_sender_datagrams_total");
    });
    this.#socket = socket;
  }

  async stop(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}
