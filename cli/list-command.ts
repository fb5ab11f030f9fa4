import { LIMIT_MAX } from "../protocol/methods.ts";
import { type ListedEntry, listPage } from "./api-client.ts";
import { type ApiOptions, findApi } from "./api-options.ts";
import { type EntryFilter, makeFilter } from "./entry-filter.ts";
import { entryLine } from "./entry-line.ts";
import { writeOut } from "./output.ts";
import { styleOf } from "./style.ts";

export interface ListOptions extends ApiOptions, EntryFilter {
  readonly stream?: string;
  readonly after?: string;
  readonly limit?: number;
  readonly last?: number;
  readonly json?: boolean;
}

/** `boardlog list SRC`: pages through the log of one source, oldest first. */
export async function runList(src: string, options: ListOptions): Promise<void> {
  const api = findApi(options);
  const passes = makeFilter(options);
  const style = styleOf(process.stdout);
  const { stream, last } = options;
  let after = options.after;
  let left = last ?? options.limit ?? Number.POSITIVE_INFINITY;
  while (left > 0) {
    const page: readonly ListedEntry[] = await listPage(api, {
      src,
      ...(after !== undefined && { after }),
      ...(stream !== undefined && { stream }),
      ...(last !== undefined ? { last } : { limit: Math.min(left, LIMIT_MAX) }),
    });
    const shown = page.filter(passes);
    const isOpen = await writeOut(
      shown.map((entry) => `${options.json ? entry.json : entryLine(entry, style)}\n`).join(""),
    );
    left -= page.length;
    after = page.at(-1)?.id;
    if (!isOpen || last !== undefined || after === undefined) return;
  }
}
