import { expect, test } from "vitest";
import { runService } from "../support/running-service.ts";
import { connect, type WebSocketClient } from "../support/web-socket-client.ts";

const SOCKETS = 1000;
const DEAF = 100;
const BATCHES = 20;
const PER_BATCH = 20;

test("a thousand live sockets hear every entry once, in order; a hundred deaf ones hold up nobody", async () => {
  const running = await runService({ readerBytesMax: 64 * 1024 });
  try {
    const url = `${running.url}/v1/ws/projects/default/logs?x-api-key=${running.key}`;
    const clients: WebSocketClient[] = [];
    for (let index = 0; index < SOCKETS; index += 50) {
      clients.push(...(await Promise.all(Array.from({ length: 50 }, () => connect(url)))));
    }
    for (const { socket } of clients.slice(0, DEAF)) socket.pause();
    const msg = "x".repeat(200);
    for (let batch = 0; batch < BATCHES; batch++) {
      const cmds = Array.from({ length: PER_BATCH }, (_, index) => ({
        cmd: "/v1/Log.Log",
        id: index,
        args: { msg: `${batch * PER_BATCH + index} ${msg}` },
      }));
      const { resp } = await running.ask({ v: 1, src: "s", cmds });
      expect((resp as { status: number }[]).every(({ status }) => status === 0)).toBe(true);
    }
    const wanted = Array.from({ length: BATCHES * PER_BATCH }, (_, index) => index);
    for (const client of clients.slice(DEAF)) {
      const heard: number[] = [];
      while (heard.length < wanted.length) {
        const text = String(await client.next());
        // A reader that fell behind on a busy machine is told; none of what it was told of may come as well.
        const { result, skipped } = JSON.parse(text) as {
          result?: { data: { message: string } };
          skipped?: { count: number };
        };
        if (result !== undefined) heard.push(Number.parseInt(result.data.message, 10));
        else for (let left = skipped?.count ?? 0; left > 0; left--) heard.push((heard.at(-1) ?? -1) + 1);
      }
      expect(heard).toEqual(wanted);
    }
    for (const { socket } of clients) socket.terminate();
  } finally {
    await running.stop();
  }
});
