import { expect, vi } from "vitest";
import type { MsgJson, NewEntry, StoredEntry } from "../../protocol/entry.ts";
import type { ListQuery, LogStore } from "../../service/store/log-store.ts";

/** One store under test, with what outlives it. */
export interface StoreDriver {
  /** Opens it, again after a close or a crash. */
  open(): Promise<LogStore>;
  /** Ends what was opened and frees what it used; stores are closed before. */
  dispose(): Promise<void>;
}

/** How much of an append is one transaction. Within a source every driver's is. */
export type AppendUnit =
  /** The whole call, over sources: ids in the order given, and listeners have heard when it resolves. */
  | "call"
  /** What the call has of one source: ids in the order given within it; listeners hear soon. */
  | "source";

/** Has the listener heard this many? At once where an append is one transaction, else in a while. */
export async function untilHeard(unit: AppendUnit, heard: readonly unknown[], count: number): Promise<void> {
  if (unit === "call") expect(heard.length).toBe(count);
  else await vi.waitFor(() => expect(heard.length).toBeGreaterThanOrEqual(count), { timeout: 120_000 });
}

export const P = "default";

/** An entry with a boot and a seq, told apart by its `msg`. */
export function entry(src: string, seq: number, more: Partial<NewEntry> = {}): NewEntry {
  return {
    src,
    stream: "console",
    msg: JSON.stringify(`line ${seq} of ${src}`) as MsgJson,
    timestamp: 1_763_784_000_000 + seq,
    received: 1_763_784_000_500 + seq,
    clock: "device",
    boot: "b1",
    seq,
    ...more,
  };
}

export function lossOf(src: string, boot: string, first: number, last: number): NewEntry {
  const msg = JSON.stringify({
    boot,
    first,
    last,
    count: last - first + 1,
    where: "link",
    why: "test",
  }) as MsgJson;
  const lost = { boot, first, last };
  return { src, stream: "loss", msg, timestamp: 5, received: 6, clock: "server", lost };
}

/** Every page of a listing, joined. */
export async function listAll(
  store: LogStore,
  query: Omit<ListQuery, "limit" | "after" | "src"> & { src?: string },
  limit = 7,
): Promise<StoredEntry[]> {
  const all: StoredEntry[] = [];
  for (;;) {
    const last = all.at(-1);
    const rest = { ...query, limit, ...(last && { after: last.id }) };
    const page =
      query.src === undefined ? await store.listProject(rest) : await store.list({ ...rest, src: query.src });
    expect(page.length).toBeLessThanOrEqual(limit);
    if (page.length === 0) return all;
    all.push(...page);
  }
}

export function seqs(entries: readonly StoredEntry[]): (number | undefined)[] {
  return entries.map((one) => one.seq);
}

export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
