import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { decodeCbor, encodeCbor } from "../../protocol/cbor.ts";
import { type RunningService, runService } from "../support/running-service.ts";
import { connect } from "../support/web-socket-client.ts";

let running: RunningService;
beforeEach(async () => {
  running = await runService();
});
afterEach(() => running.stop());

function commands(ids: readonly number[], more: (id: number) => object = () => ({})): object[] {
  return ids.map((id) => ({ cmd: "/v1/Log.Log", id, args: { msg: `line ${id}`, ...more(id) } }));
}
async function statuses(frame: object): Promise<string[]> {
  const { resp } = await running.ask({ v: 1, src: "b", boot: "x", ...frame });
  return (resp as { id?: number; status: number; status_msg?: string }[]).map(
    ({ id, status, status_msg: words }) => [id, status, words].filter((part) => part !== undefined).join(" "),
  );
}
async function listed(src = "b"): Promise<{ readonly [field: string]: unknown }[]> {
  const fields = ["boot", "seq", "level", "clock", "uptime"];
  const { resp } = await running.ask({
    v: 1,
    cmds: [{ cmd: "/v1/Log.List", id: 1, args: { src, fields, limit: 1000 } }],
  });
  return (resp as [{ resp: { [field: string]: unknown }[] }])[0].resp;
}
const messages = async () => (await listed()).map(({ msg }) => msg);

