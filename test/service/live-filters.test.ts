import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { textFrames } from "../../service/live/text-frame.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { type RunningService, runServiceOver } from "../support/running-service.ts";
import { connect, type WebSocketClient } from "../support/web-socket-client.ts";

let running: RunningService;
beforeEach(async () => {
  running = await runServiceOver(new MemoryStore());
});
afterEach(() => running.stop());

const LINES = [
  { src: "//h/a b", msg: "pump on", level: "info", module: "pump" },
  { src: "//h/a b", msg: "Pump dry", level: "error", module: "pump" },
  { src: "c", msg: "hello", stream: "uart" },
  { src: "c", msg: { flow: 12 }, level: "debug" },
  { src: "c", msg: "end", level: "error", module: "pump" },
];
async function write(lines: readonly object[] = LINES): Promise<void> {
  const cmds = lines.map((args, id) => ({ cmd: "/v1/Log.Log", id, args }));
  await running.ask({ v: 1, cmds });
}
const socket = (query = "", path = ""): Promise<WebSocketClient> =>
  connect(`${running.url}/v1/ws/projects/default${path}/logs?x-api-key=${running.key}${query}`);
async function messages(client: WebSocketClient, count: number): Promise<string[]> {
  const heard: string[] = [];
  while (heard.length < count) {
    const { result } = (await client.nextJson()) as { result: { data: { message: string } } };
    heard.push(result.data.message);
  }
  return heard;
}

describe("a live socket hears only what it asked for, in history and live", () => {
  test.each<[string, string, readonly number[]]>([
    ["&level=warn", "", [1, 4]],
    ["&module=pump&src=c", "", [4]],
    ["&stream=uart", "", [2]],
    ["&term=PUMP", "", [0, 1]],
    ["&term=%2F%5Epump%2F", "", [0]],
    ["&term=%2Fflow%22%3A%5Cd%2B%2F", "", [3]],
    ["", "/devices/%2F%2Fh%2Fa%20b", [0, 1]],
    ["&level=error", "/devices/c", [4]],
  ])("%s %s", async (query, path, wanted) => {
    await write();
    const texts = wanted.map((index) => {
      const msg = LINES[index]?.msg;
      return typeof msg === "string" ? msg : JSON.stringify(msg);
    });
    const client = await socket(`${query}&last=100`, path);
    expect(await messages(client, wanted.length)).toEqual(texts);
    expect(Object.keys(await client.nextJson())).toEqual(["live"]);
    const only = await socket(query, path);
    await write();
    expect(await messages(client, wanted.length)).toEqual(texts);
    expect(await messages(only, wanted.length)).toEqual(texts);
  });

  test("a wrong term is refused before the upgrade", async () => {
    await expect(socket("&term=%2F(%2F")).rejects.toThrow(/400.*term: a \) is missing/);
  });
});

test.each([0, 1, 125, 126, 127, 65_535, 65_536, 70_000])(
  "an entry of %i characters arrives whole, alone and with others",
  async (size) => {
    const client = await socket();
    const msg = "é".repeat(size);
    await write([{ src: "s", msg }]);
    await write([
      { src: "s", msg },
      { src: "s", msg: "next" },
    ]);
    expect(await messages(client, 3)).toEqual([msg, msg, "next"]);
    expect(textFrames(["x".repeat(size)])).toHaveLength(size + (size < 126 ? 2 : size < 65_536 ? 4 : 10));
  },
);

interface StreamEvent {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
  readonly retry?: string;
}

/** Reads Server-Sent Events as a browser does. */
class EventReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";

  constructor(response: Response) {
    if (response.body === null) throw new Error("no body");
    this.#reader = response.body.getReader();
  }

  async next(): Promise<StreamEvent | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end >= 0) {
        const lines = this.#text.slice(0, end).split("\n");
        this.#text = this.#text.slice(end + 2);
        const fields = lines.map((line) => [
          line.slice(0, line.indexOf(":")),
          line.slice(line.indexOf(":") + 2),
        ]);
        const event = Object.fromEntries(fields) as StreamEvent;
        if (event.data !== undefined) return event;
        continue;
      }
      const { value, done } = await this.#reader.read();
      if (done) return undefined;
      this.#text += this.#decoder.decode(value, { stream: true });
    }
  }

  async message(): Promise<string> {
    const { data = "" } = (await this.next()) ?? {};
    return (JSON.parse(data) as { result: { data: { message: string } } }).result.data.message;
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

describe("Server-Sent Events", () => {
  async function events(query = "", headers: Record<string, string> = {}, path = ""): Promise<EventReader> {
    const url = `${running.url}/v1/projects/default${path}/events?x-api-key=${running.key}${query}`;
    const response = await fetch(url, { headers });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    return new EventReader(response);
  }

  test("carry each entry with its id, and a reader that comes back misses and repeats nothing", async () => {
    const reader = await events("&last=1");
    expect(await reader.next()).toEqual({ event: "live", data: '{"live":{"after":null}}' });
    await write([{ src: "s", msg: "one" }]);
    const first = await reader.next();
    expect(JSON.parse(first?.data ?? "")).toMatchObject({
      result: { data: { message: "one", id: first?.id } },
    });
    await reader.cancel();
    await write([
      { src: "s", msg: "two" },
      { src: "s", msg: "three" },
    ]);
    // The URL still says last=1, as a browser's does.
    const again = await events("&last=1", { "last-event-id": first?.id ?? "" });
    expect([await again.message(), await again.message()]).toEqual(["two", "three"]);
    const marker = await again.next();
    expect(marker?.event).toBe("live");
    expect(JSON.parse(marker?.data ?? "")).toEqual({ live: { after: marker?.id } });
    await write([{ src: "s", msg: "four" }]);
    expect(await again.message()).toBe("four");
    await again.cancel();
  });

  test("take the filters and the path of the live socket", async () => {
    const reader = await events("&level=error", {}, "/devices/c");
    await write();
    expect(await reader.message()).toBe("end");
    await reader.cancel();
  });

  test("are refused without a good key, for a wrong token, and to another site's page", async () => {
    const url = `${running.url}/v1/projects/default/events`;
    expect((await fetch(url)).status).toBe(401);
    const headers = { "x-api-key": running.key };
    expect((await fetch(`${url}?after=nonsense`, { headers })).status).toBe(400);
    expect((await fetch(url, { headers: { ...headers, "last-event-id": "nonsense" } })).status).toBe(400);
    expect((await fetch(url, { headers: { ...headers, origin: "https://elsewhere.example" } })).status).toBe(
      403,
    );
  });

  test("end with their key, saying why", async () => {
    const { id, key } = await running.keys.add({ project: "default", rights: ["read"] });
    const url = `${running.url}/v1/projects/default/events`;
    const reader = new EventReader(await fetch(url, { headers: { authorization: `Bearer ${key}` } }));
    await running.keys.revoke(id);
    const last = await reader.next();
    expect([last?.event, JSON.parse(last?.data ?? "")]).toMatchObject(["close", { code: 1008 }]);
    expect(await reader.next()).toBeUndefined();
  });

  test("leave nothing behind when the reader goes, and end when the service stops", async () => {
    const store = running.store as MemoryStore;
    const gone = await events();
    await gone.cancel();
    await expect.poll(() => store.listenerCount).toBe(0);
    const reader = await events();
    const stopping = running.stop();
    expect(JSON.parse((await reader.next())?.data ?? "")).toMatchObject({ code: 1001 });
    await stopping;
  });
});
