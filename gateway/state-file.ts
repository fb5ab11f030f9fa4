import type { Disk } from "../host/disk.ts";
import type { ProcessLog } from "../host/log.ts";
import type { Decoded } from "../protocol/decoded.ts";

export interface StateFileOptions<State> {
  readonly name: string;
  /** Of what stands in it as JSON. */
  readonly decode: (value: unknown) => Decoded<State>;
  /** What is to stand in it now; undefined: nothing has to be written. */
  readonly state: () => State | undefined;
  /** What follows where it cannot be read, and where it cannot be written, in words. */
  readonly unreadable: string;
  readonly unwritable: string;
}

/** A small file that makes a gateway remember over a restart; one that cannot be had is told of, and does without. */
export class StateFile<State> {
  readonly #disk: Disk | undefined;
  readonly #log: ProcessLog;
  readonly #options: StateFileOptions<State>;
  #saved: Promise<void> = Promise.resolve();
  /** A save that has not begun. */
  #isSaveWaiting = false;

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

  /**
   * Resolves when what is to stand in it by now is on the disk, or cannot be written: then it is good for this run. One write for all who
   * ask while another is under way.
   */
  save(): Promise<void> {
    if (this.#isSaveWaiting) return this.#saved;
    this.#isSaveWaiting = true;
    this.#saved = this.#saved.then(() => {
      this.#isSaveWaiting = false;
      return this.#write();
    });
    return this.#saved;
  }

  async #write(): Promise<void> {
    const { name, state: stateOf, unwritable } = this.#options;
    const state = stateOf();
    if (state === undefined) return;
    try {
      await this.#disk?.replace(name, Buffer.from(`${JSON.stringify(state)}\n`, "utf8"));
    } catch (error) {
      this.#log.warn({ file: name, error }, `could not be written; after a restart ${unwritable}`);
    }
  }
}
