import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { CounterTable } from "../../../host/counters.ts";
import { silentLog } from "../../../host/process-log.ts";
import { NewestAnswer } from "../../../service/store/jetstream/newest-answer.ts";
import { ReplicaGuard } from "../../../service/store/jetstream/replica-guard.ts";
import type {
  ReplicaContent,
  ReplicasStanding,
  StreamReplicas,
} from "../../../service/store/jetstream/stream-replicas.ts";
import { StoreUnavailable } from "../../../service/store/log-store.ts";
import { VirtualTime } from "../../../sim/virtual-time.ts";
import { MemoryCluster, MemoryEngine } from "../../support/memory-engine.ts";

const PREFIX = "g";
const LOG = `${PREFIX}_log_default`;
const NODES = ["n0", "n1", "n2"];

/** One stream on nodes that may hold different messages under a seq, empty ones where they are deleted, and what was asked of them. */
class HandReplicas implements StreamReplicas {
  readonly nodes = new Map<string, string[]>(NODES.map((node) => [node, []]));
  readonly calls: string[] = [];
  readonly away = new Set<string>();
  /** From which seq contents were read. */
  readonly readFrom: number[] = [];
  leader = "n0";
  wantedCount = 3;
  elect: () => void = () => {};

  write(...messages: string[]): void {
    for (const content of this.nodes.values()) content.push(...messages);
  }

  async standing(stream: string): Promise<ReplicasStanding | undefined> {
    if (stream !== LOG) return undefined;
    return {
      wantedCount: this.wantedCount,
      lastSeq: this.nodes.get(this.leader)?.length ?? 0,
      replicas: [...this.nodes.keys()].map((node) => ({
        node,
        isLeader: node === this.leader,
        isCurrent: !this.away.has(node),
      })),
    };
  }

  async contents(
    _stream: string,
    fromSeq: number,
    throughSeq: number,
  ): Promise<ReadonlyMap<string, ReplicaContent>> {
    this.readFrom.push(fromSeq);
    return new Map(
      [...this.nodes].map(([node, messages]) => {
        const read = messages.slice(fromSeq - 1, throughSeq);
        return [node, { count: read.filter((message) => message !== "").length, digest: read.join() }];
      }),
    );
  }

  /** Whatever is written makes its replica settle what it had. */
  onBarrier: () => void = () => {};

  async writeBarrier(): Promise<number> {
    this.onBarrier();
    return this.nodes.get(this.leader)?.length ?? 0;
  }

  async stepDown(): Promise<void> {
    this.calls.push("step down");
    this.leader = [...this.nodes.keys()].find((node) => node !== this.leader && !this.away.has(node)) ?? "";
    this.elect();
  }

  async remove(_stream: string, node: string): Promise<void> {
    this.calls.push(`remove ${node}`);
    this.nodes.delete(node);
  }

  async setCount(_stream: string, count: number): Promise<void> {
    this.calls.push(`count ${count}`);
    if (count === this.wantedCount) return;
    this.wantedCount = count;
    for (const node of NODES)
      if (this.nodes.size < count && !this.nodes.has(node))
        this.nodes.set(node, [...(this.nodes.get(this.leader) ?? [])]);
  }

  onLeader(listener: (stream: string, node: string) => void): void {
    const before = this.elect;
    this.elect = () => {
      before();
      listener(LOG, this.leader);
    };
  }
}

const STEP_MS = 100;

/** Lets time pass; all that needs none is done at every step. */
async function pass(time: VirtualTime, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= STEP_MS) {
    await nextTurn();
    time.advance(STEP_MS);
  }
  await nextTurn();
}

async function startGuards(count = 1) {
  const time = new VirtualTime();
  const cluster = new MemoryCluster();
  const engine = new MemoryEngine(cluster);
  await engine.ensureStream(LOG, `${PREFIX}.log.default.>`);
  const replicas = new HandReplicas();
  const counters = new CounterTable();
  let repairs = 0;
  const start = (name: string): ReplicaGuard => {
    const world = { engine, replicas, clock: time, timers: time, counters, log: silentLog, name };
    const guard = new ReplicaGuard({ ...world, onRepair: () => repairs++ }, PREFIX);
    guard.start();
    return guard;
  };
  const guards = Array.from({ length: count }, (_, index) => start(`p${index}`));
  return { time, cluster, replicas, counters, guards, start, repairCount: () => repairs };
}

