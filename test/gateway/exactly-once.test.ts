import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Committer } from "../../gateway/committer.ts";
import { Intake } from "../../gateway/intake.ts";
import { Pauses } from "../../gateway/pauses.ts";
import type { Reply } from "../../gateway/reply.ts";
import { SessionTable } from "../../gateway/session-table.ts";
import { SourceHistories } from "../../gateway/source-histories.ts";
import { WallClock } from "../../gateway/wall-clock.ts";
import { decodeFrameText } from "../../protocol/frame-decoder.ts";
import { SeededRandom, virtualWorld } from "../support/gateway-world.ts";
import type { MemoryUplink } from "../support/memory-uplink.ts";
import { ModelBoard } from "../support/model-board.ts";

const ARRIVAL = { sizeBytes: 0, isHeldBack: false };
const SRCS = ["kitchen", "cellar"];

/** A gateway without wires over a service that survives it. */
function startGateway(world: ReturnType<typeof virtualWorld>) {
  const pauses = new Pauses(world.time);
  const committer = new Committer(world, { commitEntriesMax: 7, laneEntriesMax: 10, queueEntriesMax: 15 });
  const histories = new SourceHistories(world, async () => true);
  const wallClock = new WallClock(world);
  const sessions = new SessionTable(
    { ...world, pauses, committer, histories, wallClock },
    { sessionsMax: 3 },
  );
  return {
    wallClock,
    intake: new Intake({ ...world, wallClock, committer, sessions }),
    stop: async () => {
      pauses.end();
      const stopped = committer.stop(50);
      await world.time.advanceAsync(50);
      await stopped;
    },
  };
}

/** Runs boards over a bad link for a while, then over a good one until all is acked. */
async function run(seed: number) {
  const random = new SeededRandom(seed);
  const chance = (probability: number): boolean => random.fraction() < probability;
  const pick = <Item>(items: readonly Item[]): Item => {
    const item = items[Math.floor(random.fraction() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  };
  const world = virtualWorld();
  const { time, uplink } = world;
  uplink.gate = () => new Promise((resolve) => time.after(random.fraction() * 40, resolve));
  let gateway = startGateway(world);
  const boards: ModelBoard[] = [];
  const current = SRCS.map((src) => new ModelBoard(src, "boot-first", 6));
  boards.push(...current);
  /** The link: things under way, delivered in any order. */
  const air: (() => void)[] = [];

  const throughAir = (deliver: () => void, isBad: boolean): void => {
    if (isBad && chance(0.2)) return;
    air.push(deliver);
    if (isBad && chance(0.1)) air.push(deliver);
  };
  const send = (index: number, isBad: boolean): void => {
    const board = current[index];
    const src = SRCS[index];
    if (board === undefined || src === undefined) return;
    const decoded = decodeFrameText(board.nextFrame(1 + Math.floor(random.fraction() * 4)));
    if (!decoded.ok) throw new Error(decoded.problem.text);
    const onReply = (reply: Reply): void => {
      if (reply.type !== "ack") return;
      const { boot, seq, resend = false } = reply.ack;
      expect(seq, "an ack beyond what is durable").toBeLessThanOrEqual(durableSeq(uplink, src, boot.text));
      throughAir(() => {
        const target = boards.find((each) => each.boot === boot.text && each.textOf(0).startsWith(src));
        target?.onAck(seq, resend);
      }, isBad);
    };
    const { intake, wallClock } = gateway;
    const take = async (): Promise<void> =>
      intake.frame({ project: "default", src }, decoded.value, wallClock.receipt(), ARRIVAL, onReply);
    throughAir(() => {
      take().catch((error: Error) => expect(error.message).toBe("the gateway is stopping"));
    }, isBad);
  };

  for (let step = 0; step < 300; step++) {
    const index = Math.floor(random.fraction() * current.length);
    const board = current[index];
    const dice = random.fraction();
    if (dice < 0.35) board?.log();
    else if (dice < 0.6) send(index, true);
    else if (dice < 0.85) {
      const deliver = air.length === 0 ? undefined : pick(air);
      if (deliver !== undefined) air.splice(air.indexOf(deliver), 1);
      deliver?.();
    } else if (dice < 0.91) board?.goBack();
    else if (dice < 0.93) board?.forget();
    else if (dice < 0.95) uplink.isAway = !uplink.isAway;
    else if (dice < 0.96) {
      await gateway.stop();
      gateway = startGateway(world);
    } else if (dice < 0.97) {
      const next = new ModelBoard(SRCS[index] ?? "", `boot-${step}`, 6);
      boards.push(next);
      current[index] = next;
    }
    await time.advanceAsync(random.fraction() * 30);
  }

  uplink.isAway = false;
  for (let round = 0; round < 400; round++) {
    for (const deliver of air.splice(0)) deliver();
    await time.advanceAsync(100);
    if (current.every((board) => board.acked === board.seq)) break;
    for (const [index, board] of current.entries()) {
      if (round % 5 === 0) board.goBack();
      send(index, false);
    }
  }
  await gateway.stop();
  return { boards, current, uplink };
}

function durableSeq(uplink: MemoryUplink, src: string, boot: string): number {
  return uplink.entries.reduce(
    (highest, entry) =>
      entry.src === src && entry.boot === boot
        ? Math.max(highest, entry.seq ?? 0, entry.lost?.last ?? 0)
        : highest,
    0,
  );
}

/** What is stored of a boot, in order, must be 1, 2, 3, ...: each seq as its own line or within one loss record. */
function checkBoot(uplink: MemoryUplink, board: ModelBoard): void {
  const src = board.textOf(0).split(" ")[0] ?? "";
  let expected = 1;
  for (const entry of uplink.entries) {
    if (entry.src !== src || entry.boot !== board.boot) continue;
    const { lost, seq, msg } = entry;
    if (lost === undefined) {
      expect(seq).toBe(expected);
      expect(JSON.parse(msg)).toBe(board.textOf(expected));
      expect(board.dropped.has(expected)).toBe(false);
      expected += 1;
      continue;
    }
    expect(lost.first).toBe(expected);
    const { where } = JSON.parse(msg) as { where: string };
    for (; expected <= lost.last; expected++) {
      const isExplained = board.dropped.has(expected) || (where === "link" && board.forgotten.has(expected));
      expect(isExplained, `seq ${expected} called lost (${where}) and was not`).toBe(true);
    }
  }
  expect(expected - 1, "not everything acked is stored").toBeGreaterThanOrEqual(board.acked);
}

describe("over a link that loses, repeats and reorders, with outages and restarts of the gateway", () => {
  test("every acked seq is stored exactly once and in order, and every gap is accounted for", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), async (seed) => {
        const { boards, current, uplink } = await run(seed);
        for (const board of boards) checkBoot(uplink, board);
        for (const board of current) expect(board.acked, "the end was never acked").toBe(board.seq);
        expect(uplink.duplicateCount).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});
