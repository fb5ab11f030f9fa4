import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FOLLOW_MS_MAX } from "../../service/entry-walk.ts";
import { cpuClock } from "../support/cpu-time.ts";
import { type RunningService, runService } from "../support/running-service.ts";

interface Page {
  readonly entries: readonly { readonly id: string; readonly msg: unknown; readonly src: string }[];
  readonly before: string | null;
  readonly after: string | null;
  readonly end: boolean;
}

let running: RunningService;

beforeEach(async () => {
  running = await runService({}, cpuClock);
});
afterEach(() => running.stop());

const T0 = 1_763_784_000_000;

/** Lines 1 to `count` from three sources, a second apart; every tenth is a warning of module `pump`. */
async function fill(count: number, first = 1): Promise<void> {
  const cmds = Array.from({ length: count }, (_, index) => {
    const line = first + index;
    const isTenth = line % 10 === 0;
    return {
      cmd: "/v1/Log.Log",
      id: line,
      args: {
        src: `board-${line % 3}`,
        msg: `Line ${line}`,
        timestamp: T0 + line * 1000,
        ...(isTenth && { level: "warn", module: "pump" }),
      },
    };
  });
  for (let at = 0; at < cmds.length; at += 500) await running.ask({ v: 1, cmds: cmds.slice(at, at + 500) });
}

async function read(query: string): Promise<Page> {
  const response = await get(`entries?${query}`);
  expect(response.status, query).toBe(200);
  return (await response.json()) as Page;
}

function get(path: string, key = running.key): Promise<Response> {
  return fetch(`${running.url}/v1/projects/default/${path}`, { headers: { "x-api-key": key } });
}

const numbers = (page: Page): number[] => page.entries.map(({ msg }) => Number(String(msg).slice(5)));
const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe("GET .../entries", () => {
  it("walks back from the newest to the first, then on from the newest, each entry once", async () => {
    await fill(250);
    const newest = await read("limit=60");
    let all = numbers(newest);
    let page = newest;
    while (!page.end) {
      page = await read(`limit=60&before=${page.before}`);
      all = [...numbers(page), ...all];
    }
    expect(all).toEqual(range(1, 250));
    await fill(7, 251);
    const on = await read(`after=${newest.after}`);
    expect(numbers(on)).toEqual(range(251, 257));
    expect(on.end).toBe(true);
  });

  it("walks the same entries in both directions under every filter", async () => {
    await fill(300);
    const filters = {
      "src=board-1": (line: number) => line % 3 === 1,
      "src=board-1&src=board-2": (line: number) => line % 3 !== 0,
      "level=warn": (line: number) => line % 10 === 0,
      "module=pump&src=board-0": (line: number) => line % 30 === 0,
      "term=LINE%2019": (line: number) => String(line).startsWith("19"),
      [`since=${T0 + 100_000}&until=${T0 + 120_000}`]: (line: number) => line >= 100 && line < 120,
      "since=2025-11-22T04:03:20Z": (line: number) => line >= 200,
      "stream=uart": () => false,
    };
    for (const [filter, passes] of Object.entries(filters)) {
      const wanted = range(1, 300).filter(passes);
      const back: number[] = [];
      for (let before = ""; ; ) {
        const page = await read(`${filter}&limit=7${before && `&before=${before}`}`);
        back.unshift(...numbers(page));
        if (page.end) break;
        before = page.before ?? "";
      }
      expect(back, filter).toEqual(wanted);
      const on: number[] = [];
      for (let after = ""; ; ) {
        const page = await read(`${filter}&limit=7&order=ascending${after && `&after=${after}`}`);
        on.push(...numbers(page));
        if (page.end) break;
        after = page.after ?? "";
      }
      expect(on, filter).toEqual(wanted);
    }
  });

  it("waits for what passes the filter, and answers at once when it comes", async () => {
    await fill(3);
    const { after } = await read("limit=1");
    const waiting = read(`after=${after}&follow=true&level=warn`);
    await fill(6, 4);
    const startMs = performance.now();
    await fill(1, 10);
    const page = await waiting;
    expect(numbers(page)).toEqual([10]);
    // And not at the end of the longest wait.
    expect(performance.now() - startMs).toBeLessThan(FOLLOW_MS_MAX / 2);
  });

  it("follows from the very beginning where there is nothing yet", async () => {
    const empty = await read("");
    expect(empty).toEqual({ entries: [], before: null, after: null, end: true });
    const waiting = read("order=ascending&follow=true");
    await fill(2);
    expect(numbers(await waiting)[0]).toBe(1);
  });

  it("keeps msg as it came", async () => {
    await running.post("/v1/Log.Log", '{"src":"a","msg":{"b":1.0,"a":12345678901234567890}}');
    expect(await (await get("entries")).text()).toContain('"msg":{"b":1.0,"a":12345678901234567890}');
  });

  it("names the argument that is wrong", async () => {
    const wrong = {
      "limit=0": "limit",
      "limit=x": "limit",
      "since=yesterday": "since",
      "until=soon": "until",
      "level=loud": "level",
      "order=up": "order",
      "after=x": "after",
      "before=x": "not a continuation token",
      "follow=true": "follow",
      "order=ascending&before=x": "before",
    };
    for (const [query, word] of Object.entries(wrong)) {
      const response = await get(`entries?${query}`);
      expect(response.status, query).toBe(400);
      expect(await response.text(), query).toContain(word);
    }
    expect((await get("entries", "wrong")).status).toBe(401);
    expect((await get("sources", "wrong")).status).toBe(401);
    expect((await get("rates", "wrong")).status).toBe(401);
  });
});

