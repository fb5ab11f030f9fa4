import { entriesText } from "../../protocol/answer.ts";
import type { StoredEntry } from "../../protocol/entry.ts";
import type { ExtraField } from "../../protocol/methods.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { WrittenPage } from "./log-store.ts";

/** `LogStore.writePage` of a driver that has nothing better than entries. */
export function writeEntries(
  entries: readonly StoredEntry[],
  fields: readonly ExtraField[],
  to: ByteWriter,
): WrittenPage {
  to.characters(entriesText(entries, fields));
  return { entryCount: entries.length, firstId: entries[0]?.id, lastId: entries.at(-1)?.id };
}
