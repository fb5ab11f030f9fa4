import type { DurableFile } from "../../service/store/durable-file.ts";
import type { KvSpace, OrderedKv } from "../../service/store/ordered-kv.ts";

/** What a store does to its engines, one after the other: the steps of every seal, compaction, retention, deletion. */
export const OPERATIONS = ["open", "commit", "close", "remove"] as const;
/** A pack is written to where an engine has commits, and goes with its engine. */
export const ENGINES = ["head", "log", "seg", "pack"] as const;

/** A step, as the n-th of its kind, and whether the kill comes before it is begun or after it is done. */
export interface KillPoint {
  readonly operation: (typeof OPERATIONS)[number];
  readonly engine: (typeof ENGINES)[number];
  readonly side: "before" | "after";
  readonly count: number;
}

export function pointOf(text: string): KillPoint {
  const [operation, engine, side, count] = text.split(":");
  return { operation, engine, side, count: Number(count) } as KillPoint;
}

export function textOf({ operation, engine, side, count }: KillPoint): string {
  return `${operation}:${engine}:${side}:${count}`;
}

/** Engines that call `kill` at a step; other steps are counted and go through. */
export function killingSpace(space: KvSpace, point: KillPoint, kill: () => void): KvSpace {
  let left = point.count;
  const step = async <T>(
    operation: KillPoint["operation"],
    name: string,
    act: () => Promise<T>,
  ): Promise<T> => {
    const isIt = operation === point.operation && name.startsWith(point.engine) && --left === 0;
    if (isIt && point.side === "before") kill();
    const result = await act();
    if (isIt && point.side === "after") kill();
    return result;
  };
  const wrap = (name: string, kv: OrderedKv): OrderedKv => ({
    get: (key) => kv.get(key),
    range: (range) => kv.range(range),
    commit: (changes) => step("commit", name, () => kv.commit(changes)),
    releaseDeadViews: () => kv.releaseDeadViews(),
    close: () => step("close", name, () => kv.close()),
  });
  const wrapPack = (name: string, file: DurableFile): DurableFile => ({
    get sizeBytes() {
      return file.sizeBytes;
    },
    read: (at, bytesMax, memory) => file.read(at, bytesMax, memory),
    write: (parts, at) => step("commit", name, () => file.write(parts, at)),
    close: () => step("close", name, () => file.close()),
  });
  const openPack = (name: string): Promise<DurableFile> =>
    step("open", `pack ${name}`, async () => wrapPack(`pack ${name}`, await space.openPack(name)));
  return {
    open: (name, form) => step("open", name, async () => wrap(name, await space.open(name, form))),
    openPack,
    names: () => space.names(),
    bytes: (name) => space.bytes(name),
    freeBytes: () => space.freeBytes(),
    remove: (name) => step("remove", name, () => space.remove(name)),
    close: () => space.close(),
  };
}
