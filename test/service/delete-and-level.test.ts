import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runBoardlog } from "../support/boardlog-process.ts";
import { type RunningService, runService } from "../support/running-service.ts";

let running: RunningService;

beforeEach(async () => {
  running = await runService();
});
afterEach(() => running.stop());

const call = async (method: string, args: object, key = running.key) =>
  (await (await running.post(`/v1/Log.${method}`, JSON.stringify(args), { "x-api-key": key })).json()) as {
    readonly status: number;
    readonly status_msg?: string;
    readonly resp?: readonly object[];
  };

describe("Log.Delete", () => {
  it("removes a source or one stream of it, and nothing else", async () => {
    for (const [src, stream] of [
      ["a", "console"],
      ["a", "uart"],
      ["b", "console"],
    ])
      await call("Log", { src, stream, msg: "x" });
    expect(await call("Delete", { src: "a", stream: "uart" })).toMatchObject({ status: 0 });
    expect((await call("List", { src: "a" })).resp).toMatchObject([{ stream: "console" }]);
    expect(await call("Delete", { src: "a" })).toMatchObject({ status: 0 });
    expect((await call("List", { src: "a" })).resp).toEqual([]);
    expect((await call("List", { src: "b" })).resp).toHaveLength(1);
  });

  it("needs the right admin and good arguments", async () => {
    await call("Log", { src: "a", msg: "x" });
    const { key } = await running.keys.add({ project: "default", rights: ["read", "write", "on-behalf"] });
    expect(await call("Delete", { src: "a" }, key)).toMatchObject({
      status: 403,
      status_msg: expect.stringMatching(/admin/),
    });
    expect(await call("Delete", {})).toMatchObject({ status: 400, status_msg: "src: required" });
    expect(await call("Delete", { src: "x".repeat(300) })).toMatchObject({
      status: 400,
      status_msg: expect.stringMatching(/^src/),
    });
    expect((await call("List", { src: "a" })).resp).toHaveLength(1);
  });
});

describe("Log.Sources", () => {
  it("tells boots, losses by place and clock quality, and a drop notice is among them", async () => {
    await running.ask({
      v: 1,
      src: "pump",
      boot: "b1",
      cmds: [
        { cmd: "/v1/Log.Log", id: 1, args: { msg: "on", timestamp: 1_763_784_000_000 } },
        {
          cmd: "/v1/Log.Log",
          id: 4,
          args: { stream: "loss", msg: { first: 2, last: 4, count: 3, where: "agent", why: "ring full" } },
        },
      ],
    });
    const [pump] = (await call("Sources", {})).resp ?? [];
    expect(pump).toMatchObject({ src: "pump", bootCount: 1, lastBoot: "b1", lossCounts: { agent: 3 } });
  });
});

