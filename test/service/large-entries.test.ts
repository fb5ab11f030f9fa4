import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PAGE_CHARACTERS_MAX } from "../../service/store/log-store.ts";
import { type RunningService, runService } from "../support/running-service.ts";

/** A page ends with the entry that passes its bound; each entry here is less than 1 MiB. */
const ANSWER_BYTES_MAX = PAGE_CHARACTERS_MAX + 1024 * 1024;
const COUNT = 24;

let running: RunningService;
beforeAll(async () => {
  running = await runService();
  const filler = "x".repeat(900_000);
  for (let index = 0; index < COUNT; index++) {
    const msg = `${String(index).padStart(3, "0")} ${filler}`;
    await running.post("/v1/Log.Log", JSON.stringify({ src: `board-${index % 2}`, level: "info", msg }));
  }
});
afterAll(() => running.stop());

interface Page {
  readonly entries: readonly { readonly id: string; readonly msg: string }[];
  readonly before: string | null;
  readonly after: string | null;
  readonly end: boolean;
}

async function bounded<T>(answer: Response): Promise<T> {
  expect(answer.status).toBe(200);
  const text = await answer.text();
  expect(text.length).toBeLessThan(ANSWER_BYTES_MAX);
  return JSON.parse(text) as T;
}
const get = (path: string): Promise<Response> =>
  fetch(`${running.url}/v1/projects/default/${path}`, { headers: { "x-api-key": running.key } });
const numberOf = ({ msg }: { readonly msg: string }): number => Number(msg.slice(0, 3));
const ALL = Array.from({ length: COUNT }, (_, index) => index);

describe("of a thousand large entries that are asked for, an answer holds what fits, and going on finds the rest", () => {
  test.each(["", "&level=info", "&term=x", "&src=board-0&src=board-1"])("walking back%s", async (filter) => {
    let found: number[] = [];
    let before = "";
    for (let isEnd = false; !isEnd; ) {
      const page = await bounded<Page>(await get(`entries?limit=1000${filter}${before}`));
      found = [...page.entries.map(numberOf), ...found];
      before = `&before=${page.before}`;
      isEnd = page.end;
    }
    expect(found).toEqual(ALL);
  });

  test.each(["", "&level=info", "&term=x"])("walking on%s", async (filter) => {
    const found: number[] = [];
    let after = "";
    for (let isEnd = false; !isEnd; ) {
      const page = await bounded<Page>(await get(`entries?limit=1000&order=ascending${filter}${after}`));
      found.push(...page.entries.map(numberOf));
      after = `&after=${page.after}`;
      isEnd = page.end;
    }
    expect(found).toEqual(ALL);
  });

  test.each([{}, { term: "x" }, { order: "time" }])("Log.List %o", async (more) => {
    const found: number[] = [];
    let token: string | undefined;
    for (;;) {
      const args = { src: "board-1", limit: 1000, ...more, ...(token !== undefined && { after: token }) };
      const answer = await running.post("/v1/Log.List", JSON.stringify(args));
      const { resp, after } = await bounded<{ resp: Page["entries"]; after?: string }>(answer);
      if (resp.length === 0) break;
      found.push(...resp.map(numberOf));
      token = after ?? resp.at(-1)?.id;
    }
    expect(found).toEqual(ALL.filter((index) => index % 2 === 1));
  });

  test("Golioth's pages are of the newest that fit", async () => {
    const { list } = await bounded<{ list: { message: string }[] }>(await get("logs?perPage=1000"));
    const numbers = list.map(({ message }) => numberOf({ msg: message }));
    expect(numbers).toEqual(ALL.slice(-numbers.length).reverse());
  });

  test("counting with a text goes on from answer to answer", async () => {
    let counted = 0;
    let before = "";
    for (let isComplete = false; !isComplete; ) {
      const answer = await bounded<{
        sources: { counts: number[][] }[];
        before: string;
        complete: boolean;
      }>(await get(`rates?term=x&buckets=1${before}`));
      for (const { counts } of answer.sources)
        counted += counts.flat().reduce((sum, count) => sum + count, 0);
      before = `&before=${answer.before}`;
      isComplete = answer.complete;
    }
    expect(counted).toBe(COUNT);
  });
});
