import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type {
  EngineFollower,
  EngineMessage,
  MessageEngine,
  PublishOutcome,
  ScanStart,
  StreamState,
} from "../../../service/store/jetstream/message-engine.ts";
import {
  type LeaderTrust,
  type Reliance,
  ReliedEngine,
} from "../../../service/store/jetstream/relied-engine.ts";
import { StoreUnavailable } from "../../../service/store/log-store.ts";
import { VirtualTime } from "../../../sim/virtual-time.ts";

const STREAM = "s";

/** Replicas that may hold different messages, of which one answers, and who is said to lead. */
class HandCluster implements MessageEngine, LeaderTrust {
  readonly generation = 0;
  readonly payloadBytesMax = 1 << 20;
  readonly replicas = undefined as never;
  readonly nodes = new Map<string, string[]>();
  /** Whose replica answers. */
  answering = "n0";
  /** Who leads, as those know that were asked; undefined where nothing is in doubt. */
  leading: Reliance | undefined;
  /** Takes no followers. */
  isAway = false;
  /** Before each read, and before each answer to who leads. */
  onRead: () => void = () => {};
  onRely: () => void = () => {};
  readonly asked: string[] = [];
  #tell: ((message: EngineMessage, node?: string) => void) | undefined;

  isDoubted(): boolean {
    return this.leading !== undefined;
  }

  relied(): Promise<Reliance | undefined> | undefined {
    if (this.leading === undefined) return undefined;
    return nextTurn().then(() => {
      this.onRely();
      return this.leading;
    });
  }

  lead(node: string): void {
    this.answering = node;
    this.leading = { node, electionCount: (this.leading?.electionCount ?? 0) + 1 };
  }

  async at(_stream: string, seq: number): Promise<EngineMessage | undefined> {
    this.onRead();
    this.asked.push(`at ${seq} of ${this.answering}`);
    return this.#of(this.answering)[seq - 1];
  }