describe("rates", () => {
  it("count the whole range, far more than one page of entries", async () => {
    const entries = Array.from({ length: 25_000 }, (_, index) => ({
      src: "busy",
      stream: "console",
      msg: '"x"',
      timestamp: 1_000_000 + index,
      received: 1_000_000 + index,
      clock: "device" as const,
      level: index % 2 === 0 ? ("info" as const) : ("error" as const),
    }));
    await running.store.append([{ project: "default", entries }]);
    const url = `${running.url}/v1/projects/default/rates?since=1000000&until=1025000&buckets=5`;
    const get = async (query: string) =>
      (await (await fetch(url + query, { headers: { "x-api-key": running.key } })).json()) as {
        readonly complete: boolean;
        readonly sources: readonly { readonly counts: readonly (readonly number[])[] }[];
      };
    expect(await get("")).toMatchObject({ complete: true, sources: [{ src: "busy" }] });
    expect((await get("")).sources[0]?.counts).toEqual(new Array(5).fill([0, 0, 2_500, 0, 2_500]));
    expect((await get("&level=warn")).sources[0]?.counts).toEqual(new Array(5).fill([0, 0, 0, 0, 2_500]));
  });

  it("with a text or a module go on from answer to answer: the whole range is counted, then what came since", async () => {
    const append = (first: number, count: number) =>
      running.store.append([
        {
          project: "default",
          entries: Array.from({ length: count }, (_, index) => ({
            src: "busy",
            stream: "console",
            msg: JSON.stringify(`line ${first + index}`),
            timestamp: 1_000_000 + first + index,
            received: 1_000_000 + first + index,
            clock: "device" as const,
            ...((first + index) % 2 === 0 && { module: "pump" }),
          })),
        },
      ]);
    await append(0, 25_000);
    interface Answer {
      readonly complete: boolean;
      readonly from: number;
      readonly before: string;
      readonly after: string;
      readonly sources: readonly { readonly counts: readonly (readonly number[])[] }[];
    }
    const get = async (query: string): Promise<Answer> => {
      const url = `${running.url}/v1/projects/default/rates?since=1000000&until=1030000&buckets=6${query}`;
      return (await (await fetch(url, { headers: { "x-api-key": running.key } })).json()) as Answer;
    };
    for (const [filter, passes] of [
      ["&module=pump", (line: number) => line % 2 === 0],
      ["&term=5", (line: number) => String(line).includes("5")],
      ["&term=%2F5%24%2F", (line: number) => line % 10 === 5],
    ] as const) {
      const expected = [0, 0, 0, 0, 0, 0];
      for (let line = 0; line < 25_000; line++)
        if (passes(line)) expected[Math.floor(line / 5000)] = (expected[Math.floor(line / 5000)] ?? 0) + 1;
      const sums = [0, 0, 0, 0, 0, 0];
      const add = ({ sources }: Answer): void => {
        for (const [index, row] of (sources[0]?.counts ?? []).entries())
          sums[index] = (sums[index] ?? 0) + (row[0] ?? 0);
      };
      let answer = await get(filter);
      const { after } = answer;
      let fromMs = 1_030_000;
      for (add(answer); !answer.complete; add(answer)) {
        expect(answer.from).toBeLessThan(fromMs);
        fromMs = answer.from;
        answer = await get(`${filter}&before=${answer.before}`);
      }
      expect(answer.from).toBe(1_000_000);
      expect(sums, filter).toEqual(expected);
      expect(await get(`${filter}&after=${after}`)).toMatchObject({ complete: true, sources: [] });
    }
    const { after } = await get("&module=pump");
    await append(25_000, 10);
    expect((await get(`&module=pump&after=${after}`)).sources[0]?.counts).toEqual([
      ...new Array(5).fill([0, 0, 0, 0, 0]),
      [5, 0, 0, 0, 0],
    ]);
  });
});

describe("gzip bodies", () => {
  const post = (body: Uint8Array) => running.post("/v1/Log.Log", body, { "content-encoding": "gzip" });
  it("are taken as what they inflate to, and bounded by it", async () => {
    expect((await post(gzipSync(JSON.stringify({ src: "z", msg: "packed" })))).status).toBe(200);
    expect((await call("List", { src: "z" })).resp).toMatchObject([{ msg: "packed" }]);
    const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(1024 * 1024);
    const answer = await post(bomb);
    expect([answer.status, await answer.json()]).toMatchObject([
      413,
      { status_msg: expect.stringMatching(/once inflated/) },
    ]);
    for (const broken of [Buffer.from("no gzip"), gzipSync("{}").subarray(0, 12)])
      expect((await post(broken)).status).toBe(400);
  });
});

