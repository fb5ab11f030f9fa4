import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RunningService, runService } from "../support/running-service.ts";
import { connect, type WebSocketClient } from "../support/web-socket-client.ts";

let running: RunningService;
beforeEach(async () => {
  running = await runService({ readerBytesMax: 64 * 1024 });
});
afterEach(() => running.stop());

async function write(src: string, messages: readonly string[], args: object = {}): Promise<void> {
  const cmds = messages.map((msg, id) => ({ cmd: "/v1/Log.Log", id, args: { msg, ...args } }));
  const { resp } = await running.ask({ v: 1, src, cmds });
  expect((resp as { status: number }[]).every(({ status }) => status === 0)).toBe(true);
}
const open = (query = "", path = "") =>
  connect(`${running.url}/v1/ws/projects/default${path}/logs?x-api-key=${running.key}${query}`);

interface Heard {
  readonly result?: {
    readonly data: { readonly id: string; readonly message: string; readonly deviceId: string };
  };
  readonly live?: { readonly after: string | null };
  readonly skipped?: { readonly after?: string; readonly until: string; readonly count: number };
}
const hear = async (client: WebSocketClient) => (await client.nextJson()) as Heard;
async function hearMessages(client: WebSocketClient, count: number): Promise<string[]> {
  const messages: string[] = [];
  while (messages.length < count) {
    const heard = await hear(client);
    if (heard.result === undefined) throw new Error(`heard ${JSON.stringify(heard)}`);
    messages.push(heard.result.data.message);
  }
  return messages;
}
const numbered = (count: number, first = 0) =>
  Array.from({ length: count }, (_, index) => `line ${first + index}`);

