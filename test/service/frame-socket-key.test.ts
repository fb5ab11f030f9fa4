import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { CounterTable } from "../../host/counters.ts";
import { silentLog } from "../../host/process-log.ts";
import type { KeyRing } from "../../service/auth/caller.ts";
import { Commands } from "../../service/commands.ts";
import { EntryAppender } from "../../service/entry-appender.ts";
import { FrameSocket, KEY_MS_MAX } from "../../service/http/frame-socket.ts";
import { FrameTurns, TURN_BYTES } from "../../service/http/frame-turns.ts";
import { Heartbeat, PING_MS } from "../../service/http/heartbeat.ts";
import { NameQuota } from "../../service/name-quota.ts";
import { RateLimiter } from "../../service/rate-limiter.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { FakeSocket } from "../support/fake-socket.ts";
import { MemoryStore } from "../support/memory-store.ts";

const CALLER = { keyId: "k", project: "default", rights: new Set(["admin"] as const) };
const keys: KeyRing = {
  verify: async (key) => (key === "good" ? CALLER : undefined),
  verifyToken: async () => undefined,
  isStillGood: () => true,
  reload: async () => {},
  onChange: () => () => {},
};
const frame = (key: string) => Buffer.from(JSON.stringify({ v: 1, key, cmds: [] }));

function open(caller: typeof CALLER | undefined, yieldTurn = () => Promise.resolve()) {
  const time = new VirtualTime();
  const socket = new FakeSocket();
  const counters = new CounterTable();
  const store = new MemoryStore();
  const commands = new Commands({
    store,
    clock: time,
    timers: time,
    counters,
    log: silentLog,
    limiter: new RateLimiter(time),
    appender: new EntryAppender({ store, counters }),
    nameQuota: new NameQuota(time),
  });
  const turns = new FrameTurns(yieldTurn);
  const dependencies = { socket, commands, keys, counters, timers: time, turns };
  new FrameSocket(dependencies, { ownAddress: "//x", caller }).start();
  return { time, socket };
}

test("a socket that shows no good key is sent away after its time, one that does stays", async () => {
  const never = open(undefined);
  const wrong = open(undefined);
  const good = open(undefined);
  const known = open(CALLER);
  wrong.socket.receive(frame("wrong"));
  good.socket.receive(frame("good"));
  await good.socket.sent(1);
  await wrong.socket.sent(1);
  for (const { time } of [never, wrong, good, known]) await time.advance(KEY_MS_MAX);
  expect([never, wrong, good, known].map(({ socket }) => socket.closeCode)).toEqual([
    1008,
    1008,
    undefined,
    undefined,
  ]);
});

test("a socket that answers no ping for a whole period is cut off; one that is heard in any way stays", () => {
  const time = new VirtualTime();
  const heartbeat = new Heartbeat(time);
  heartbeat.start();
  const [dead, ponging, talking] = [new FakeSocket(), new FakeSocket(), new FakeSocket()];
  for (const socket of [dead, ponging, talking]) heartbeat.watch(socket);
  for (let beat = 0; beat < 3; beat++) {
    time.advance(PING_MS);
    ponging.pong();
    talking.receive(Buffer.from("x"));
  }
  expect([dead, ponging, talking].map((socket) => socket.isTerminated)).toEqual([true, false, false]);
  expect(heartbeat.socketCount).toBe(2);
});

test("of large frames that come in one read, one is stored and answered before the next is even looked at", async () => {
  const ends: (() => void)[] = [];
  const { socket } = open(CALLER, () => new Promise((resolve) => ends.push(resolve)));
  const large = JSON.stringify({
    v: 1,
    src: "//h/d",
    cmds: [{ cmd: "/v1/Log.Log", id: 1, args: { msg: "x".repeat(TURN_BYTES) } }],
  });
  for (let count = 0; count < 3; count++) socket.receive(Buffer.from(large));
  for (const answered of [1, 2, 3]) {
    await turn();
    expect(socket.messages.length).toBe(answered);
    ends.shift()?.();
  }
});