describe("a frame with boot, an answer for each command", () => {
  test("a resent frame is answered 0 and stored once", async () => {
    expect(await statuses({ cmds: commands([1, 2]) })).toEqual(["1 0", "2 0"]);
    expect(await statuses({ cmds: commands([1, 2, 3]) })).toEqual(["1 0", "2 0", "3 0"]);
    expect(await listed()).toMatchObject([1, 2, 3].map((seq) => ({ seq, boot: "x", msg: `line ${seq}` })));
    expect(running.counters.values().service_duplicate_entries_total).toBe(2);
  });

  test("after a gap: 409 with the seq expected, never 0, and nothing stored", async () => {
    await statuses({ cmds: commands([1]) });
    const words = "409 id: after a gap; seq 2 of boot x is expected next";
    expect(await statuses({ cmds: commands([3, 4]) })).toEqual([`3 ${words}`, `4 ${words}`]);
    expect(await messages()).toEqual(["line 1"]);
    expect(await statuses({ cmds: commands([2, 3, 4]) })).toEqual(["2 0", "3 0", "4 0"]);
    expect(await messages()).toEqual([1, 2, 3, 4].map((id) => `line ${id}`));
  });

  test("what is below first is lost and said so; its place is before what follows", async () => {
    await statuses({ cmds: commands([1]) });
    expect(await statuses({ first: 5, cmds: commands([5]) })).toEqual(["5 0"]);
    expect(await listed()).toMatchObject([
      { msg: "line 1" },
      { stream: "loss", msg: { boot: "x", first: 2, last: 4, count: 3, where: "link" } },
      { msg: "line 5", seq: 5 },
    ]);
    expect(running.counters.values().service_lost_entries_total).toBe(3);
  });

  test("a board's drop notice becomes a loss record and uses up its seqs", async () => {
    await statuses({ cmds: commands([1]) });
    const notice = { first: 2, last: 6, count: 5, where: "agent", why: "ring full" };
    const drop = { cmd: "/v1/Log.Log", id: 6, args: { stream: "loss", msg: notice } };
    expect(await statuses({ cmds: [drop, ...commands([7])] })).toEqual(["6 0", "7 0"]);
    expect(await listed()).toMatchObject([
      { msg: "line 1" },
      { stream: "loss", msg: { boot: "x", ...notice } },
      { msg: "line 7", seq: 7 },
    ]);
  });

  test("a bad command is refused, uses up its seq, and leaves a loss record", async () => {
    const bad = { cmd: "/v1/Log.Log", id: 2, args: { msg: 5 } };
    const words = "400 msg: must be a string, an object or an array";
    expect(await statuses({ cmds: [...commands([1]), bad, ...commands([3])] })).toEqual([
      "1 0",
      `2 ${words}`,
      "3 0",
    ]);
    expect(await listed()).toMatchObject([
      { msg: "line 1" },
      {
        stream: "loss",
        msg: { first: 2, last: 2, count: 1, where: "service", why: expect.stringContaining("msg: ") },
      },
      { msg: "line 3" },
    ]);
    expect(await statuses({ cmds: commands([4]) })).toEqual(["4 0"]);
  });

  test("ids out of order are 400 and use up nothing", async () => {
    const words = "400 id: in a frame with boot, ids must ascend";
    expect(await statuses({ cmds: commands([1, 2, 2, 1, 3]) })).toEqual([
      "1 0",
      "2 0",
      `2 ${words}`,
      `1 ${words}`,
      "3 0",
    ]);
    expect(await messages()).toEqual(["line 1", "line 2", "line 3"]);
  });

  test("other methods are run and use up no seq; a command of another source is refused", async () => {
    const list = { cmd: "/v1/Log.List", id: 2, args: { src: "b" } };
    const { resp } = await running.ask({
      v: 1,
      src: "b",
      boot: 7,
      cmds: [...commands([1]), list, { cmd: "x", id: 3 }],
    });
    expect(resp).toMatchObject([
      { id: 1, status: 0 },
      { id: 2, status: 0, resp: [{ msg: "line 1" }] },
      { id: 3, status: 404 },
    ]);
    expect(await statuses({ boot: 7, cmds: commands([2], () => ({ src: "c" })) })).toEqual([
      "2 400 src: not of another source in a frame with boot",
    ]);
    expect(await listed("c")).toEqual([]);
  });

  test("boots count apart, and a boot as an integer is its digits", async () => {
    await statuses({ boot: 5, cmds: commands([1]) });
    expect(await statuses({ boot: "5", cmds: commands([1, 2]) })).toEqual(["1 0", "2 0"]);
    expect(await statuses({ boot: 6, cmds: commands([1]) })).toEqual(["1 0"]);
    expect((await listed()).map(({ boot, seq }) => `${boot}:${seq}`)).toEqual(["5:1", "5:2", "6:1"]);
  });

  test("uptime is mapped by the frame's own now", async () => {
    const before = Date.now();
    const cmds = commands([1], () => ({ uptime: 4_000 }));
    await statuses({ clock: "uptime", now: 10_000, cmds });
    const [entry] = await listed();
    expect(entry).toMatchObject({ clock: "estimated", uptime: 4_000 });
    expect(entry?.timestamp).toBeGreaterThanOrEqual(before - 6_000);
    expect(entry?.timestamp).toBeLessThanOrEqual(Date.now() - 6_000);
  });

  test("the same frame on many connections at once is stored once, in order", async () => {
    const frames = Array.from({ length: 20 }, (_, index) => ({
      cmds: commands([1, 2, 3, 4, 5].map((n) => n + (index % 4))),
    }));
    for (let round = 0; round < 3; round++) await Promise.all(frames.map((frame) => statuses(frame)));
    expect((await listed()).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

describe("a frame with boot and ack", () => {
  test("one cumulative ack, the boot as the board wrote it, and the service's UTC", async () => {
    const before = Date.now();
    const { now, ...ack } = await running.ask({
      v: 1,
      src: "b",
      boot: 12,
      ack: true,
      cmds: commands([1, 2]),
    });
    expect(ack).toEqual({ v: 1, boot: 12, ack: 2 });
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(Date.now());
  });

  test("a gap repeats the mark and asks to go back; an empty frame is told the mark", async () => {
    const ask = async (cmds: object[]) => {
      const { now: _, ...ack } = await running.ask({ v: 1, src: "b", boot: "q", ack: true, cmds });
      return ack;
    };
    expect(await ask([])).toEqual({ v: 1, boot: "q", ack: 0 });
    expect(await ask(commands([1]))).toEqual({ v: 1, boot: "q", ack: 1 });
    expect(await ask(commands([3]))).toEqual({ v: 1, boot: "q", ack: 1, resend: true });
    expect(await ask(commands([1]))).toEqual({ v: 1, boot: "q", ack: 1 });
    expect(await ask([])).toEqual({ v: 1, boot: "q", ack: 1 });
  });

  test("a compact frame says the same and is acked with JSON text", async () => {
    const socket = await connect(running.url, { headers: { "x-api-key": running.key } });
    socket.send('["@x","b",1,0,1000,500,0,"one",{"n": 1.0}]');
    expect(await socket.nextJson()).toMatchObject({ v: 1, boot: "x", ack: 2 });
    expect(await listed()).toMatchObject([
      { msg: "one", seq: 1, boot: "x", clock: "estimated", uptime: 1000 },
      { msg: { n: 1 }, seq: 2 },
    ]);
  });

  test("CBOR is acked in CBOR", async () => {
    const body = encodeCbor({ v: 1, src: "b", boot: "x", ack: true, cmds: commands([1]) });
    const response = await running.post("/", body, { "content-type": "application/cbor" });
    expect(decodeCbor(new Uint8Array(await response.arrayBuffer()))).toMatchObject({
      ok: true,
      value: { v: 1, boot: "x", ack: 1, now: expect.any(Number) },
    });
  });

  test("ack false: no answer, and a gap is a loss at once", async () => {
    const frame = { v: 1, src: "b", boot: "x", ack: false };
    const response = await running.post("/", JSON.stringify({ ...frame, cmds: commands([1, 4]) }));
    expect([response.status, await response.text()]).toEqual([204, ""]);
    expect(await listed()).toMatchObject([
      { msg: "line 1" },
      { stream: "loss", msg: { first: 2, last: 3, where: "link" } },
      { msg: "line 4" },
    ]);
    const socket = await connect(running.url, { headers: { "x-api-key": running.key } });
    socket.send(JSON.stringify({ ...frame, cmds: commands([5]) }));
    socket.send(JSON.stringify({ v: 1, cmds: [] }));
    expect(await socket.nextJson()).toEqual({ v: 1, src: "//boardlog", resp: [] });
  });
});
