import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { AnswerBuffers } from "../../service/answer-buffers.ts";
import { runService } from "../support/running-service.ts";

it("memory of an answer is used again once it is given back, empty, and not while it is in use", () => {
  const buffers = new AnswerBuffers();
  const first = buffers.take();
  first.characters("first");
  expect(buffers.take()).not.toBe(first);
  buffers.give(first);
  const again = buffers.take();
  expect(again).toBe(first);
  expect(again.length).toBe(0);
});

it("what one long answer took is not kept, nor that of more answers than are usual", () => {
  const buffers = new AnswerBuffers();
  const long = buffers.take();
  long.reserve(1 << 20);
  buffers.give(long);
  expect(buffers.take()).not.toBe(long);
  const many = new Set(Array.from({ length: 100 }, () => buffers.take()));
  for (const buffer of many) buffers.give(buffer);
  const kept = Array.from({ length: 100 }, () => buffers.take()).filter((buffer) => many.has(buffer));
  expect(kept.length).toBeLessThan(20);
});

it("pages that their reader takes late are whole, whatever others are answered meanwhile", async () => {
  const running = await runService();
  try {
    const cmds = Array.from({ length: 1_000 }, (_, index) => ({
      cmd: "/v1/Log.Log",
      id: index,
      args: { src: index % 2 === 0 ? "left" : "right", msg: `${index} `.padEnd(100, "x") },
    }));
    await running.ask({ v: 1, cmds });
    const path = (src: string): string => `/v1/projects/default/entries?src=${src}&limit=500&order=ascending`;
    const headers = { "x-api-key": running.key };
    const page = async (src: string): Promise<string> =>
      (await fetch(`${running.url}${path(src)}`, { headers })).text();
    const [left, right] = [await page("left"), await page("right")];

    // More than the buffers of a connection hold.
    const pageCount = 150;
    const socket = connect(Number(new URL(running.url).port), "127.0.0.1");
    await once(socket, "connect");
    socket.pause();
    const request = (connection: string): string =>
      `GET ${path("left")} HTTP/1.1\r\nhost: a\r\nx-api-key: ${running.key}\r\nconnection: ${connection}\r\n\r\n`;
    socket.write(request("keep-alive").repeat(pageCount - 1) + request("close"));
    for (let count = 0; count < 40; count++) expect((await page("right")) === right, "a page").toBe(true);
    const late = (await text(socket)).split(left).length - 1;
    expect(late).toBe(pageCount);
  } finally {
    await running.stop();
  }
});
