import { describe, expect, test } from "vitest";
import { CounterTable } from "../../host/counters.ts";
import { silentLog } from "../../host/process-log.ts";
import { decodeFrameText } from "../../protocol/frame-decoder.ts";
import type { Caller } from "../../service/auth/caller.ts";
import { Commands } from "../../service/commands.ts";
import { EntryAppender } from "../../service/entry-appender.ts";
import { NameQuota } from "../../service/name-quota.ts";
import { RateLimiter } from "../../service/rate-limiter.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { MemoryStore } from "../support/memory-store.ts";

const CALLER: Caller = { keyId: "k", project: "default", rights: new Set(["admin"]) };

function setUp() {
  const store = new MemoryStore();
  const time = new VirtualTime();
  const commands = new Commands({
    store,
    clock: time,
    timers: time,
    counters: new CounterTable(),
    log: silentLog,
    limiter: new RateLimiter(time),
    appender: new EntryAppender({ store, counters: new CounterTable() }),
    nameQuota: new NameQuota(time),
  });
  const run = (text: string, ended?: AbortSignal) => {
    const frame = decodeFrameText(text);
    if (!frame.ok) throw new Error(frame.problem.text);
    return commands.runFrame(frame.value, CALLER, ended && (() => ended));
  };
  return { store, time, run };
}

const FOLLOW = '{"cmd":"/v1/Log.List","id":1,"args":{"src":"s","follow":true}}';
const EMPTY = { id: 1, status: 0, payload: { entries: [], fields: [] } };

describe("follow, in virtual time", () => {
  test("ends empty after 30 s, and leaves neither a subscription nor a timer behind", async () => {
    const { store, time, run } = setUp();
    let answer: unknown;
    const running = run(`{"cmds":[${FOLLOW}]}`).then((result) => {
      answer = result;
    });
    await time.advance(29_999);
    expect(answer).toBeUndefined();
    expect(store.listenerCount).toBe(1);
    await time.advance(1);
    await running;
    expect(answer).toEqual({ type: "answers", answers: [EMPTY] });
    expect(store.listenerCount).toBe(0);
    expect(time.pendingCount).toBe(0);
  });

  test("many in one frame wait 30 s together, not each", async () => {
    const { time, run } = setUp();
    const running = run(`{"cmds":[${FOLLOW},${FOLLOW},${FOLLOW}]}`);
    await time.advance(30_000);
    expect(await running).toEqual({ type: "answers", answers: [EMPTY, EMPTY, EMPTY] });
  });

  test("ends when its caller has gone", async () => {
    const { store, run } = setUp();
    const gone = new AbortController();
    const running = run(`{"cmds":[${FOLLOW}]}`, gone.signal);
    gone.abort();
    expect(await running).toEqual({ type: "answers", answers: [EMPTY] });
    expect(store.listenerCount).toBe(0);
  });
});
