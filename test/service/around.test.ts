import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { LogService, PortTaken } from "../../service/service.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { type RunningService, runService, runServiceOver } from "../support/running-service.ts";
import { connect } from "../support/web-socket-client.ts";

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function start(
  options: Parameters<typeof runServiceOver>[1] = {},
): Promise<RunningService<MemoryStore>> {
  const running = await runServiceOver(new MemoryStore(), options);
  stops.push(() => running.stop());
  return running;
}

describe("starting and health", () => {
  test("/healthz needs no key, and is 503 until everything else serves", async () => {
    let isReady = false;
    const { url } = await start({ isReady: () => isReady });
    const before = await fetch(`${url}/healthz`);
    expect([before.status, await before.text()]).toEqual([503, '{"status":"starting"}']);
    isReady = true;
    const after = await fetch(`${url}/healthz`);
    expect([after.status, await after.text()]).toEqual([200, '{"status":"ok"}']);
  });

  test("a taken port is a typed error that names it, and leaves nothing open", async () => {
    const { service, url } = await start();
    const port = Number(new URL(url).port);
    const other = await runServiceOver(new MemoryStore(), { port }).catch((error: unknown) => error);
    expect(other).toBeInstanceOf(PortTaken);
    expect(other).toMatchObject({ code: "PORT_TAKEN", host: "127.0.0.1", port });
    await service.stop();
    const again = await start({ port });
    expect((await fetch(`${again.url}/healthz`)).status).toBe(200);
  });

  test("stopping twice, or before a start, is harmless", async () => {
    const { service } = await start();
    await service.stop();
    await service.stop();
    const never = new LogService({} as ConstructorParameters<typeof LogService>[0], {
      host: "127.0.0.1",
      port: 0,
    });
    await never.stop();
  });

  test("entries of a gateway in the same process are listed and live like any", async () => {
    const running = await start();
    const live = await connect(`${running.url}/v1/ws/projects/default/logs?x-api-key=${running.key}`);
    const entry = {
      src: "//h/serial",
      stream: "uart",
      msg: '"boot:0x13"',
      timestamp: 5,
      received: 5,
      clock: "server",
    } as const;
    const [result] = await running.service.append([{ project: "default", entries: [entry] }]);
    expect(result?.storedCount).toBe(1);
    expect(await live.nextJson()).toMatchObject({
      result: { data: { message: "boot:0x13", deviceId: "//h/serial" } },
    });
    const list = await running.post("/v1/Log.List", '{"src":"//h/serial"}');
    expect(await list.json()).toMatchObject({ resp: [{ stream: "uart", msg: "boot:0x13" }] });
  });
});

test("/metrics shows what the store holds and who is connected, and goes on without a store that is away", async () => {
  const running = await runService();
  try {
    await running.post("/v1/Log.Log", '{"src":"s","msg":"x"}');
    const text = await (await fetch(`${running.url}/metrics`)).text();
    expect(text).toMatch(/^boardlog_store_entries 1$/m);
    expect(text).toMatch(/^boardlog_store_disk_bytes [1-9]\d+$/m);
    expect(text).toMatch(/^boardlog_websocket_connections 0$/m);
    await running.store.close();
    const after = await (await fetch(`${running.url}/metrics`)).text();
    expect(after).toContain("boardlog_websocket_connections 0");
    expect(after).toMatch(/^boardlog_service_stored_entries_total 1$/m);
    expect(after).not.toMatch(/^boardlog_store_(entries|disk_bytes)/m);
  } finally {
    await running.stop();
  }
});