describe("an answer of .../entries", () => {
  /** When a request has begun to wait for entries, and when it has given up. */
  function whoWaits(): { readonly begun: Promise<void>; readonly over: Promise<void> } {
    const { store } = running;
    let begin = (): void => {};
    let finish = (): void => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const over = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const subscribe = store.subscribe.bind(store);
    store.subscribe = (...listener) => {
      const unsubscribe = subscribe(...listener);
      begin();
      return () => {
        unsubscribe();
        finish();
      };
    };
    return { begun, over };
  }

  it("tells its length in bytes, whatever the text, and to HEAD as to GET", async () => {
    const texts = ["plain", "caf\u00e9", "\u2192 \ud83d\ude00"];
    for (const [index, msg] of texts.entries()) {
      await running.ask({ v: 1, cmds: [{ cmd: "/v1/Log.Log", id: index, args: { src: "board", msg } }] });
      const response = await get("entries");
      const { byteLength } = await response.clone().arrayBuffer();
      expect(response.headers.get("content-length")).toBe(String(byteLength));
      const page = (await response.json()) as Page;
      expect(page.entries.map((entry) => entry.msg)).toEqual(texts.slice(0, index + 1));
      const head = await fetch(response.url, { method: "HEAD", headers: { "x-api-key": running.key } });
      expect(head.headers.get("content-length")).toBe(String(byteLength));
      expect(head.headers.get("cache-control")).toBe("no-store");
      expect(await head.text()).toBe("");
    }
  });

  it("comes at once to who waits when the service stops", async () => {
    const { begun } = whoWaits();
    const waiting = read("order=ascending&follow=true");
    await begun;
    await running.stop();
    expect((await waiting).entries).toEqual([]);
    running = await runService({}, cpuClock);
  });

  it("costs its connection one listener, however many commands of its frame wait", async () => {
    await fill(3);
    const warned: string[] = [];
    const onWarning = ({ name }: Error): void => void warned.push(name);
    process.on("warning", onWarning);
    const cmds = Array.from({ length: 20 }, (_, id) => ({
      cmd: "/v1/Log.List",
      id,
      args: { src: "board-0", follow: true },
    }));
    await running.ask({ v: 1, cmds });
    // Warnings come a turn later.
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", onWarning);
    expect(warned).toEqual([]);
  });

  it("is waited for no more once the client has gone", async () => {
    const { begun, over } = whoWaits();
    const client = new AbortController();
    const url = `${running.url}/v1/projects/default/entries?order=ascending&follow=true`;
    const waiting = fetch(url, { headers: { "x-api-key": running.key }, signal: client.signal });
    await begun;
    client.abort();
    await expect(waiting).rejects.toThrow("aborted");
    await over;
  });
});

describe("GET .../sources and .../rates", () => {
  it("lists who has logged, how much and when last", async () => {
    await fill(10);
    const { sources } = (await (await get("sources")).json()) as { sources: { src: string }[] };
    expect(sources.map(({ src }) => src)).toEqual(["board-0", "board-1", "board-2"]);
    expect(sources[1]).toMatchObject({ entryCount: 4, lastReceived: expect.any(Number) });
  });

  it("counts entries by source, span of time and level", async () => {
    await fill(100);
    const response = await get(`rates?since=${T0}&until=${T0 + 100_000}&buckets=10`);
    const rates = (await response.json()) as {
      complete: boolean;
      sources: { src: string; counts: number[][] }[];
    };
    expect(rates.complete).toBe(true);
    const sum = (rank: number): number[] =>
      range(0, 9).map((bucket) =>
        rates.sources.reduce((total, { counts }) => total + (counts[bucket]?.[rank] ?? 0), 0),
      );
    // Line 100 lies at `until`, which is exclusive; line 10 is in the bucket that begins at 10 s.
    expect(sum(0)).toEqual(new Array(10).fill(9));
    expect(sum(3)).toEqual([0, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
  });
});
