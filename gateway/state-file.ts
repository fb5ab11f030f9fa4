import type { Disk } from "../host/disk.ts";
import type { ProcessLog } from "../host/log.ts";
import type { Decoded } from "../protocol/decoded.ts";

export interface StateFileOptions<State> {
  readonly name: string;
  /** Of what stands in it as JSON. */
  readonly decode: (value: unknown) => Decoded<State>;
  /** What follows where it cannot be read, and where it cannot be written, in words. */
  readonly unreadable: string;
  readonly unwritable: string;
}

/** A small file that makes a gateway remember over a restart; one that cannot be had is told of, and does without. */
export class StateFile<State> {
  readonly #disk: Disk | undefined;
  readonly #log: ProcessLog;
  readonly #options: StateFileOptions<State>;

  constructor(
    world: { readonly disk?: Disk | undefined; readonly log: ProcessLog },
    options: StateFileOptions<State>,
  ) {
    this.#disk = world.disk;
    this.#log = world.log;
    this.#options = options;
  }

  /** Undefined where there is none yet, or none that can be read. */
  async read(): Promise<State | undefined> {
    const { name, decode, unreadable } = this.#options;
    const content = await this.#disk?.read(name).catch(() => undefined);
    if (content === undefined) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(Buffer.from(content).toString("utf8"));
    } catch {
      // Said below.
    }
    const decoded = decode(value);
    if (decoded.ok) return decoded.value;
    this.#log.warn({ file: name }, `unreadable; ${unreadable}`);
    return undefined;
  }

  /** What cannot be written is good for this run. */
  async write(state: State): Promise<void> {
    const { name, unwritable } = this.#options;
    try {
      await this.#disk?.replace(name, Buffer.from(`${JSON.stringify(state)}\n`, "utf8"));
    } catch (error) {
      this.#log.warn({ file: name, error }, `could not be written; after a restart ${unwritable}`);
    }
  }
}