test("/metrics shows the counters by name and number, without a key", async () => {
  const running = await start();
  await running.post("/", '{"v":1,"src":"s","cmds":[{"cmd":"/v1/Log.Log","id":1,"args":{"msg":"m"}}]}');
  for (let round = 0; round < 2; round++) {
    const response = await fetch(`${running.url}/metrics`);
    expect(response.headers.get("content-type")).toMatch(/^text\/plain/);
    const text = await response.text();
    expect(text).toMatch(/^boardlog_service_stored_entries_total 1$/m);
    expect(text).toMatch(/^# TYPE boardlog_service_stored_entries_total counter$/m);
  }
});

describe("bare args", () => {
  test("answer id, status and resp; the HTTP status says the same", async () => {
    const running = await start();
    const logged = await running.post("/v1/Log.Log?id=7", '{"src":"s","msg":{"n": 1.0}}');
    expect([logged.status, await logged.text()]).toEqual([200, '{"id":7,"status":0}']);
    const bySrc = await running.post("/v1/Log.Log?src=s", '{"msg":"two"}');
    expect([bySrc.status, await bySrc.text()]).toEqual([200, '{"status":0}']);
    const listed = await running.post("/v1/Log.List", '{"src":"s"}');
    expect(await listed.text()).toMatch(
      /^\{"status":0,"resp":\[\{"stream":"console","msg":\{"n": 1\.0\},.*"msg":"two",/,
    );
    for (const [path, body, words] of [
      ["/v1/Log.List", "{}", "src: required"],
      ["/v1/Log.List", "[]", "args: must be an object"],
      ["/v1/Log.List", "", "args: not JSON: unexpected end at character 0"],
      ["/v1/Log.Log", '{"msg":"m"}', "src: required, in the frame or in the args: whose entry is it?"],
      ["/v1/Log.Log?id=x", '{"msg":"m"}', "id: must be an integer from 0 to 2^53-1"],
      ["/v1/Log.Log?id=9007199254740993", '{"msg":"m"}', "id: must be an integer from 0 to 2^53-1"],
      ["/v1/Log.Log?src=", '{"msg":"m"}', "src: must not be empty"],
    ] as const) {
      const refused = await running.post(path, body);
      expect([refused.status, await refused.json()]).toEqual([400, { status: 400, status_msg: words }]);
    }
  });
});

describe("REST, as Golioth has it", () => {
  interface Page {
    readonly list: { readonly message: string; readonly deviceId: string }[];
    readonly page: number;
    readonly perPage: number;
    readonly total: number;
  }

  test("newest first, in pages, filtered", async () => {
    const running = await start();
    const cmds = Array.from({ length: 25 }, (_, id) => ({
      cmd: "/v1/Log.Log",
      id,
      args: {
        msg: `line ${id}`,
        timestamp: 1_000_000 + id,
        ...(id % 5 === 0 && { level: "error", module: "net" }),
      },
    }));
    await running.ask({ v: 1, src: "//h/a", cmds });
    await running.ask({
      v: 1,
      src: "b",
      cmds: [{ cmd: "/v1/Log.Log", id: 1, args: { msg: "of b", timestamp: 2 } }],
    });
    const get = async (query: string) => {
      const response = await fetch(`${running.url}/v1/projects/default/logs?${query}`, {
        headers: { "x-api-key": running.key },
      });
      return [response.status, await response.json()] as [number, Page];
    };
    const messages = async (query: string) => (await get(query))[1].list.map(({ message }) => message);
    const [status, first] = await get("perPage=3");
    expect([status, first]).toMatchObject([200, { page: 0, perPage: 3, total: 26 }]);
    expect(first.list.map(({ message }) => message)).toEqual(["of b", "line 24", "line 23"]);
    expect(await messages("perPage=3&page=8")).toEqual(["line 1", "line 0"]);
    expect(await messages("perPage=3&page=9")).toEqual([]);
    expect(await messages("deviceId=b")).toEqual(["of b"]);
    expect(await messages("level=WARN")).toEqual([20, 15, 10, 5, 0].map((id) => `line ${id}`));
    expect(await messages("module=net&end=1000005")).toEqual(["line 5", "line 0"]);
    expect(await messages("start=1970-01-01T00:16:40.023Z")).toEqual(["line 24", "line 23"]);
    expect(await messages("term=of%20b")).toEqual(["of b"]);
    for (const [query, words] of [
      ["page=-1", "page: must be an integer of 0 or more"],
      ["perPage=0", "perPage: must be an integer of 1 or more"],
      ["start=yesterday", "start: must be an RFC 3339 time or ms since the epoch"],
      ["level=9", "level: must be debug, info, warn or error"],
    ]) {
      expect(await get(query ?? "")).toEqual([400, { error: { code: 3, message: words } }]);
    }
    expect((await fetch(`${running.url}/v1/projects/default/logs`)).status).toBe(401);
  });
});

describe("the console page", () => {
  test("is served at / with its files, strictly; frames still go to /; nothing outside the folder comes out", async () => {
    const folder = await mkdtemp(join(tmpdir(), "boardlog-page-"));
    stops.push(() => rm(folder, { recursive: true }));
    await mkdir(join(folder, "site"));
    await writeFile(join(folder, "secret"), "secret");
    await writeFile(join(folder, "site", ".hidden"), "secret");
    await writeFile(join(folder, "site", "index.html"), "<!doctype html><title>boardlog</title>");
    await writeFile(join(folder, "site", "page.js"), "1;");
    const running = await start({ consoleFolder: join(folder, "site") });
    const page = await fetch(running.url);
    expect([page.status, await page.text()]).toEqual([200, "<!doctype html><title>boardlog</title>"]);
    expect(page.headers.get("content-type")).toMatch(/^text\/html/);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'; script-src 'self'");
    expect(page.headers.get("referrer-policy")).toBe("no-referrer");
    expect(page.headers.get("x-content-type-options")).toBe("nosniff");
    const script = await fetch(`${running.url}/page.js`);
    expect([script.status, await script.text()]).toEqual([200, "1;"]);
    expect(script.headers.get("content-type")).toMatch(/javascript/);
    for (const path of [
      "/missing.js",
      "/..%2fsecret",
      "/%2e%2e/secret",
      "/.hidden",
      "/site",
      "/v1/nothing/here",
    ]) {
      const response = await fetch(running.url + path);
      expect([403, 404]).toContain(response.status);
      expect(await response.text()).not.toContain("secret");
    }
    const post = await running.post("/", '{"v":1,"cmds":[]}');
    expect(await post.json()).toEqual({ v: 1, src: "//boardlog", resp: [] });
    const socket = await connect(running.url, { headers: { "x-api-key": running.key } });
    socket.send('{"v":1,"cmds":[]}');
    expect(await socket.nextJson()).toEqual({ v: 1, src: "//boardlog", resp: [] });
    expect((await fetch(`${running.url}/healthz`)).status).toBe(200);
  });
});