describe("zstd bodies", () => {
  const post = (base64: string) =>
    running.post("/v1/Log.Log", Buffer.from(base64, "base64"), { "content-encoding": "zstd" });
  /** `printf '{"src":"z","msg":"hello"}' | zstd`: with the size in its head, and without. */
  const packed = [
    "KLUv/QRoyQAAeyJzcmMiOiJ6IiwibXNnIjoiaGVsbG8ifUBVBIE=",
    "KLUv/QRYyQAAeyJzcmMiOiJ6IiwibXNnIjoiaGVsbG8ifUBVBIE=",
  ];
  /** `head -c 2000000 /dev/zero | zstd` */
  const bomb =
    "KLUv/QRYVAAAEAAAAQD7/znAAgIAEAACABAAAgAQAAIAEAACABAAAgAQAAIAEAACABAAAgAQAAIAEAACABAAAgAQAAIAEAACABAAAyQEAA7JdNc=";

  /** The same of a file: its size is in its head. */
  const bombWithSize =
    "KLUv/aSAhB4AVAAAEAAAAQD7/znAAgIAEAACABAAAgAQAAIAEAACABAAAgAQAAIAEAACABAAAgAQAAIAEAACABAAAgAQAAIAEAACABAAAyQEAA7JdNc=";

  it("are taken as what they inflate to, and bounded by it", async () => {
    for (const body of packed) expect((await post(body)).status).toBe(200);
    expect((await call("List", { src: "z" })).resp).toMatchObject([{ msg: "hello" }, { msg: "hello" }]);
    const cut = Buffer.from(packed[0] ?? "", "base64")
      .subarray(0, 20)
      .toString("base64");
    const damaged = (packed[0] ?? "").replace("hb", "xx").replace("yJz", "zZz");
    for (const broken of [cut, damaged]) {
      const answer = await post(broken);
      expect([answer.status, await answer.json()]).toMatchObject([
        400,
        { status_msg: "body: not whole zstd data, as content-encoding says" },
      ]);
    }
    for (const large of [bomb, bombWithSize]) {
      const answer = await post(large);
      expect([answer.status, await answer.json()]).toMatchObject([
        413,
        { status_msg: "body: larger than 1048576 bytes once inflated" },
      ]);
    }
    const notZstd = await post(Buffer.from("no zstd").toString("base64"));
    expect([notZstd.status, await notZstd.json()]).toMatchObject([
      400,
      { status_msg: expect.stringMatching(/not zstd data/) },
    ]);
    // What failed left nothing behind.
    expect((await post(packed[0] ?? "")).status).toBe(200);
  });
});

describe("levels of boards", () => {
  const level = (body: object, key = running.key) =>
    running.post("/v1/projects/default/devices/pump/level", JSON.stringify(body), { "x-api-key": key });
  const command = (...args: readonly string[]) =>
    runBoardlog(["level", ...args, "--url", running.url, "--key", running.key]);

  it("reach the gateways that know the board, also by the command", async () => {
    const leases: unknown[] = [];
    running.service.levels.add({
      gatewayId: "pi",
      setLevel: async (project, src, lease) => {
        if (src !== "pump") return undefined;
        leases.push({ project, src, lease });
        return { isReached: true };
      },
    });
    const answer = await level({ level: "debug", forMs: 600_000, module: "net" });
    expect([answer.status, await answer.json()]).toEqual([
      200,
      { gateways: [{ gatewayId: "pi", isReached: true }] },
    ]);
    expect(await command("pump", "warn", "--for", "1h30m")).toMatchObject({
      status: 0,
      stdout: "pump: warn for 1h30m; sent\n",
    });
    expect(await command("pump", "default")).toMatchObject({ status: 0 });
    expect(leases).toMatchObject([
      { project: "default", src: "pump", lease: { level: "debug", module: "net", forMs: 600_000 } },
      { lease: { level: "warn", forMs: 5_400_000 } },
      { lease: { forMs: 0 } },
    ]);
    await call("Log", { src: "pump", msg: "x" });
    expect(await command("pmup", "debug")).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/pmup; did you mean pump\?/),
    });
    expect(await command("pump", "debug", "--for", "2d")).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/--for: 2d/),
    });
    expect((await command("pump", "loud")).status).toBe(2);
  });

  it("are refused without the right, with bad arguments, and where no gateway knows the board", async () => {
    const { key } = await running.keys.add({ project: "default", rights: ["write"] });
    expect((await level({ level: "debug", forMs: 1 }, key)).status).toBe(403);
    expect((await level({ level: "debug", forMs: 1 }, "blk_x")).status).toBe(401);
    for (const body of [
      { level: "loud", forMs: 1 },
      { level: "debug" },
      { level: "debug", forMs: 86_400_001 },
    ])
      expect((await level(body)).status, JSON.stringify(body)).toBe(400);
    expect((await level({ level: "debug", forMs: 1 })).status).toBe(404);
  });
});