describe("after a stream got another leader", () => {
  test("replicas that hold the same are left alone, and what was compared is not read again", async () => {
    const { time, replicas } = await startGuards();
    replicas.write("a", "b", "c");
    replicas.elect();
    await pass(time, 2_000);
    replicas.write("d");
    replicas.elect();
    await pass(time, 2_000);
    expect(replicas.calls).toEqual([]);
    expect(replicas.readFrom).toEqual([1, 4]);
  });

  test("one that differs from the others is taken away and made anew, by one of all processes", async () => {
    const { time, replicas, counters, repairCount } = await startGuards(3);
    replicas.write("a", "b", "c", "d");
    replicas.nodes.get("n2")?.splice(1, 2, "x", "y");
    replicas.elect();
    await pass(time, 60_000);
    expect(replicas.calls).toEqual(["remove n2", "count 2", "count 3"]);
    expect([...replicas.nodes.values()]).toEqual([
      ["a", "b", "c", "d"],
      ["a", "b", "c", "d"],
      ["a", "b", "c", "d"],
    ]);
    expect(counters.values().store_replicas_remade_total).toBe(1);
    expect(repairCount()).toBe(1);
  });

  test("one that differs and leads has to let another lead first", async () => {
    const { time, replicas } = await startGuards();
    replicas.write("a", "b");
    replicas.nodes.get("n0")?.splice(0, 1, "x");
    replicas.elect();
    await pass(time, 60_000);
    expect(replicas.calls).toEqual(["step down", "remove n0", "count 2", "count 3"]);
    expect([...replicas.nodes.values()].every((content) => content.join() === "a,b")).toBe(true);
  });

  test("one that is away is compared when it is back, with all that came since", async () => {
    const { time, replicas } = await startGuards();
    replicas.write("a");
    replicas.elect();
    await pass(time, 2_000);
    replicas.away.add("n1");
    replicas.write("b", "c");
    replicas.elect();
    await pass(time, 3_600_000);
    expect(replicas.readFrom).toEqual([1]);
    replicas.away.delete("n1");
    replicas.nodes.get("n1")?.splice(1, 1, "x");
    await pass(time, 60_000);
    expect(replicas.calls).toEqual(["remove n1", "count 2", "count 3"]);
    expect(replicas.readFrom.slice(1).every((seq) => seq === 2)).toBe(true);
  });

  test("one that led before does not lead again before it is compared, if another can", async () => {
    const { time, replicas } = await startGuards();
    replicas.write("a");
    replicas.elect();
    await pass(time, 2_000);
    replicas.away.add("n0");
    replicas.leader = "n1";
    replicas.elect();
    await pass(time, 5_000);
    replicas.away.delete("n0");
    replicas.away.add("n1");
    replicas.leader = "n0";
    replicas.elect();
    await pass(time, 1_000);
    expect(replicas.calls).toEqual(["step down"]);
    expect(replicas.leader).toBe("n2");
    replicas.away.add("n2");
    replicas.away.delete("n1");
    replicas.leader = "n0";
    replicas.elect();
    await pass(time, 1_000);
    expect(replicas.calls).toEqual(["step down"]);
  });

  test("what a replica keeps for itself is seen that shows only when something follows on it", async () => {
    const { time, replicas } = await startGuards();
    replicas.write("a", "b");
    await pass(time, 2_000);
    let barriers = 0;
    replicas.onBarrier = () => {
      if (++barriers > 1) return;
      replicas.write("barrier");
      replicas.nodes.get("n0")?.splice(2, 1, "x");
    };
    replicas.leader = "n1";
    replicas.elect();
    await pass(time, 60_000);
    expect(replicas.calls).toEqual(["remove n0", "count 2", "count 3"]);
    expect([...replicas.nodes.values()].every((content) => content.join() === "a,b,barrier")).toBe(true);
  });

  test("a deletion that has not reached all of them is waited for; what stays deleted on one alone differs", async () => {
    const { time, replicas } = await startGuards();
    replicas.write("a", "b");
    const early = replicas.nodes.get("n1");
    early?.splice(0, 1, "");
    replicas.elect();
    await pass(time, 10_000);
    for (const messages of replicas.nodes.values()) messages.splice(0, 1, "");
    await pass(time, 60_000);
    expect(replicas.calls).toEqual([]);
    replicas.write("c");
    early?.splice(2, 1, "");
    replicas.elect();
    await pass(time, 60_000);
    expect(replicas.calls[0]).toEqual("remove n1");
  });

  test("where no two are the same nothing is taken away", async () => {
    const { time, replicas } = await startGuards();
    for (const [node, content] of replicas.nodes) content.push(node);
    replicas.elect();
    await pass(time, 120_000);
    expect(replicas.calls).toEqual([]);
  });
});

test("what a process left half done the next one ends: a stream has as many replicas as before", async () => {
  const { time, replicas, guards, start } = await startGuards();
  replicas.write("a", "b");
  replicas.nodes.get("n2")?.splice(0, 1, "x");
  replicas.elect();
  await pass(time, 2_000);
  expect(replicas.calls).toEqual(["remove n2"]);
  for (const guard of guards) guard.close();
  replicas.remove = () => Promise.reject(new StoreUnavailable("nothing is left to remove"));
  start("next");
  await pass(time, 120_000);
  expect(replicas.nodes.get("n2")).toEqual(["a", "b"]);
  expect(replicas.wantedCount).toBe(3);
});

