import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RunningService, runService } from "../support/running-service.ts";

let running: RunningService;
beforeEach(async () => {
  running = await runService();
});
afterEach(() => running.stop());

interface Entry {
  readonly id: string;
  readonly timestamp: number;
  readonly stream: string;
  readonly msg: unknown;
}
interface Answer {
  readonly id?: number;
  readonly status: number;
  readonly status_msg?: string;
  readonly resp?: readonly Entry[];
}

async function run(cmd: string, argsJson: string, src: string | undefined = "//h/d"): Promise<Answer> {
  const head = src === "" ? "" : `"src":${JSON.stringify(src)},`;
  const body = `{"v":1,${head}"cmds":[{"cmd":"${cmd}","id":7,"args":${argsJson}}]}`;
  const response = await running.post("/", body);
  expect(response.status).toBe(200);
  const { resp } = (await response.json()) as { resp: [Answer] };
  expect(resp).toHaveLength(1);
  expect(resp[0].id).toBe(7);
  return resp[0];
}
const log = (argsJson: string, src?: string) => run("/v1/Log.Log", argsJson, src);
async function list(args: object): Promise<readonly Entry[]> {
  const answer = await run("/v1/Log.List", JSON.stringify(args));
  expect(answer).toMatchObject({ status: 0 });
  return answer.resp ?? [];
}
async function words(answer: Promise<Answer>): Promise<string> {
  const { status, status_msg: text, resp } = await answer;
  expect(resp).toBeUndefined();
  return `${status} ${text}`;
}

describe("Log.Log", () => {
  test("msg alone: stream console, time of receipt, and exactly the seed's four fields", async () => {
    const before = Date.now();
    expect(await log('{"msg":"hi"}')).toEqual({ id: 7, status: 0 });
    const [entry] = await list({ src: "//h/d" });
    expect(Object.keys(entry ?? {})).toEqual(["stream", "msg", "timestamp", "id"]);
    expect(entry).toMatchObject({ stream: "console", msg: "hi" });
    expect(entry?.timestamp).toBeGreaterThanOrEqual(before);
    expect(entry?.timestamp).toBeLessThanOrEqual(Date.now());
  });

  test("every argument is kept and listed when asked for", async () => {
    await log('{"msg":"m","timestamp":12,"stream":"s","level":"WARN","module":"net","uptime":5}');
    const fields = ["src", "level", "module", "boot", "seq", "uptime", "received", "clock"];
    const [entry] = await list({ src: "//h/d", fields });
    expect(entry).toMatchObject({
      stream: "s",
      msg: "m",
      timestamp: 12,
      src: "//h/d",
      level: "warn",
      module: "net",
      uptime: 5,
      clock: "device",
    });
    expect(entry).not.toHaveProperty("boot");
    expect(entry).not.toHaveProperty("seq");
  });

  test.each(["0", "-0", "1", "1453395062123", "9007199254740991", "1e3", "5.0"])(
    "timestamp %s",
    async (text) => {
      expect(await log(`{"msg":"m","timestamp":${text}}`)).toEqual({ id: 7, status: 0 });
      expect((await list({ src: "//h/d" }))[0]?.timestamp).toBe(Math.abs(Number(text)));
    },
  );

  test("src in the args logs on behalf of another", async () => {
    await log('{"msg":"for another","src":"other"}');
    expect(await list({ src: "//h/d" })).toEqual([]);
    expect(await list({ src: "other" })).toMatchObject([{ msg: "for another" }]);
  });

  test("a frame without src and args without src: 400 naming src", async () => {
    expect(await words(log('{"msg":"m"}', ""))).toMatch(/^400 src: required/);
    expect(await log('{"msg":"m","src":"x"}', "")).toEqual({ id: 7, status: 0 });
  });

  test.each([
    ["{}", "400 msg: required"],
    ['{"msg":5}', "400 msg: must be a string, an object or an array"],
    ['{"msg":null}', "400 msg: must be a string, an object or an array"],
    ['{"msg":true}', "400 msg: must be a string, an object or an array"],
    ['{"msg":1e400}', "400 msg: must be a string, an object or an array"],
    ['{"msg":"m","timestamp":"1"}', "400 timestamp: must be integer"],
    ['{"msg":"m","timestamp":1.5}', "400 timestamp: must be integer"],
    ['{"msg":"m","timestamp":-1}', "400 timestamp: must be >= 0"],
    ['{"msg":"m","timestamp":null}', "400 timestamp: must be integer"],
    ['{"msg":"m","timestamp":{}}', "400 timestamp: must be integer"],
    [
      '{"msg":"m","timestamp":9007199254740992}',
      "400 timestamp: must be a number between -(2^53-1) and 2^53-1, not 9007199254740992",
    ],
    [
      '{"msg":"m","timestamp":1e400}',
      "400 timestamp: must be a number between -(2^53-1) and 2^53-1, not 1e400",
    ],
    ['{"msg":"m","stream":5}', "400 stream: must be string"],
    ['{"msg":"m","stream":1e400}', "400 stream: must be string"],
    ['{"msg":"m","stream":null}', "400 stream: must be string"],
    ['{"msg":"m","stream":""}', "400 stream: must not be empty"],
    ['{"msg":"m","stream":"a\\nb"}', "400 stream: must not hold control characters"],
    [`{"msg":"m","stream":"${"ü".repeat(33)}"}`, "400 stream: must be at most 64 bytes of UTF-8"],
    ['{"msg":"m","level":"loud"}', "400 level: must be debug, info, warn or error"],
    ['{"msg":"m","level":2}', "400 level: must be string"],
    ['{"msg":"m","module":[]}', "400 module: must be string"],
    ['{"msg":"m","uptime":"1"}', "400 uptime: must be integer"],
    ['{"msg":"m","src":5}', "400 src: must be string"],
    ['{"msg":"m","src":""}', "400 src: must not be empty"],
  ])("%s is refused and named", async (args, expected) => {
    expect(await words(log(args))).toBe(expected);
    expect(await list({ src: "//h/d" })).toEqual([]);
  });

  test.each(["[]", '"x"', "5", "null", "true", "1e400"])("args %s: 400 naming args", async (args) => {
    expect(await words(log(args))).toMatch(/^400 args: must be object/);
  });
});

