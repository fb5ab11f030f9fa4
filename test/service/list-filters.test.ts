import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemTimers } from "../../host/system-clock.ts";
import { walkBack, walkOn } from "../../service/entry-walk.ts";
import { parseTerm } from "../../service/term.ts";
import { cpuClock, cpuMs } from "../support/cpu-time.ts";
import { type RunningService, runService } from "../support/running-service.ts";

let running: RunningService;
beforeEach(async () => {
  running = await runService({}, cpuClock);
});
afterEach(() => running.stop());

interface Answer {
  readonly status: number;
  readonly status_msg?: string;
  readonly resp: { readonly msg: string; readonly id: string; readonly timestamp: number }[];
  readonly after?: string;
}
async function list(args: object): Promise<Answer> {
  return (await (await running.post("/v1/Log.List", JSON.stringify({ src: "s", ...args }))).json()) as Answer;
}
async function fill(count: number): Promise<void> {
  for (let first = 0; first < count; first += 1000) {
    const cmds = Array.from({ length: Math.min(1000, count - first) }, (_, index) => {
      const n = first + index;
      const level = ["debug", "info", "warn", "error"][n % 4];
      const args = {
        msg: `Line ${n}`,
        timestamp: 1000 + n,
        ...(n % 5 > 0 && { level }),
        module: `m${n % 3}`,
      };
      return { cmd: "/v1/Log.Log", id: n, args };
    });
    await running.ask({ v: 1, src: "s", cmds });
  }
}
const numbers = ({ resp }: Answer): number[] => resp.map(({ msg }) => Number(msg.slice(5)));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const rank = (n: number): number => (n % 5 > 0 ? n % 4 : -1);

describe("Log.List with filters", () => {
  const cases: [object, (n: number) => boolean][] = [
    [{ level: "WARN" }, (n) => rank(n) >= 2],
    [{ module: "m1" }, (n) => n % 3 === 1],
    [{ since: 1100, until: 1200 }, (n) => n >= 100 && n < 200],
    [{ term: "LINE 7" }, (n) => String(n).startsWith("7")],
    [{ term: "/^line \\d{2}$/i" }, (n) => n >= 10 && n < 100],
    [
      { term: "/(7|9)$/", level: "info", module: "m0", since: 1050 },
      (n) => /(7|9)$/.test(String(n)) && rank(n) >= 1 && n % 3 === 0 && n >= 50,
    ],
    [{ stream: "uart", term: "x" }, () => false],
  ];
  test("walked by the answer's own after, each finds what a plain filter finds, once and in order", async () => {
    await fill(1500);
    for (const [args, passes] of cases) {
      const found: number[] = [];
      let after: string | undefined;
      for (let turn = 0; ; turn++) {
        const page = await list({ ...args, limit: 17, ...(after !== undefined && { after }) });
        found.push(...numbers(page));
        if (page.after === after) break;
        after = page.after;
        expect(turn).toBeLessThan(1000);
      }
      expect(found, JSON.stringify(args)).toEqual(upTo(1500).filter(passes));
      const last = await list({ ...args, last: 9 });
      expect(numbers(last), JSON.stringify(args)).toEqual(upTo(1500).filter(passes).slice(-9));
    }
  });

  test("a page without filters has the seed's form and nothing beside it", async () => {
    await fill(3);
    expect(Object.keys(await list({}))).toEqual(["status", "resp"]);
  });

  test("follow waits for what passes", async () => {
    await fill(1);
    const { after } = await list({ level: "debug" });
    const waiting = list({ level: "error", follow: true, after });
    await running.post("/v1/Log.Log", '{"src":"s","msg":"Line 1","level":"info"}');
    await running.post("/v1/Log.Log", '{"src":"s","msg":"Line 2","level":"error"}');
    expect(numbers(await waiting)).toEqual([2]);
  });

  test("in order of time the whole range is walked by timestamp, filters and all, each entry once", async () => {
    const stamps = Array.from({ length: 25 }, (_, index) => ((index * 7) % 25) + 1);
    for (const timestamp of stamps) {
      const level = timestamp % 2 === 0 ? "warn" : "info";
      await running.post(
        "/v1/Log.Log",
        JSON.stringify({ src: "s", msg: `Line ${timestamp}`, timestamp, level }),
      );
    }
    const walk = async (args: object): Promise<readonly number[]> => {
      const found: number[] = [];
      for (let after: string | undefined; ; ) {
        const page = await list({ order: "time", limit: 4, ...args, ...(after !== undefined && { after }) });
        found.push(...numbers(page));
        if (page.after === after || page.after === undefined) return found;
        after = page.after;
      }
    };
    const ascending = stamps.toSorted((left, right) => left - right);
    expect(await walk({})).toEqual(ascending);
    expect(await walk({ level: "warn" })).toEqual(ascending.filter((stamp) => stamp % 2 === 0));
    expect(await walk({ since: 5, until: 9 })).toEqual([5, 6, 7, 8]);
    expect(numbers(await list({ order: "time", last: 3 }))).toEqual([23, 24, 25]);
    const { after = "" } = await list({ order: "time", limit: 2 });
    await running.post("/v1/Log.Log", JSON.stringify({ src: "s", msg: "Line 3", timestamp: 3 }));
    expect(numbers(await list({ order: "time", limit: 3, after }))).toEqual([3, 3, 4]);
    const arrival = await list({ level: "info", limit: 1 });
    for (const wrong of [arrival.after, "t.x", `t.${Buffer.from('[1,"x",null,null]').toString("base64url")}`])
      expect((await list({ order: "time", after: wrong })).status_msg).toContain(
        "after: not a token that order time gave",
      );
    expect((await list({ order: "time", follow: true })).status_msg).toBe("follow: only in order of arrival");
  });

  test("a wrong argument is refused by name", async () => {
    for (const [args, words] of [
      [{ level: "loud" }, "level: must be debug, info, warn or error"],
      [{ term: "/(/" }, "term: a ) is missing"],
      [{ term: 5 }, "term: "],
      [{ since: -1 }, "since: "],
      [{ until: "today" }, "until: "],
      [{ module: "" }, "module: must not be empty"],
      [{ order: "size" }, "order: must be arrival or time"],
    ] as const) {
      const refused = await list(args);
      expect(refused.status).toBe(400);
      expect(refused.status_msg).toContain(words);
    }
  });

  test("over a WebSocket's second version the after stands beside the result", async () => {
    await fill(2);
    const frame = { v: 2, id: 1, method: "/v1/Log.List", args: { src: "s", level: "info" } };
    expect(await running.ask(frame)).toMatchObject({
      result: [{ msg: "Line 1" }],
      after: expect.any(String),
    });
  });
});

