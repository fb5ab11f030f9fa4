import Type, { type Static } from "typebox";
import type { Disk } from "../host/disk.ts";
import type { ProcessLog } from "../host/log.ts";
import type { Random } from "../host/random.ts";
import { schemaDecoder } from "../protocol/schema-check.ts";
import { RecentTable } from "./recent-table.ts";
import { StateFile } from "./state-file.ts";

/** Sources remembered; one that did not boot for long is forgotten first, and is then met anew. */
const SOURCES_MAX = 10_000;

const FileSchema = Type.Object({
  version: Type.Literal(1),
  boots: Type.Array(Type.Tuple([Type.String(), Type.String()])),
});
const decodeFile = schemaDecoder(FileSchema);

/**
 * Names the boots of sources that number their lines and do not name their boots (docs/protocol.md 8.10). The names outlive the
 * gateway, so that what a broker sends again after a restart is known as a duplicate.
 */
export class LineBoots {
  readonly #file: StateFile<Static<typeof FileSchema>>;
  readonly #random: Random;
  readonly #boots = new RecentTable<string>(SOURCES_MAX);
  #isLoaded: Promise<void> | undefined;

  constructor(world: { readonly disk?: Disk; readonly random: Random; readonly log: ProcessLog }) {
    this.#file = new StateFile(world, {
      name: "line-boots.json",
      decode: decodeFile,
      state: () => ({
        version: 1,
        boots: Array.from(this.#boots.entries(), ([key, boot]) => [key, boot]),
      }),
      unreadable: "sources of log lines are met as new ones",
      unwritable: "a line may be stored twice",
    });
    this.#random = world.random;
  }

  async current(project: string, src: string): Promise<string | undefined> {
    this.#isLoaded ??= this.#load();
    await this.#isLoaded;
    return this.#boots.get(`${project} ${src}`);
  }

  /** A new boot of the source. Resolves once its name is on disk, or cannot be written: then it is good for this run. */
  async begin(project: string, src: string): Promise<string> {
    await this.current(project, src);
    const boot = `line-${Buffer.from(this.#random.bytes(6)).toString("hex")}`;
    this.#boots.set(`${project} ${src}`, boot);
    await this.#file.save();
    return boot;
  }

  async #load(): Promise<void> {
    const file = await this.#file.read();
    for (const [key, boot] of file?.boots ?? []) this.#boots.set(key, boot);
  }
}
