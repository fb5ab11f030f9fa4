import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RunningService, runService } from "../support/running-service.ts";

let running: RunningService;
beforeEach(async () => {
  running = await runService();
});
afterEach(() => running.stop());

interface Entry {
  readonly id: string;
  readonly msg: string;
  readonly timestamp: number;
}

async function page(args: object): Promise<readonly Entry[]> {
  const response = await running.post("/v1/Log.List", JSON.stringify({ src: "s", ...args }));
  return ((await response.json()) as { resp: Entry[] }).resp;
}

async function write(messages: readonly string[], timestamp: () => number, src = "s"): Promise<void> {
  const cmds = messages.map((msg, id) => ({ cmd: "/v1/Log.Log", id, args: { msg, timestamp: timestamp() } }));
  const { resp } = await running.ask({ v: 1, src, cmds });
  expect((resp as { status: number }[]).every(({ status }) => status === 0)).toBe(true);
}

/** Numbers that jump about, the same in every run. */
function scattered(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state;
  };
}

describe("walking a source by after", () => {
  test("while others write: every entry once, in arrival order, whatever the timestamps", async () => {
    const writerCount = 4;
    const frameCount = 25;
    const frameEntries = 8;
    const writers = Array.from({ length: writerCount }, async (_, writer) => {
      const random = scattered(writer + 1);
      for (let frame = 0; frame < frameCount; frame++) {
        await write(
          Array.from({ length: frameEntries }, (_, n) => `${writer} ${frame * frameEntries + n}`),
          random,
        );
        await write([`noise ${frame}`], random, "other");
      }
    });
    let isDone = false;
    const done = Promise.all(writers).then(() => {
      isDone = true;
    });
    const walked: Entry[] = [];
    const limits = scattered(99);
    for (let wasDone = false; !wasDone; ) {
      wasDone = isDone;
      for (;;) {
        const after = walked.at(-1)?.id;
        const entries = await page({ ...(after !== undefined && { after }), limit: 1 + (limits() % 40) });
        if (entries.length === 0) break;
        walked.push(...entries);
      }
    }
    await done;
    const ids = walked.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort());
    expect(walked).toHaveLength(writerCount * frameCount * frameEntries);
    for (let writer = 0; writer < writerCount; writer++) {
      const own = walked.map(({ msg }) => msg).filter((msg) => msg.startsWith(`${writer} `));
      expect(own).toEqual(Array.from({ length: frameCount * frameEntries }, (_, n) => `${writer} ${n}`));
    }
    expect(walked.map(({ timestamp }) => timestamp)).not.toEqual(
      walked.map(({ timestamp }) => timestamp).toSorted((a, b) => a - b),
    );
  });
});

describe("follow", () => {
  test("answers at once when there is something, with all of it", async () => {
    await write(["a", "b"], () => 1);
    expect((await page({ follow: true })).map(({ msg }) => msg)).toEqual(["a", "b"]);
  });

  test("waits for the next entry of that source and stream, and for no other", async () => {
    await write(["a"], () => 1);
    const [a] = await page({});
    const waiting = page({ follow: true, after: a?.id });
    await write(["other"], () => 1, "other");
    const settled = await Promise.race([
      waiting,
      new Promise((resolve) => setTimeout(resolve, 100, "waiting")),
    ]);
    expect(settled).toBe("waiting");
    await write(["b"], () => 1);
    expect((await waiting).map(({ msg }) => msg)).toEqual(["b"]);
  });

  test("never misses what is written while it starts to wait", async () => {
    let after: string | undefined;
    for (let index = 0; index < 50; index++) {
      const [entries] = await Promise.all([
        page({ follow: true, ...(after !== undefined && { after }) }),
        write([`${index}`], () => 1),
      ]);
      expect(entries.map(({ msg }) => msg)).toEqual([`${index}`]);
      after = entries[0]?.id;
    }
  });

  test("stopping the service answers those who wait", async () => {
    const waiting = page({ follow: true });
    await expect.poll(() => running.counters.values().service_frames_total).toBe(1);
    const [entries] = await Promise.all([waiting, running.service.stop()]);
    expect(entries).toEqual([]);
  });
});