describe("history runs into live", () => {
  test("last=N: the N newest, the marker, then what comes", async () => {
    await write("a", numbered(5));
    const client = await open("&last=2");
    expect(await hearMessages(client, 2)).toEqual(["line 3", "line 4"]);
    const marker = await hear(client);
    expect(Object.keys(marker)).toEqual(["live"]);
    await write("a", ["new"]);
    const { result } = await hear(client);
    expect(result?.data.message).toBe("new");
    expect((result?.data.id ?? "") > (marker.live?.after ?? "")).toBe(true);
  });

  test("after=id: all that came later, over many pages, then live; the marker's id goes on from there", async () => {
    await write("a", numbered(1));
    const { resp } = (await (await running.post("/v1/Log.List", '{"src":"a"}')).json()) as {
      resp: [{ id: string }];
    };
    for (let index = 0; index < 3; index++) await write("b", numbered(600, index * 600));
    const client = await open(`&after=${resp[0].id}`);
    expect(await hearMessages(client, 1800)).toEqual(numbered(1800));
    const { live } = await hear(client);
    await write("c", ["new"]);
    expect(await hearMessages(client, 1)).toEqual(["new"]);
    const again = await open(`&after=${live?.after}`);
    expect(await hearMessages(again, 1)).toEqual(["new"]);
  });

  test("an empty project: the marker at once, with no id", async () => {
    const client = await open("&last=10");
    expect(await hear(client)).toEqual({ live: { after: null } });
    await write("a", ["first"]);
    expect(await hearMessages(client, 1)).toEqual(["first"]);
  });

  test("without last or after there is no marker and no history", async () => {
    await write("a", ["old"]);
    const client = await open();
    await write("a", ["new"]);
    expect(await hearMessages(client, 1)).toEqual(["new"]);
  });

  test("while others write: every entry once, in order, no gap and no repeat", async () => {
    const total = 4_000;
    const writing = (async () => {
      for (let first = 0; first < total; first += 20) await write("a", numbered(20, first));
    })();
    await write("start", ["start"]);
    const clients: WebSocketClient[] = [];
    for (let index = 0; index < 5; index++) {
      clients.push(await open(index % 2 === 0 ? "&last=1000" : "&last=1"));
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    const heardBy = await Promise.all(
      clients.map(async (client) => {
        const heard: Heard[] = [];
        while (heard.at(-1)?.result?.data.message !== `line ${total - 1}`) heard.push(await hear(client));
        return heard;
      }),
    );
    await writing;
    for (const heard of heardBy) {
      expect(heard.filter(({ live }) => live !== undefined)).toHaveLength(1);
      const lines = heard.flatMap(({ result }) => (result?.data.deviceId === "a" ? [result.data] : []));
      const first = Number(lines[0]?.message.slice(5));
      expect(lines.map(({ message }) => message)).toEqual(numbered(total - first, first));
    }
  });
});

describe("which entries", () => {
  test("last=N is the newest N that pass the filters, however much else came since", async () => {
    await write("a", ["old match", "newer match"], { level: "error", module: "net" });
    for (let index = 0; index < 11; index++) await write("b", numbered(1000, index * 1000));
    await write("a", ["newest match"], { level: "warn", module: "net" });
    await write("a", ["info"], { level: "info" });
    for (const query of ["&module=net&last=2", "&term=MATCH&last=2", "&src=a&level=warn&last=2"]) {
      const client = await open(query);
      expect(await hearMessages(client, 2)).toEqual(["newer match", "newest match"]);
      expect(Object.keys(await hear(client))).toEqual(["live"]);
      client.socket.terminate();
    }
    const none = await open("&module=nothing&last=5");
    const { live } = await hear(none);
    await write("a", ["now"], { module: "nothing" });
    expect(await hearMessages(none, 1)).toEqual(["now"]);
    expect(live?.after).not.toBeNull();
  });

  test("the device path takes the source verbatim, percent-encoded, replay and live", async () => {
    const src = "//api.cesanta.com/d/1 ü?&";
    await write(src, ["mine old"]);
    await write("other", ["other"]);
    const client = await open("&last=5", `/devices/${encodeURIComponent(src)}`);
    expect(await hearMessages(client, 1)).toEqual(["mine old"]);
    expect(Object.keys(await hear(client))).toEqual(["live"]);
    await write("other", ["other"]);
    await write(src, ["mine new"]);
    expect(await hearMessages(client, 1)).toEqual(["mine new"]);
  });

  test("level is this and above, and nothing without a level; module and stream are exact", async () => {
    const byLevel = await open("&level=WARN");
    const byModule = await open("&module=net");
    const byStream = await open("&stream=uart&last=1");
    await hear(byStream);
    await write("a", ["plain"]);
    await write("a", ["info"], { level: "info" });
    await write("a", ["warn"], { level: "warn", module: "net" });
    await write("a", ["error"], { level: "error", stream: "uart", module: "network" });
    await write("a", ["end"], { level: "error", module: "net", stream: "uart" });
    expect(await hearMessages(byLevel, 3)).toEqual(["warn", "error", "end"]);
    expect(await hearMessages(byModule, 2)).toEqual(["warn", "end"]);
    expect(await hearMessages(byStream, 2)).toEqual(["error", "end"]);
  });
});

describe("a reader that does not keep up", () => {
  test("is told what it skipped, can fetch exactly that, and slows nobody", async () => {
    const slow = await open();
    const quick = await open();
    await write("a", ["first"]);
    const [first] = await Promise.all([hear(slow), hear(quick)]);
    slow.socket.pause();
    const line = "x".repeat(2_000);
    const count = 6_000;
    for (let index = 0; index < count; index += 200) {
      await write(
        "a",
        numbered(200, index).map((name) => `${name} ${line}`),
      );
    }
    for (let index = 0; index < count; index++)
      expect((await hear(quick)).result?.data.message).toMatch(`line ${index} `);
    slow.socket.resume();
    const ids = [first.result?.data.id];
    let skippedCount = 0;
    for (let heardCount = 0; heardCount + skippedCount < count; ) {
      const { result, skipped } = await hear(slow);
      if (result !== undefined) {
        ids.push(result.data.id);
        heardCount += 1;
        continue;
      }
      expect(skipped?.after).toBe(ids.at(-1));
      const fetched: string[] = [];
      for (let after = skipped?.after ?? ""; after < (skipped?.until ?? ""); after = fetched.at(-1) ?? "~") {
        const limit = Math.min(1000, (skipped?.count ?? 0) - fetched.length);
        const page = await running.post("/v1/Log.List", JSON.stringify({ src: "a", after, limit }));
        fetched.push(...((await page.json()) as { resp: { id: string }[] }).resp.map(({ id }) => id));
      }
      expect(fetched).toHaveLength(skipped?.count ?? -1);
      expect(fetched.at(-1)).toBe(skipped?.until);
      ids.push(...fetched);
      skippedCount += fetched.length;
    }
    expect(skippedCount).toBeGreaterThan(0);
    expect(ids).toEqual([...new Set(ids)].sort());
    expect(ids).toHaveLength(count + 1);
    expect(running.counters.values().live_skipped_entries_total).toBe(skippedCount);
    await write("a", ["live again"]);
    expect(await hearMessages(slow, 1)).toEqual(["live again"]);
  });

  test("in its history is waited for and skips nothing", async () => {
    const line = "x".repeat(4_000);
    for (let index = 0; index < 5_000; index += 200) {
      await write(
        "a",
        numbered(200, index).map((name) => `${name} ${line}`),
      );
    }
    const { resp } = (await (await running.post("/v1/Log.List", '{"src":"a","limit":1}')).json()) as {
      resp: [{ id: string }];
    };
    const client = await open(`&after=${resp[0].id}`);
    client.socket.pause();
    await write("b", ["meanwhile"]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    client.socket.resume();
    for (let index = 1; index < 5_000; index++) {
      expect((await hear(client)).result?.data.message).toMatch(`line ${index} `);
    }
    expect(await hearMessages(client, 1)).toEqual(["meanwhile"]);
    expect(Object.keys(await hear(client))).toEqual(["live"]);
  });
});
