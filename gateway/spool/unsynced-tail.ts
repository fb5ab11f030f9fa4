import type { Disk } from "../../host/disk.ts";
import type { ProcessLog } from "../../host/log.ts";
import { insist } from "./insist.ts";
import type { Segment } from "./segment.ts";
import type { SpoolRecord } from "./spool-record.ts";
import type { NewSegment } from "./spool-writer.ts";

/** What writing the tail anew asks of the rest of the spool. */
interface SecuredSpool {
  readonly list: {
    readonly all: readonly Segment[];
    pathOf(segment: Pick<Segment, "number">): string;
    entriesOf(index: number, after: number): AsyncIterable<SpoolRecord>;
    replace(old: Segment, segment: Segment): void;
    remove(segment: Segment): Promise<void>;
  };
  readonly writer: {
    readonly durable: number;
    moveTo(durable: number): void;
    newSegment(records: readonly SpoolRecord[]): NewSegment;
    openSegment(segment: NewSegment): Promise<void>;
    failed(cause: unknown): Promise<unknown>;
  };
  /** False: there is none for what is written a second time. */
  hasRoomBeside(neededBytes: number): Promise<boolean>;
}

/** What a life before wrote last. */
export class UnsyncedTail {
  readonly #world: { readonly disk: Disk; readonly log: ProcessLog };
  readonly #spool: SecuredSpool;

  constructor(world: { readonly disk: Disk; readonly log: ProcessLog }, spool: SecuredSpool) {
    this.#world = world;
    this.#spool = spool;
  }

  /**
   * A process that was killed may have left entries that were written and never synced. Those that the service does not have are
   * written anew before anybody relies on them: a sync of the old file could succeed for pages that an earlier failure dropped.
   * @param had all have everything up to here.
   */
  async secure(had: number): Promise<void> {
    const { list, writer } = this.#spool;
    const index = list.all.length - 1;
    const segment = list.all[index];
    if (segment === undefined || segment.lastPosition <= had) return;
    const records = await insist(() => this.#entriesBehind(index, had));
    const first = records[0];
    if (first === undefined) return;
    const last = writer.durable;
    writer.moveTo(first.position - 1);
    try {
      // In one step: half of it would stand for all that the old segment has from there on.
      const anew = writer.newSegment(records);
      if (!(await this.#spool.hasRoomBeside(anew.content.length))) {
        await this.#writeInPlace(segment);
        writer.moveTo(last);
        return;
      }
      await this.#world.disk.replace(list.pathOf(anew), anew.content);
      await writer.openSegment(anew);
      const written = list.all.at(-1);
      if (written !== undefined) written.lastPosition = last;
      // A gateway that crashes again and again must not fill its disk with what it wrote anew each time.
      if (segment.header.firstPosition >= first.position) await this.#removeSuperseded(segment);
    } catch (error) {
      await writer.failed(error);
      // A full disk must not keep the gateway from emptying it.
      const file = await this.#world.disk.openAppend(list.pathOf(segment));
      await file.sync();
      await file.close();
    }
    writer.moveTo(last);
  }

  /** All of a segment anew under its own name: the spool is at its bound. */
  async #writeInPlace(segment: Segment): Promise<void> {
    const { list, writer } = this.#spool;
    const records = await insist(() => this.#entriesBehind(list.all.indexOf(segment), 0));
    writer.moveTo(segment.header.firstPosition - 1);
    const { header, content } = writer.newSegment(records);
    await this.#world.disk.replace(list.pathOf(segment), content);
    list.replace(segment, { ...segment, header, bytes: content.length });
  }

  async #entriesBehind(index: number, after: number): Promise<readonly SpoolRecord[]> {
    const records: SpoolRecord[] = [];
    for await (const record of this.#spool.list.entriesOf(index, after)) records.push(record);
    return records;
  }

  /** All that it holds stands in a newer segment. */
  async #removeSuperseded(segment: Segment): Promise<void> {
    try {
      await this.#spool.list.remove(segment);
    } catch (error) {
      this.#world.log.warn({ error: String(error) }, "the spool could not remove what it wrote anew");
    }
  }
}
