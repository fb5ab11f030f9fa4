import { afterEach, expect, test } from "vitest";
import { BoardlogProcess, pause, until } from "../support/boardlog-process.ts";
import { listAll } from "../support/list-client.ts";
import { startMqttBoards } from "../support/mqtt-boards.ts";

const BOARD_COUNT = 20;
const ROUND_COUNT = 4;
/** A writer without seqs: an answer of status 0 is its ack. */
const WRITER = "writer";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test("kill -9 under load, again and again: nothing acked is missing, nothing is there twice, all in order", async () => {
  const up = await BoardlogProcess.create(["--quiet"]);
  cleanups.push(() => up.remove());
  await up.start();
  const key = await up.key();
  const connection = { brokerUrl: `mqtt://127.0.0.1:${up.mqttPort}`, username: "default", password: key };
  const { boards, stop } = await startMqttBoards(BOARD_COUNT, "board", () => connection, {
    ringBytesMax: 1 << 20,
  });
  cleanups.push(stop);
  let isLoading = true;
  let count = 0;
  const load = (async () => {
    while (isLoading) {
      count += 1;
      for (const board of boards) board.console.info(`line ${count}`);
      await pause(2);
    }
  })();
  const ackedTexts: string[] = [];
  const writer = (async () => {
    for (let sent = 1; isLoading; sent++) {
      const text = `post ${sent}`;
      const body = JSON.stringify({ src: WRITER, msg: text });
      const isAcked = await fetch(`${up.url}/v1/Log.Log`, {
        method: "POST",
        headers: { "x-api-key": key, "content-type": "application/json" },
        body,
      }).then(
        (response) => response.ok,
        () => false,
      );
      if (isAcked) ackedTexts.push(text);
      else await pause(20);
    }
  })();

  const ackedAtKill: number[][] = [];
  for (let round = 1; round <= ROUND_COUNT; round++) {
    const before = boards.map((board) => board.agent.stats.acked);
    await until("something new is acked", () =>
      boards.some((board, index) => board.agent.stats.acked > (before[index] ?? 0)),
    );
    await pause(150 * round);
    ackedAtKill.push(boards.map((board) => board.agent.stats.acked));
    await up.end("SIGKILL");
    await up.start();
  }
  await pause(300);
  isLoading = false;
  await Promise.all([load, writer]);
  await until("every line is acked", () =>
    boards.every((board) => board.agent.stats.acked === board.agent.stats.seq),
  );

  expect(Math.max(...(ackedAtKill[0] ?? []))).toBeGreaterThan(0);
  for (const [index, board] of boards.entries()) {
    const entries = await listAll(up.url, key, `board-${index}`);
    const { seq, droppedOldest, droppedNewest } = board.agent.stats;
    expect(droppedOldest + droppedNewest).toBe(0);
    expect(entries.map((entry) => entry.seq)).toEqual(Array.from({ length: seq }, (_, at) => at + 1));
    expect(entries.map((entry) => entry.msg)).toEqual(entries.map((entry) => `line ${entry.seq}`));
  }
  const posted = (await listAll(up.url, key, WRITER)).map((entry) => entry.msg);
  expect(posted.filter((text) => ackedTexts.includes(String(text)))).toEqual(ackedTexts);
  expect(new Set(posted).size).toBe(posted.length);
});
