import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MemoryStore } from "../support/memory-store.ts";
import { type RunningService, runServiceOver } from "../support/running-service.ts";

// What needs a store that counts or fails; everything else runs on the real one.

let running: RunningService<MemoryStore>;
beforeEach(async () => {
  running = await runServiceOver(new MemoryStore());
});
afterEach(() => running.stop());

const log = (id: number, msg: unknown = `line ${id}`) => ({ cmd: "/v1/Log.Log", id, args: { msg } });
const list = (id: number, args: object = {}) => ({ cmd: "/v1/Log.List", id, args: { src: "s", ...args } });
const ask = (cmds: readonly unknown[], head: object = {}) => running.ask({ v: 1, src: "s", ...head, cmds });

describe("several commands in one frame", () => {
  test("each is answered in order, and a bad one spoils none of its neighbours", async () => {
    const { resp } = await ask([
      log(5),
      log(5, 7),
      { id: 3 },
      "nonsense",
      { cmd: "nothing", id: 9 },
      log(1),
      list(2),
    ]);
    expect(resp).toMatchObject([
      { id: 5, status: 0 },
      { id: 5, status: 400, status_msg: "msg: must be a string, an object or an array" },
      { id: 3, status: 400, status_msg: "cmd: required" },
      { status: 400, status_msg: "cmds: each command must be an object" },
      { id: 9, status: 404, status_msg: 'cmd: no such method: "nothing"' },
      { id: 1, status: 0 },
      { id: 2, status: 0, resp: [{ msg: "line 5" }, { msg: "line 1" }] },
    ]);
  });

  test("all Log.Log of a frame go in one append", async () => {
    await ask(Array.from({ length: 1000 }, (_, id) => log(id)));
    expect(running.store.appendCount).toBe(1);
    await ask([log(1), log(2, 7), log(3)], { boot: "x" });
    expect(running.store.appendCount).toBe(2);
  });

  test("a List sees what stands before it in its frame and nothing behind", async () => {
    const { resp } = await ask([list(1), log(2), list(3), log(4), list(5)]);
    const counts = (resp as { resp?: unknown[] }[]).flatMap(({ resp: payload }) => payload?.length ?? []);
    expect(counts).toEqual([0, 1, 2]);
  });

  test("an empty frame is answered by an empty array", async () => {
    expect(await ask([])).toEqual({ v: 1, src: "//boardlog", dst: "s", resp: [] });
  });

  test("ids need not be distinct or ascend without boot: nothing is taken for a duplicate", async () => {
    await ask([log(1), log(1), log(1)]);
    await ask([log(1)]);
    const { resp } = await ask([list(1)]);
    expect(resp).toMatchObject([{ resp: [{}, {}, {}, {}] }]);
  });
});

describe("answers are bounded", () => {
  const large = "x".repeat(900_000);

  test("a page of large entries is cut, last keeps the newest, and walking on finds them all", async () => {
    for (let id = 0; id < 20; id++) await ask([log(id, `${id} ${large}`)]);
    const page = async (args: object) => {
      const { resp } = await ask([list(1, args)]);
      return (resp as [{ resp: { id: string; msg: string }[] }])[0].resp;
    };
    const numbers = (entries: readonly { msg: string }[]) =>
      entries.map(({ msg }) => Number.parseInt(msg, 10));
    const first = await page({});
    expect(first.length).toBeLessThan(20);
    expect(numbers(first)[0]).toBe(0);
    expect(numbers(await page({ last: 20 })).at(-1)).toBe(19);
    const walked = [...first];
    for (let entries = first; entries.length > 0; walked.push(...entries))
      entries = await page({ after: walked.at(-1)?.id });
    expect(numbers(walked)).toEqual(Array.from({ length: 20 }, (_, id) => id));
  });

  test("a frame of many pages: what does not fit any more is 413", async () => {
    for (let id = 0; id < 5; id++) await ask([log(id, large)]);
    const { resp } = await ask([list(1), list(2), list(3), list(4), log(5)]);
    const answers = resp as { status: number; resp?: unknown[] }[];
    expect(answers.map(({ status, resp: payload }) => `${status} ${payload?.length}`)).toEqual([
      "0 5",
      "0 5",
      "413 undefined",
      "413 undefined",
      "0 undefined",
    ]);
  });
});

describe("while the store is away", () => {
  const UNAVAILABLE = { status: 503, status_msg: "the store is unavailable; keep the entries and try again" };

  test("every command that needs it is 503, the others are answered as ever", async () => {
    running.store.isBroken = true;
    const { resp } = await ask([log(1), list(2), log(3, 7), { cmd: "nothing", id: 4 }]);
    expect(resp).toMatchObject([
      { id: 1, ...UNAVAILABLE },
      { id: 2, ...UNAVAILABLE },
      { id: 3, status: 400 },
      { id: 4, status: 404 },
    ]);
    const bare = await running.post("/v1/Log.Log?src=s", '{"msg":"m"}');
    expect([bare.status, await bare.json()]).toEqual([503, UNAVAILABLE]);
  });

  test("a frame with boot is never acked, and goes through when the store is back", async () => {
    running.store.isBroken = true;
    for (const ack of [true, false, undefined]) {
      expect(await ask([log(1)], { boot: "x", ack })).toMatchObject({ resp: [{ id: 1, ...UNAVAILABLE }] });
    }
    running.store.isBroken = false;
    expect(await ask([log(1)], { boot: "x", ack: true })).toMatchObject({ ack: 1 });
  });

  test("what our own mistake breaks is 500 without a stack, and logged", async () => {
    running.store.list = () => Promise.reject(new TypeError("a mistake of ours"));
    const { resp } = await ask([list(1), log(2)]);
    expect(resp).toEqual([
      { id: 1, status: 500, status_msg: "the service failed; see its own log" },
      { id: 2, status: 0 },
    ]);
    expect(running.logText()).toContain("a mistake of ours");
  });
});