test("while leaders stay, what is older than a minute counts as compared", async () => {
  const { time, replicas } = await startGuards();
  replicas.write("a");
  await pass(time, 15_000);
  replicas.write("b", "c");
  await pass(time, 200_000);
  replicas.write("d");
  replicas.elect();
  await pass(time, 2_000);
  expect(replicas.readFrom.at(-1)).toBe(4);
});

test("a log that was put back is compared from its beginning where more was noted of it than it has", async () => {
  const { time, replicas } = await startGuards();
  replicas.write("a", "b", "c");
  replicas.elect();
  await pass(time, 2_000);
  for (const content of replicas.nodes.values()) content.splice(1);
  replicas.elect();
  await pass(time, 2_000);
  replicas.write("d", "e", "f");
  replicas.elect();
  await pass(time, 2_000);
  expect(replicas.readFrom).toEqual([1, 1, 2]);
});

test("who asks whether a stream is to be believed waits for that, is told that it is not known yet, or that a node has gone", async () => {
  const { time, replicas, guards } = await startGuards();
  const [guard] = guards;
  replicas.write("a");
  const answers: string[] = [];
  const ask = (): void => {
    guard?.compared(LOG, 10_000).then(
      () => answers.push("known"),
      (error: unknown) => answers.push(error instanceof StoreUnavailable ? "not yet" : String(error)),
    );
  };
  ask();
  await pass(time, 1_000);
  expect(answers).toEqual(["known"]);
  replicas.away.add("n1");
  ask();
  await pass(time, 9_000);
  expect(answers).toEqual(["known"]);
  await pass(time, 1_000);
  expect(answers).toEqual(["known", "not yet"]);
  await pass(time, 120_000);
  ask();
  await pass(time, 100);
  expect(answers).toEqual(["known", "not yet", "known"]);
});

describe("who reads a stream whose replicas are in doubt", () => {
  async function startReading() {
    const world = await startGuards();
    const [guard] = world.guards;
    world.replicas.write("a");
    await pass(world.time, 2_000);
    const answers: string[] = [];
    const ask = (): void => {
      Promise.resolve(guard?.relied(LOG)).then(
        (reliance) => answers.push(reliance?.node ?? "any"),
        (error: unknown) => answers.push(error instanceof StoreUnavailable ? "none" : String(error)),
      );
    };
    const lead = (node: string, away: string): void => {
      world.replicas.away.clear();
      world.replicas.away.add(away);
      world.replicas.leader = node;
      world.replicas.elect();
    };
    return { ...world, answers, ask, lead };
  }

  test("reads any replica once all are the same, and a leader that did not lead before at once", async () => {
    const { time, answers, ask, lead } = await startReading();
    ask();
    await pass(time, 100);
    lead("n1", "n0");
    ask();
    await pass(time, 100);
    expect(answers).toEqual(["any", "n1"]);
  });

  test("waits for one that led before until it was compared with most others", async () => {
    const { time, replicas, answers, ask, lead } = await startReading();
    lead("n1", "n0");
    await pass(time, 100);
    replicas.write("b");
    // None that is there did not lead before.
    lead("n2", "n0");
    await pass(time, 100);
    lead("n1", "n0");
    ask();
    await pass(time, 2_000);
    expect(answers).toEqual(["n1"]);
  });

  test("is told that there is none where the leader holds other messages than most others", async () => {
    const { time, replicas, answers, ask, lead } = await startReading();
    lead("n1", "n2");
    await pass(time, 100);
    replicas.write("b");
    replicas.nodes.get("n0")?.splice(1, 1, "x");
    replicas.stepDown = async () => {};
    lead("n0", "n2");
    ask();
    await pass(time, 15_000);
    expect(answers).toEqual(["none"]);
  });

  test("reads nothing of a process that has just come before the replicas were compared", async () => {
    const { time, replicas, start } = await startReading();
    replicas.away.add("n2");
    replicas.nodes.get("n0")?.push("x");
    const guard = start("late");
    let answer = "";
    void guard.relied(LOG)?.then(
      (reliance) => (answer = reliance?.node ?? "any"),
      () => (answer = "none"),
    );
    await pass(time, 3_000);
    expect(answer).toBe("");
    replicas.nodes.get("n1")?.push("x");
    await pass(time, 1_000);
    expect(answer).toBe("n0");
  });
});

test("of questions that come together two are put, and each is answered by one that was put after it came", async () => {
  const put: (() => void)[] = [];
  let count = 0;
  const answers = new NewestAnswer<number>(() => {
    const number = ++count;
    return new Promise((resolve) => put.push(() => resolve(number)));
  });
  const first = answers.of("a");
  const later = [answers.of("a"), answers.of("a")];
  const other = answers.of("b");
  put.shift()?.();
  expect(await first).toBe(1);
  await nextTurn();
  const last = answers.of("a");
  for (let turn = 0; turn < 4; turn++) {
    for (const answer of put.splice(0)) answer();
    await nextTurn();
  }
  expect(await Promise.all([...later, other])).toEqual([3, 3, 2]);
  expect(await last).toBe(4);
});