  last(): Promise<EngineMessage | undefined> {
    return this.at(STREAM, this.#of(this.answering).length);
  }

  next(stream: string, _subject: string, seq: number): Promise<EngineMessage | undefined> {
    return this.at(stream, seq);
  }

  async state(): Promise<StreamState> {
    this.onRead();
    const count = this.#of(this.answering).length;
    return { firstSeq: 1, lastSeq: count, messageCount: count, subjectCount: 1, byteCount: 0, firstMs: 0 };
  }

  async *scan(
    _stream: string,
    _subject: string,
    start: ScanStart,
    throughSeq: number,
    node?: string,
  ): AsyncGenerator<readonly EngineMessage[]> {
    const from = typeof start === "object" && "seq" in start ? start.seq : 1;
    this.asked.push(`scan from ${from} of ${node ?? "any"}`);
    for (const message of this.#of(node ?? this.answering).slice(from - 1, throughSeq)) {
      this.onRead();
      yield [message];
    }
  }

  /** Hears what the replica has that answers when it begins. */
  follow(
    _stream: string,
    fromSeq: number,
    listener: (message: EngineMessage, node?: string) => void,
  ): EngineFollower {
    const node = this.answering;
    this.asked.push(`follow from ${fromSeq} of ${node}`);
    this.#tell = listener;
    const ready = this.isAway ? Promise.reject(new StoreUnavailable("no reader")) : Promise.resolve();
    if (!this.isAway)
      queueMicrotask(() => {
        for (const message of this.#of(node).slice(fromSeq - 1)) listener(message, node);
      });
    return { ready, close: () => {} };
  }

  /** The follower hears one more. */
  hear(text: string): void {
    const messages = this.nodes.get(this.answering) ?? [];
    messages.push(text);
    const message = this.#of(this.answering).at(-1);
    if (message !== undefined) this.#tell?.(message, this.answering);
  }

  #of(node: string): EngineMessage[] {
    return (this.nodes.get(node) ?? []).map((text, index) => ({
      subject: "a",
      seq: index + 1,
      storedMs: 0,
      data: Buffer.from(text),
    }));
  }

  async ensureStream(): Promise<void> {}
  async streamNames(): Promise<readonly string[]> {
    return [STREAM];
  }
  async publish(): Promise<PublishOutcome> {
    return { type: "conflict" };
  }
  async purge(): Promise<void> {}
  onReconnect(): void {}
  async close(): Promise<void> {}
}

function start() {
  const time = new VirtualTime();
  const cluster = new HandCluster();
  cluster.nodes.set("n0", ["a", "x", "c"]).set("n1", ["a", "b", "c"]);
  const engine = new ReliedEngine(cluster, cluster, time);
  const textAt = async (seq: number): Promise<string> => String((await engine.at(STREAM, seq))?.data);
  const scanned = async (from: ScanStart): Promise<string> => {
    const texts: string[] = [];
    for await (const slice of engine.scan(STREAM, "a", from, 3))
      texts.push(...slice.map(({ data }) => String(data)));
    return texts.join("");
  };
  const heard: string[] = [];
  const follow = (): EngineFollower => engine.follow(STREAM, 1, ({ data }) => heard.push(String(data)));
  const settle = async (ms = 0): Promise<void> => {
    for (let turn = 0; turn < 8; turn++) await nextTurn();
    time.advance(ms);
    for (let turn = 0; turn < 8; turn++) await nextTurn();
  };
  return { cluster, textAt, scanned, heard, follow, settle };
}

describe("while nothing is in doubt", () => {
  test("an answer is taken as it comes, and messages are told as they are heard", async () => {
    const { cluster, textAt, scanned, heard, follow, settle } = start();
    expect(await textAt(2)).toBe("x");
    expect(await scanned({ seq: 2 })).toBe("xc");
    follow();
    await settle();
    cluster.hear("d");
    expect(heard.join("")).toBe("axcd");
    expect(cluster.asked).toEqual(["at 2 of n0", "scan from 2 of any", "follow from 1 of n0"]);
  });
});

describe("while a stream is in doubt", () => {
  test("what was answered while another came to lead is asked again", async () => {
    const { cluster, textAt } = start();
    cluster.lead("n0");
    cluster.onRead = () => {
      cluster.onRead = () => {};
      // It answers still, and does not lead any more.
      cluster.leading = { node: "n1", electionCount: 2 };
      queueMicrotask(() => {
        cluster.answering = "n1";
      });
    };
    expect(await textAt(2)).toBe("b");
    expect(cluster.asked).toEqual(["at 2 of n0", "at 2 of n1"]);
  });

  test("what was answered before the doubt was known of is asked again", async () => {
    const { cluster, textAt } = start();
    cluster.onRead = () => {
      cluster.onRead = () => {};
      cluster.leading = { node: "n1", electionCount: 1 };
      queueMicrotask(() => {
        cluster.answering = "n1";
      });
    };
    expect(await textAt(2)).toBe("b");
  });

  test("leaders that change without an end are given up", async () => {
    const { cluster, textAt, scanned } = start();
    cluster.lead("n0");
    cluster.onRead = () => cluster.lead(cluster.answering === "n0" ? "n1" : "n0");
    await expect(textAt(2)).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(scanned({ seq: 1 })).rejects.toBeInstanceOf(StoreUnavailable);
  });

  test("a scan reads the replica that leads, and goes on at the next one behind what it gave", async () => {
    const { cluster, scanned } = start();
    cluster.lead("n0");
    let reads = 0;
    cluster.onRead = () => {
      if (++reads === 2) cluster.lead("n1");
    };
    expect(await scanned({ seq: 1 })).toBe("abc");
    expect(cluster.asked).toEqual(["scan from 1 of n0", "scan from 2 of n1"]);
  });

  test("a scan of the last of each subject, which cannot go on in its middle, is refused there", async () => {
    const { cluster, scanned } = start();
    cluster.lead("n1");
    let reads = 0;
    cluster.onRead = () => {
      if (++reads === 2) cluster.lead("n0");
    };
    await expect(scanned("last-per-subject")).rejects.toThrow("another replica came to lead");
  });

  test("what is heard waits until it is known who leads, and is told in order", async () => {
    const { cluster, heard, follow, settle } = start();
    cluster.lead("n1");
    let isKnown = false;
    const relied = cluster.relied.bind(cluster);
    let release: () => void = () => {};
    cluster.relied = () =>
      isKnown ? relied() : new Promise((resolve) => (release = () => resolve(cluster.leading)));
    follow();
    await settle();
    cluster.hear("d");
    expect(heard).toEqual([]);
    isKnown = true;
    release();
    await settle();
    expect(heard.join("")).toBe("abcd");
  });

  test("what was heard of a replica that does not lead is heard again of the one that does", async () => {
    const { cluster, heard, follow, settle } = start();
    cluster.leading = { node: "n1", electionCount: 1 };
    follow();
    await settle();
    expect(heard).toEqual([]);
    cluster.answering = "n1";
    await settle(200);
    expect(heard.join("")).toBe("abc");
    expect(cluster.asked).toEqual(["follow from 1 of n0", "follow from 1 of n1"]);
  });

  test("a doubt that has passed leaves nothing told that was heard in it", async () => {
    const { cluster, heard, follow, settle } = start();
    cluster.leading = { node: "n1", electionCount: 1 };
    cluster.onRely = () => {
      cluster.leading = undefined;
      cluster.answering = "n1";
    };
    follow();
    await settle();
    await settle(200);
    expect(heard.join("")).toBe("abc");
  });

  test("where nobody can be heard for a while it is tried again", async () => {
    const { cluster, heard, follow, settle } = start();
    cluster.leading = { node: "n1", electionCount: 1 };
    follow();
    await settle();
    cluster.lead("n1");
    cluster.isAway = true;
    await settle(200);
    cluster.isAway = false;
    await settle(200);
    expect(heard.join("")).toBe("abc");
  });

  test("more than can wait comes again", async () => {
    const { cluster, heard, follow, settle } = start();
    const texts = Array.from({ length: 12_000 }, (_, index) => `${index} `);
    cluster.nodes.set("n1", texts);
    cluster.lead("n1");
    follow();
    for (let turn = 0; turn < 5; turn++) await settle(200);
    expect(heard).toEqual(texts);
  });

  test("one that was closed tells nothing more", async () => {
    const { cluster, heard, follow, settle } = start();
    cluster.lead("n0");
    follow().close();
    await settle(200);
    expect(heard).toEqual([]);
  });
});
