import { mkdtempSync, rmSync, symlinkSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GatewayCore, type GatewayCoreOptions } from "../../gateway/gateway-core.ts";
import type { ByteLinkEvents } from "../../gateway/link.ts";
import type { SerialInputOptions } from "../../gateway/serial-input.ts";
import type { FlowControl } from "../../gateway/serial-setting.ts";
import { SerialportLink, type SerialportOptions } from "../../gateway/serialport-link.ts";
import { openPty, type Pty } from "../../host/pty.ts";
import { realWorld, until } from "./gateway-world.ts";

export interface SerialBenchOptions extends GatewayCoreOptions, Omit<SerialInputOptions, "project"> {
  readonly flowControl?: FlowControl;
}

/** A port that is always called the same. */
export function portAt(path: string, flowControl?: FlowControl): SerialportOptions {
  return {
    name: path,
    locate: async () => path,
    baud: 115_200,
    mayRest: true,
    ...(flowControl !== undefined && { flowControl }),
  };
}

/** Tells what it hands on. */
class HeardLink extends SerialportLink {
  readonly #onBytes: (bytes: Uint8Array) => void;

  constructor(
    world: ConstructorParameters<typeof SerialportLink>[0],
    options: SerialportOptions,
    onBytes: (bytes: Uint8Array) => void,
  ) {
    super(world, options);
    this.#onBytes = onBytes;
  }

  override start(events: ByteLinkEvents): void {
    super.start({
      onUp: (portName) => events.onUp(portName),
      onBytes: (bytes) => {
        events.onBytes(bytes);
        this.#onBytes(bytes);
      },
      onDown: () => events.onDown(),
    });
  }
}

/** A gateway at one end of a real pty, and a hand at the other; the port's path stays when the pty is replaced. */
export class SerialBench {
  readonly world = realWorld();
  readonly #folder = mkdtempSync(join(tmpdir(), "boardlog-serial-"));
  readonly path = join(this.#folder, "port");
  /** All that came down the wire, as Latin-1. */
  heard = "";
  /** All that the gateway has read of it, as Latin-1. */
  read = "";
  pty: Pty;
  readonly #core: GatewayCore;

  constructor(options: SerialBenchOptions = {}) {
    this.pty = this.#plug();
    const { source, isHalfDuplex = false, flowControl, ...coreOptions } = options;
    this.#core = new GatewayCore(this.world, coreOptions);
    const link = new HeardLink(
      this.world,
      { ...portAt(this.path, flowControl), mayRest: !isHalfDuplex },
      (bytes) => {
        this.read += Buffer.from(bytes).toString("latin1");
      },
    );
    this.#core.addSerial(link, {
      project: "default",
      isHalfDuplex,
      ...(source !== undefined && { source }),
    });
  }

  get uplink() {
    return this.world.uplink;
  }

  count(name: string): number {
    return this.world.counters.values()[name] ?? 0;
  }

  /** Once the gateway has opened the port. */
  async open(): Promise<void> {
    await until("the gateway's hello", () => this.heard.includes('"hello":1'));
  }

  /** Writes, also more than the kernel takes at once. */
  async write(data: string | Uint8Array): Promise<void> {
    const bytes = Buffer.from(data as string);
    for (let start = 0; start < bytes.length; start += 2048) {
      if (this.pty.write(bytes.subarray(start, start + 2048))) continue;
      await new Promise<void>((resolve) => this.pty.onDrain(resolve));
    }
  }

  async unplug(): Promise<void> {
    await this.pty.close();
    unlinkSync(this.path);
    this.heard = "";
  }

  replug(): void {
    this.pty = this.#plug();
  }

  async stop(): Promise<void> {
    await this.#core.stop();
    await this.pty.close();
    rmSync(this.#folder, { recursive: true });
  }

  #plug(): Pty {
    const pty = openPty();
    symlinkSync(pty.path, this.path);
    pty.onData((bytes) => {
      this.heard += Buffer.from(bytes).toString("latin1");
    });
    return pty;
  }
}
