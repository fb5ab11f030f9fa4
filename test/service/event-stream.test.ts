import { once } from "node:events";
import { createServer, get, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { systemTimers } from "../../host/system-clock.ts";
import type { MsgJson } from "../../protocol/entry.ts";
import { eventStreamSink } from "../../service/live/event-stream.ts";
import { LiveEntry } from "../../service/live/live-batch.ts";

test("what the connection has room for has gone at once: a reader is not behind for what came within one turn", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const asked = once(server, "request");
  get({ host: "127.0.0.1", port: (server.address() as AddressInfo).port }, (reply) => reply.resume());
  const [, response] = (await asked) as [unknown, ServerResponse];
  response.writeHead(200);
  const sink = eventStreamSink(response, systemTimers);
  const msg = JSON.stringify("m".repeat(1000)) as MsgJson;
  const entry = {
    id: "1",
    src: "s",
    stream: "console",
    msg,
    timestamp: 1,
    received: 1,
    clock: "server",
  } as const;
  for (let count = 0; count < 20; count++) {
    sink.sendEntry(new LiveEntry(entry), () => {});
    expect(sink.bufferedBytes).toBe(0);
  }
  response.end();
  server.close();
  await once(server, "close");
});