test("a search for what is rare ends in its time, holds nobody up, and goes on from where it stopped", async () => {
  const msg = JSON.stringify(`${"ab".repeat(6_000)}`);
  const entry = { src: "s", stream: "console", msg, timestamp: 1, received: 1, clock: "server" } as const;
  await running.store.append([{ project: "default", entries: new Array(250).fill(entry) }]);
  await running.store.append([
    { project: "default", entries: [{ ...entry, msg: `"${"ab".repeat(6_000)}needle"` }] },
  ]);
  const term = parseTerm("/(?:(?:a|b|ab)+)needle/");
  if (!term.ok) throw new Error(term.problem.text);
  const reading = { store: running.store, clock: cpuClock, timers: systemTimers };
  let longestMs = 0;
  let turnMs = cpuMs();
  const watch = setInterval(() => {
    longestMs = Math.max(longestMs, cpuMs() - turnMs);
    turnMs = cpuMs();
  }, 1);
  for (const walk of [walkOn, walkBack]) {
    let [after, before]: (string | undefined)[] = [];
    let [count, turns] = [0, 0];
    for (let isEnd = false; !isEnd; turns++) {
      const startMs = cpuMs();
      const found = await walk(reading, {
        project: "default",
        filter: { src: "s", term: term.value },
        sinceMs: 0,
        untilMs: Number.POSITIVE_INFINITY,
        after,
        before,
        limit: 10,
      });
      expect(cpuMs() - startMs).toBeLessThan(1500);
      count += found.entries.length;
      isEnd = found.isEnd;
      if (walk === walkOn) after = found.highest;
      else before = found.lowest;
    }
    expect(count).toBe(1);
    expect(turns).toBeGreaterThan(1);
  }
  clearInterval(watch);
  expect(longestMs).toBeLessThan(1000);
});

test("Log.Sources says who has logged, how much and when last", async () => {
  await fill(3);
  await running.post("/v1/Log.Log", '{"src":"//h/a","msg":"m"}');
  const frame = { v: 1, cmds: [{ cmd: "/v1/Log.Sources", id: 1, args: {} }] };
  const { resp } = (await running.ask(frame)) as { resp: [{ status: number; resp: object[] }] };
  expect(resp[0]).toMatchObject({
    id: 1,
    status: 0,
    resp: [
      { src: "//h/a", entryCount: 1, lastReceived: expect.any(Number) },
      { src: "s", entryCount: 3 },
    ],
  });
  const { key } = await running.keys.add({ project: "default", rights: ["write"] });
  expect((await running.post("/v1/Log.Sources", "{}", { "x-api-key": key })).status).toBe(403);
});
