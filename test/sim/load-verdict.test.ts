import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { afterEach, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { NEVER_ENDED } from "../../host/abortable.ts";
import { LiveWitness } from "../../sim/load/live-witness.ts";
import type { DeviceLife } from "../../sim/load/load-device.ts";
import { parseFault } from "../../sim/load/load-faults.ts";
import { loadMessage, loggedAt, MESSAGE_MODELS } from "../../sim/load/load-line.ts";
import { judgeLine, messageOf, recordedDue } from "../../sim/load/load-script.ts";
import { type ReadRun, readBack } from "../../sim/load/read-back.ts";
import { readRecording } from "../../sim/load/recording.ts";

interface Row {
  readonly seq: number;
  readonly msg: unknown;
  readonly timestamp: number;
  readonly boot?: string;
  readonly stream?: string;
}

const UTC_MS = 1_763_784_000_000;
const script = { type: "model", model: "text" } as const;
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

const line = (seq: number): Row => ({
  seq,
  msg: messageOf(script, 0, seq, UTC_MS + seq),
  timestamp: UTC_MS + seq,
});
const whole = (): Row[] => [1, 2, 3, 4, 5].map(line);

/** What is read of devices whose log, the same for each, a service lists like this, two entries a page. */
async function readOf(rows: readonly Row[], life: Partial<DeviceLife> = {}, run: Partial<ReadRun> = {}) {
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => (body += part.toString()));
    request.on("end", () => {
      const { after } = JSON.parse(body) as { after?: string };
      const start = after === undefined ? 0 : Number(after) + 1;
      const resp = rows
        .map((row, index) => ({
          stream: "console",
          boot: "b",
          received: row.timestamp,
          ...row,
          id: `${index}`,
        }))
        .slice(start, start + 2);
      response.end(JSON.stringify({ status: 0, resp }));
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const devices = [[{ boot: "b", seq: 5, acked: 5, dropped: 0, ...life }]];
  return await readBack(
    { url: `http://127.0.0.1:${port}`, key: "k" },
    { devices, script, between: undefined, signal: NEVER_ENDED, ...run },
    () => {},
  );
}

async function verdictOn(...given: Parameters<typeof readOf>) {
  return (await readOf(...given)).verdict;
}

const CLEAN = {
  lost: 0,
  twice: 0,
  outOfOrder: 0,
  altered: 0,
  wronglyDated: 0,
  unaccountedDrops: 0,
  undrained: 0,
};

test("a log that is as it was logged is clean, and pages that are short are no end", async () => {
  expect(await verdictOn(whole())).toMatchObject({ ...CLEAN, listed: 5, acked: 5, examples: [] });
});

test("what is wrong is found for what it is", async () => {
  const [one, two, three, four, five] = whole() as [Row, Row, Row, Row, Row];
  expect(await verdictOn([one, two, four, five])).toMatchObject({ ...CLEAN, lost: 1 });
  expect(await verdictOn([one, two, two, three, four, five])).toMatchObject({ twice: 1, lost: 0 });
  expect(await verdictOn([one, three, two, four, five])).toMatchObject({ ...CLEAN, outOfOrder: 1 });
  const altered = { ...three, msg: `${three.msg} ` };
  expect(await verdictOn([one, two, altered, four, five])).toMatchObject({ ...CLEAN, altered: 1 });
  const late = { ...three, timestamp: three.timestamp + 1 };
  expect(await verdictOn([one, two, late, four, five])).toMatchObject({ ...CLEAN, wronglyDated: 1 });
  const verdict = await verdictOn(whole(), {}, { between: [UTC_MS + 2, UTC_MS + 4] });
  expect(verdict).toMatchObject({ ...CLEAN, wronglyDated: 2 });
  expect(verdict.examples[0]).toContain("load-0: seq 1");
});

test("the order map shows boards of which something was found wrong, however many are before them", async () => {
  const life: DeviceLife = { boot: "b", seq: 5, acked: 5, dropped: 0 };
  // The others logged nothing in this run.
  const devices = Array.from({ length: 60 }, (_, device) => (device === 55 ? [life] : []));
  const { orderMap } = await readOf([line(2), line(1)], {}, { devices });
  expect(orderMap).toHaveLength(40);
  expect(orderMap.find(({ device }) => device === 55)?.seqs).toEqual([2, 1]);
});

test("a line that nobody logged is altered, and lines that were not acked may be missing", async () => {
  expect(await verdictOn([...whole(), line(6)], { seq: 6, acked: 3 })).toMatchObject({
    altered: 0,
    undrained: 3,
  });
  const board = verdictOn([...whole(), { ...line(7), msg: line(8).msg }], { seq: 7, acked: 5 });
  expect(await board).toMatchObject({ altered: 1, lost: 0 });
});

test("drops are held against the loss records; a loss that is not the board's own is a loss", async () => {
  const dropped = (where: string): Row => ({
    ...line(3),
    stream: "loss",
    msg: { first: 2, last: 3, where },
  });
  const rows = (where: string): Row[] => [line(1), dropped(where), line(4), line(5)];
  expect(await verdictOn(rows("agent"), { dropped: 2 })).toMatchObject({ ...CLEAN, droppedListed: 2 });
  expect(await verdictOn(rows("agent"), { dropped: 3 })).toMatchObject({ unaccountedDrops: 1 });
  expect(await verdictOn(rows("gateway"))).toMatchObject({ ...CLEAN, lost: 2 });
});

test("what a board had in memory when it fell over is told apart from what was lost", async () => {
  const lives: DeviceLife[] = [
    { boot: "b-0", seq: 4, acked: 2, dropped: 0 },
    { boot: "b-1", seq: 1, acked: 1, dropped: 0 },
  ];
  const rows = [
    { ...line(1), boot: "b-0" },
    { ...line(2), boot: "b-0" },
    { ...line(3), boot: "b-0" },
    { ...line(1), boot: "b-1" },
  ];
  expect(await verdictOn(rows, {}, { devices: [lives] })).toMatchObject({
    ...CLEAN,
    listed: 4,
    goneWithBoards: 2,
  });
  expect(await verdictOn(rows.slice(1), {}, { devices: [lives] })).toMatchObject({ lost: 1 });
});

test("every model's line says of itself that it is right, and no other line does", () => {
  for (const model of MESSAGE_MODELS) {
    for (let seq = 1; seq < 60; seq++) {
      const listed: unknown = JSON.parse(
        JSON.stringify(loadMessage(model, { device: 7, seq, utcMs: UTC_MS })),
      );
      expect(loggedAt(model, { device: 7, seq }, listed)).toBe(UTC_MS);
      expect(loggedAt(model, { device: 7, seq: seq + 1 }, listed)).toBeUndefined();
      expect(loggedAt(model, { device: 8, seq }, listed)).toBeUndefined();
    }
    for (const junk of [null, 3, "", {}, [], { t: UTC_MS }]) {
      expect(loggedAt(model, { device: 7, seq: 1 }, junk)).toBeUndefined();
    }
  }
});

test("a recording is replayed board by board, in its order and at its pace, again and again", () => {
  const entries = [
    { src: "a", timestamp: 1000, msg: "a1", level: "warn" },
    { src: "b", timestamp: 1500, msg: { n: 1 } },
    { src: "a", timestamp: 900, msg: "a2" },
    { src: "a", timestamp: 3000, msg: 5 },
    { src: "a", timestamp: 3100, msg: { first: 1 }, stream: "loss" },
  ];
  const boards = readRecording(entries.map((entry) => JSON.stringify(entry)).join("\n"));
  if (typeof boards === "string") throw new Error(boards);
  const recording = { type: "recording", boards } as const;
  expect([1, 2, 3, 4].map((seq) => messageOf(recording, 2, seq, 0))).toEqual(["a1", "a2", "5", "a1"]);
  expect([0, 1999, 2000, 2999, 3000].map((ms) => recordedDue(boards, 0, ms))).toEqual([2, 2, 3, 3, 5]);
  expect(judgeLine(recording, 1, 1, { n: 1 })).toEqual({ isRight: true });
  expect(judgeLine(recording, 1, 1, { n: 2 })).toEqual({ isRight: false });
});

test("a file that is no recording is refused with its line", () => {
  const good = '{"src":"a","timestamp":1,"msg":"x"}\n';
  expect(readRecording(`${good}{`)).toBe("line 2: it is no JSON");
  expect(readRecording(`${good}null`)).toBe("line 2: src: must be a text");
  expect(readRecording('{"src":"a","timestamp":"1","msg":"x"}')).toBe(
    "line 1: timestamp: must be a number of ms",
  );
  expect(readRecording('{"src":"a","timestamp":1}')).toBe("line 1: msg: is missing");
  expect(readRecording("\n")).toBe("there is no entry in it");
});

test("faults are read as they are written, and what is wrong is said", () => {
  expect(parseFault("kill@10")).toEqual({ name: "kill", atS: 10, forS: 0 });
  expect(parseFault("loss@1.5+20")).toEqual({ name: "loss", atS: 1.5, forS: 20 });
  expect(parseFault("loss@2")).toEqual({ name: "loss", atS: 2, forS: 5 });
  expect(parseFault("fire@2")).toContain("fire is none of kill");
  expect(parseFault("kill@2+3")).toContain("leave +3 out");
  expect(parseFault("kill")).toContain("write it as WHAT@SECOND");
});

test("the live reader takes up where it broke, and finds what comes twice or out of order", async () => {
  const message = (id: number, boot: string, seq: number): string =>
    JSON.stringify({ result: { data: { id: `${id}`, deviceId: "d", metadata: { boot, seq } } } });
  const asked: string[] = [];
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket, request) => {
    asked.push(request.url ?? "");
    if (asked.length === 1) {
      for (const [id, boot, seq] of [
        [1, "run-0", 1],
        [2, "other", 9],
        [3, "run-0", 3],
      ] as const)
        socket.send(message(id, boot, seq));
      socket.close();
      return;
    }
    for (const seq of [3, 2, 4]) socket.send(message(10 + seq, "run-0", seq));
    socket.send(JSON.stringify({ skipped: { after: "1", until: "9", count: 7 } }));
  });
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const witness = new LiveWitness({ url: `http://127.0.0.1:${port}`, key: "k y", project: "p" }, "run");
  await witness.start(NEVER_ENDED);
  await witness.settled(12, 10_000, NEVER_ENDED);
  witness.end();
  server.close();
  expect(asked).toEqual([
    "/v1/ws/projects/p/logs?x-api-key=k%20y",
    "/v1/ws/projects/p/logs?x-api-key=k%20y&after=3",
  ]);
  expect(witness.seen).toMatchObject({ entries: 5, twice: 1, outOfOrder: 1, skipped: 7, reconnects: 1 });
});
