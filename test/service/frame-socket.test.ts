import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { decodeCbor, encodeCbor } from "../../protocol/cbor.ts";
import { type RunningService, runService } from "../support/running-service.ts";
import { connect, type WebSocketClient } from "../support/web-socket-client.ts";

let running: RunningService;
beforeEach(async () => {
  running = await runService();
});
afterEach(() => running.stop());

const keyHeader = () => ({ headers: { "x-api-key": running.key } });
const logFrame = (msg: string, more: object = {}) =>
  JSON.stringify({ v: 1, src: "//h/d", ...more, cmds: [{ cmd: "/v1/Log.Log", id: 1, args: { msg } }] });
const listFrame = (args: object = {}) =>
  JSON.stringify({ v: 1, cmds: [{ cmd: "/v1/Log.List", id: 2, args: { src: "//h/d", ...args } }] });

async function listed(client: WebSocketClient): Promise<unknown[]> {
  client.send(listFrame({ limit: 1000 }));
  const { resp } = (await client.nextJson()) as { resp: [{ resp: { msg: unknown }[] }] };
  return resp[0].resp.map(({ msg }) => msg);
}

describe("frames over a WebSocket", () => {
  test("the seed's frame gets the seed's answer", async () => {
    const client = await connect(running.url, keyHeader());
    client.send(
      '{"v":1,"src":"//api.cesanta.com/device_123","dst":"//api.cesanta.com","cmds":[{"cmd":"/v1/Log.Log","id":123,"args":{"msg":"hello world!"}}]}',
    );
    expect(await client.next()).toBe(
      '{"v":1,"src":"//api.cesanta.com","dst":"//api.cesanta.com/device_123","resp":[{"id":123,"status":0}]}',
    );
  });

  test("the sub-protocol is clubby.cesanta.com or none", async () => {
    const clubby = await connect(running.url, { ...keyHeader(), protocols: ["x", "clubby.cesanta.com"] });
    expect(clubby.socket.protocol).toBe("clubby.cesanta.com");
    expect((await connect(running.url, keyHeader())).socket.protocol).toBe("");
  });

  test("the key may stand in the query or in each frame; a wrong one is refused before the upgrade", async () => {
    const byQuery = await connect(`${running.url}/?x-api-key=${running.key}`);
    byQuery.send(logFrame("a"));
    expect(await byQuery.nextJson()).toMatchObject({ resp: [{ status: 0 }] });
    const byFrame = await connect(running.url);
    byFrame.send(logFrame("b"));
    byFrame.send(logFrame("c", { key: running.key }));
    byFrame.send(logFrame("d", { key: "wrong" }));
    for (const status of [401, 0, 401])
      expect(await byFrame.nextJson()).toMatchObject({ resp: [{ id: 1, status }] });
    expect(await listed(byQuery)).toEqual(["a", "c"]);
    await expect(connect(`${running.url}/?x-api-key=wrong`)).rejects.toThrow("refused with 401");
  });

  test("a bad frame gets words and spoils nothing", async () => {
    const client = await connect(running.url, keyHeader());
    for (const bad of ["", "hello", "{", '{"v":9,"cmds":[]}', "[".repeat(100_000)]) {
      client.send(bad);
      expect(await client.nextJson()).toEqual({ status: 400, status_msg: expect.any(String) });
    }
    client.send(Buffer.from([0xbf, 0xff]));
    const words = await client.next();
    expect(decodeCbor(words as Buffer)).toMatchObject({ value: { status: 400 } });
    client.send(logFrame("still here"));
    expect(await client.nextJson()).toMatchObject({ resp: [{ status: 0 }] });
  });

  test("CBOR in binary messages is answered in CBOR; JSON in binary in JSON", async () => {
    const client = await connect(running.url, keyHeader());
    client.send(
      encodeCbor({ v: 1, src: "//h/d", cmds: [{ cmd: "/v1/Log.Log", id: 1, args: { msg: "ü" } }] }),
    );
    expect(decodeCbor((await client.next()) as Buffer)).toEqual({
      ok: true,
      value: { v: 1, src: "//boardlog", dst: "//h/d", resp: [{ id: 1, status: 0 }] },
    });
    client.send(encodeCbor({ v: 1, cmds: [{ cmd: "/v1/Log.List", id: 2, args: { src: "//h/d" } }] }));
    expect(decodeCbor((await client.next()) as Buffer)).toMatchObject({
      value: { resp: [{ id: 2, status: 0, resp: [{ msg: "ü", stream: "console" }] }] },
    });
    client.send(Buffer.from(logFrame("json")));
    expect(JSON.parse(String(await client.next()))).toMatchObject({ resp: [{ status: 0 }] });
  });

  test("clubby v2: flat, with result or error", async () => {
    const client = await connect(running.url, keyHeader());
    const ask = async (frame: object) => {
      client.send(JSON.stringify({ v: 2, src: "d", dst: "s", ...frame }));
      return await client.next();
    };
    expect(await ask({ id: 1, method: "/v1/Log.Log", args: { msg: "m" } })).toBe(
      '{"v":2,"src":"s","dst":"d","id":1,"result":null}',
    );
    expect(await ask({ id: 2, method: "/v1/Log.List", params: { src: "d" } })).toMatch(
      /^\{"v":2,"src":"s","dst":"d","id":2,"result":\[\{"stream":"console","msg":"m",/,
    );
    expect(await ask({ id: 3, method: "/v1/Log.List", args: {} })).toBe(
      '{"v":2,"src":"s","dst":"d","id":3,"error":{"code":400,"message":"src: required"}}',
    );
    expect(await ask({ id: 4, method: "Nothing" })).toContain('"error":{"code":404,');
  });

  test("answers to us are not answered", async () => {
    const client = await connect(running.url, keyHeader());
    client.send('{"v":1,"resp":[{"id":1,"status":0}]}');
    client.send('{"v":2,"id":1,"result":null}');
    client.send(logFrame("next"));
    expect(await client.nextJson()).toMatchObject({ resp: [{ id: 1, status: 0 }] });
  });

  test("many frames at once are answered in order, and a page holds what was logged before it", async () => {
    const client = await connect(running.url, keyHeader());
    const count = 200;
    for (let index = 0; index < count; index++) {
      client.send(
        JSON.stringify({
          v: 1,
          src: "//h/d",
          cmds: [{ cmd: "/v1/Log.Log", id: index, args: { msg: `${index}` } }],
        }),
      );
    }
    client.send(listFrame({ limit: 1000 }));
    for (let index = 0; index < count; index++) {
      expect(await client.nextJson()).toMatchObject({ resp: [{ id: index, status: 0 }] });
    }
    const { resp } = (await client.nextJson()) as { resp: [{ resp: { msg: unknown }[] }] };
    expect(resp[0].resp.map(({ msg }) => msg)).toEqual(
      Array.from({ length: count }, (_, index) => `${index}`),
    );
  });

  test("a client that sends and never reads is stopped, and served again when it reads", async () => {
    const line = "x".repeat(100_000);
    const client = await connect(running.url, keyHeader());
    client.send(
      JSON.stringify({
        v: 1,
        src: "//h/d",
        cmds: Array.from({ length: 10 }, (_, id) => ({ cmd: "/v1/Log.Log", id, args: { msg: line } })),
      }),
    );
    await client.next();
    client.socket.pause();
    const count = 300;
    for (let index = 0; index < count; index++) client.send(listFrame());
    // 300 pages of 1 MB: the service must not have made them all.
    const settled = async () => {
      let before = -1;
      for (;;) {
        const { service_frames_total: frames = 0 } = running.counters.values();
        if (frames === before) return frames;
        before = frames;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    };
    expect(await settled()).toBeLessThan(100);
    client.socket.resume();
    for (let index = 0; index < count; index++) await client.next();
    expect(running.counters.values().service_frames_total).toBe(count + 1);
  });

  test("a message over 1 MiB closes with 1009, and the service goes on", async () => {
    const client = await connect(running.url, keyHeader());
    client.send("x".repeat(1_048_577));
    expect(await client.closed()).toBe(1009);
    const next = await connect(running.url, keyHeader());
    next.send(logFrame("fine"));
    expect(await next.nextJson()).toMatchObject({ resp: [{ status: 0 }] });
  });

  test("fragments without end close the connection", async () => {
    const client = await connect(running.url, keyHeader());
    for (let index = 0; index < 5_000; index++) client.socket.send("x", { fin: false });
    expect([1008, 1009]).toContain(await client.closed());
  });

  test("stopping tells each socket and does not wait for a deaf one", async () => {
    const polite = await connect(running.url, keyHeader());
    const follower = await connect(running.url, keyHeader());
    follower.send(listFrame({ follow: true }));
    const live = await connect(`${running.url}/v1/ws/projects/default/logs?x-api-key=${running.key}`);
    const deaf = new WebSocket(running.url.replace("http", "ws"), { headers: keyHeader().headers });
    await new Promise((resolve) => deaf.once("open", resolve));
    deaf.pause();
    const started = performance.now();
    await running.service.stop();
    // ws itself would wait 30 s for its answer.
    expect(performance.now() - started).toBeLessThan(15_000);
    expect(await polite.closed()).toBe(1001);
    expect(await follower.closed()).toBe(1001);
    expect(await live.closed()).toBe(1001);
    await expect(fetch(`${running.url}/healthz`)).rejects.toThrow();
    deaf.terminate();
  });

  test("the end of a service whose store failed for good is told as a failure, and to event streams too", async () => {
    const client = await connect(running.url, keyHeader());
    const live = await connect(`${running.url}/v1/ws/projects/default/logs?x-api-key=${running.key}`);
    const events = await fetch(`${running.url}/v1/projects/default/events`, keyHeader());
    await running.service.stop(true);
    expect(await client.closed()).toBe(1011);
    expect(await live.closed()).toBe(1011);
    expect(await events.text()).toMatch(/event: close\ndata: \{"code":1011,"reason":"the service failed/);
  });
});