describe("Log.List", () => {
  async function logMany(count: number, stream = "console"): Promise<void> {
    const cmds = Array.from({ length: count }, (_, index) => ({
      cmd: "/v1/Log.Log",
      id: index,
      args: { msg: `${stream} ${index}`, stream },
    }));
    const { resp } = await running.ask({ v: 1, src: "//h/d", cmds });
    expect(resp).toEqual(cmds.map(({ id }) => ({ id, status: 0 })));
  }
  const messages = async (args: object) => (await list({ src: "//h/d", ...args })).map(({ msg }) => msg);
  const numbered = (first: number, last: number) =>
    Array.from({ length: last - first + 1 }, (_, index) => `console ${first + index}`);

  test("limit: 100 by default, exact below, 1000 at most", async () => {
    await logMany(1000);
    await logMany(100);
    expect(await messages({})).toEqual(numbered(0, 99));
    expect(await messages({ limit: 1 })).toEqual(["console 0"]);
    expect(await messages({ limit: 101 })).toHaveLength(101);
    expect(await messages({ limit: 1000 })).toHaveLength(1000);
    expect(await messages({ limit: 1001 })).toHaveLength(1000);
    expect(await messages({ limit: Number.MAX_SAFE_INTEGER })).toHaveLength(1000);
  });

  test("stream picks one series, after goes on exclusively, last takes the newest in ascending order", async () => {
    await logMany(5);
    await logMany(5, "uart");
    expect(await messages({ stream: "uart" })).toEqual([0, 1, 2, 3, 4].map((n) => `uart ${n}`));
    expect(await messages({ stream: "none" })).toEqual([]);
    const [, second] = await list({ src: "//h/d" });
    expect(await messages({ after: second?.id, limit: 3 })).toEqual(numbered(2, 4));
    expect(await messages({ after: second?.id, stream: "uart", limit: 1 })).toEqual(["uart 0"]);
    expect(await messages({ last: 2 })).toEqual(["uart 3", "uart 4"]);
    expect(await messages({ last: 2, stream: "console" })).toEqual(numbered(3, 4));
    expect(await messages({ last: 1000 })).toHaveLength(10);
    expect(await messages({ last: 5000 })).toHaveLength(10);
    expect(await messages({ last: 8, limit: 2 })).toEqual(["uart 3", "uart 4"]);
    const newest = (await list({ src: "//h/d", last: 1 }))[0];
    expect(await messages({ after: newest?.id })).toEqual([]);
  });

  test.each([
    ["{}", "400 src: required"],
    ['{"src":5}', "400 src: must be string"],
    ['{"src":null}', "400 src: must be string"],
    ['{"src":""}', "400 src: must not be empty"],
    ['{"src":"x","limit":0}', "400 limit: must be >= 1"],
    ['{"src":"x","limit":-5}', "400 limit: must be >= 1"],
    ['{"src":"x","limit":1.5}', "400 limit: must be integer"],
    ['{"src":"x","limit":"10"}', "400 limit: must be integer"],
    ['{"src":"x","limit":null}', "400 limit: must be integer"],
    ['{"src":"x","limit":true}', "400 limit: must be integer"],
    ['{"src":"x","limit":1e400}', "400 limit: must be a number between -(2^53-1) and 2^53-1, not 1e400"],
    ['{"src":"x","after":5}', "400 after: must be string"],
    ['{"src":"x","after":null}', "400 after: must be string"],
    ['{"src":"x","stream":["console"]}', "400 stream: must be string"],
    ['{"src":"x","stream":""}', "400 stream: must not be empty"],
    ['{"src":"x","last":0}', "400 last: must be >= 1"],
    ['{"src":"x","last":"1"}', "400 last: must be integer"],
    ['{"src":"x","follow":1}', "400 follow: must be boolean"],
    ['{"src":"x","fields":"src"}', "400 fields: must be array"],
    [
      '{"src":"x","fields":["secret"]}',
      '400 fields: "secret" is not one of src, level, module, boot, seq, uptime, received, clock, clockError',
    ],
    [
      '{"src":"x","fields":["__proto__"]}',
      '400 fields: "__proto__" is not one of src, level, module, boot, seq, uptime, received, clock, clockError',
    ],
  ])("%s is refused and named", async (args, expected) => {
    expect(await words(run("/v1/Log.List", args))).toBe(expected);
  });

  test.each(["", "nonsense", "0", "../../etc/passwd", "x".repeat(100_000)])(
    "a token this service never gave is 400 naming after",
    async (after) => {
      await logMany(1);
      expect(await words(run("/v1/Log.List", JSON.stringify({ src: "//h/d", after })))).toMatch(
        /^400 after: /,
      );
    },
  );

  test("a token of another source of the project is a place in the same order", async () => {
    await log('{"msg":"a"}', "a");
    await log('{"msg":"b"}', "b");
    const [a] = await list({ src: "a" });
    expect(await list({ src: "b", after: a?.id })).toMatchObject([{ msg: "b" }]);
  });
});

describe("names with a meaning for JavaScript", () => {
  test.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
    "%s is a source, a stream and a member like any other",
    async (name) => {
      const msg = `{"${name}":{"polluted":true}}`;
      await log(`{"msg":${msg},"stream":"${name}","module":"${name}","${name}":{"polluted":1}}`, name);
      const body = `{"v":1,"cmds":[{"cmd":"/v1/Log.List","id":1,"args":{"src":"${name}","stream":"${name}"}}]}`;
      const text = await (await running.post("/", body)).text();
      expect(text).toContain(`"stream":"${name}","msg":${msg}`);
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
      const cmd = await run(name, "{}");
      expect(cmd).toMatchObject({ status: 404 });
    },
  );
});
