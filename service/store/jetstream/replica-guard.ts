import type { Clock, Timer, Timers } from "../../../host/clock.ts";
import type { Counters } from "../../../host/counters.ts";
import type { ProcessLog } from "../../../host/log.ts";
import { pause } from "../../../host/pause.ts";
import { StoreUnavailable } from "../log-store.ts";
import type { MessageEngine } from "./message-engine.ts";
import { NewestAnswer } from "./newest-answer.ts";
import { Register, type RegisterForm, type RegisterPlace } from "./register.ts";
import type { LeaderTrust, Reliance } from "./relied-engine.ts";
import { RepairLock } from "./repair-lock.ts";
import type { ReplicaContent, ReplicasStanding, StreamReplicas } from "./stream-replicas.ts";
import {
  barrierSubject,
  guardStream,
  guardSubjects,
  logStreamPrefix,
  repairSubject,
  storeStreamPrefix,
  verifiedSubject,
} from "./subject-names.ts";

/*
 * Replicas of a stream can differ for good. nats-server before 2.10.23: where a leader is cut off (or stands still) with a message on
 * its way that the others do not have, and they get another leader, it keeps that message once it is back, in the place of the true
 * ones, and all that comes later has the same numbers again (nats-io/nats-server pull request 5957). Nothing shows until that replica
 * leads. So whenever a stream may have got another leader the replicas are read and compared, from the last message known to be the
 * same on all of them; one that differs from most of them is taken away and made anew. Meanwhile only a replica that did not lead
 * before, or was compared with most of the others, is relied on (`relied-engine.ts`).
 */

/** Between looks at what is in doubt, ms. */
const LOOK_MS = 500;
/** The same, of what is in doubt for long: a node that is away comes back at some time. */
const LOOK_SELDOM_MS = 3_000;
const SOON_MS = 60_000;
/** What is in doubt for so long may be so for days, ms: what the leader says is believed then. */
const GONE_MS = 120_000;
/** How often it is looked whether leaders are the same and all replicas there, ms. */
const WATCH_MS = 10_000;
/** While a stream's leader stays, what is older than this is the same on all replicas, ms. */
const STEADY_MS = 60_000;
/** A node that lost its replica needs a while to let go of it: 2.9.10 takes the old one for the new one else, ms. */
const SETTLE_MS = 3_000;
/** A replica that is made anew is there within this, ms; what it lacks comes later. */
const APPEAR_MS_MAX = 20_000;
/** A difference is one if it is seen so many times in a row. */
const SIGHTINGS = 2;
/** And for so long where a replica has more or fewer messages, ms: a deletion does not reach all of them at once. */
const DELETION_MS_MAX = 15_000;
/** Versions of a value that stay: of two that were written at once, the first is told by what is before it. */
const VERSIONS_MAX = 16;
/** How long it may take until a replica leads that is relied on, ms. */
const RELY_MS_MAX = 10_000;
const RELY_AGAIN_MS = 100;
/** The newest messages that a replica must share with most others to be relied on: those before were compared while they were new. */
const RELY_SEQS_MAX = 100_000;
/** Streams that are looked at together. */
const AT_ONCE_MAX = 4;

const SEQ_FORM: RegisterForm<number> = {
  empty: 0,
  encode: (value, to) => to.varint(value),
  decode: (from) => from.varint(),
};

export interface GuardWorld {
  readonly engine: MessageEngine;
  readonly replicas: StreamReplicas;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counters: Counters;
  readonly log: ProcessLog;
  /** Of this process: no other has the same. */
  readonly name: string;
  /** Replicas of a stream were changed: what was read of it may be wrong. */
  readonly onRepair: () => void;
}

interface Doubt {
  readonly sinceMs: number;
  /** Raised where it is doubted anew while it is looked at. */
  count: number;
  /** Nodes that differed at the last look, in how many looks in a row, and since when. */
  odd: string;
  sightings: number;
  oddMs: number;
  /** Nodes that led before: they should not lead again before they are compared. */
  readonly suspects: Set<string>;
  /** Every election since all replicas were the same was heard: what is no suspect never led meanwhile. */
  isFollowed: boolean;
  /** Nodes that were compared with most others, and have not come to lead since. */
  readonly relied: Set<string>;
  /** Of a message that was written since the last election: a replica that has it has settled all before it. */
  barrier: { readonly seq: number; readonly electionCount: number } | undefined;
  readonly waiting: (() => void)[];
}

/** A stream whose leader has stayed, as it was when that was first seen. */
interface Steady {
  readonly leader: string;
  readonly lastSeq: number;
  readonly sinceMs: number;
}

/** Sees to it that the replicas of all streams of the store hold the same messages. Each process has one. */
export class ReplicaGuard implements LeaderTrust {
  readonly #world: GuardWorld;
  readonly #prefix: string;
  readonly #place: RegisterPlace;
  readonly #lock: RepairLock;
  readonly #doubts = new Map<string, Doubt>();
  readonly #steady = new Map<string, Steady>();
  /** Who leads each stream, as far as is known. */
  readonly #leaders = new Map<string, string>();
  readonly #electionCounts = new Map<string, number>();
  readonly #standings: NewestAnswer<ReplicasStanding | undefined>;
  #isLooking = false;
  /** Until it is known which streams there are. */
  #surveying: Promise<void> | undefined;
  #watching: Promise<void> | undefined;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(world: GuardWorld, prefix: string) {
    this.#world = world;
    this.#prefix = prefix;
    this.#place = { engine: world.engine, prefix, stream: guardStream(prefix) };
    this.#standings = new NewestAnswer((stream) => world.replicas.standing(stream));
    this.#lock = new RepairLock(this.#place, repairSubject(prefix), world.clock, world.name);
  }

  start(): void {
    const { replicas, engine, timers } = this.#world;
    replicas.onLeader((stream, node) => {
      if (stream.startsWith(storeStreamPrefix(this.#prefix))) this.#elected(stream, node);
    });
    engine.onReconnect(() => this.#doubtAll());
    this.#timer = timers.every(WATCH_MS, () => {
      this.#watching ??= this.#watch().finally(() => {
        this.#watching = undefined;
      });
    });
    this.#doubtAll();
  }

  /**
   * Something may have happened to the stream: its replicas are compared as soon as all are there.
   * @param isFollowed false where elections may have gone unheard.
   */
  doubt(stream: string, isFollowed = true): void {
    if (this.#isClosed) return;
    this.#steady.delete(stream);
    const known = this.#doubts.get(stream);
    if (known !== undefined) {
      known.count++;
      known.isFollowed &&= isFollowed;
      if (!isFollowed) {
        known.relied.clear();
        known.barrier = undefined;
      }
    } else {
      const sinceMs = this.#world.clock.monotonicMs();
      this.#doubts.set(stream, {
        sinceMs,
        count: 0,
        odd: "",
        sightings: 0,
        oddMs: 0,
        suspects: new Set(),
        isFollowed,
        relied: new Set(),
        barrier: undefined,
        waiting: [],
      });
    }
    if (!this.#isLooking) void this.#lookAll();
  }

  isDoubted(stream: string): boolean {
    return this.#surveying !== undefined || this.#doubts.has(stream);
  }

  relied(stream: string): Promise<Reliance | undefined> | undefined {
    if (this.#surveying !== undefined) return this.#surveying.then(() => this.relied(stream));
    return this.#doubts.has(stream) ? this.#reliedLeader(stream) : undefined;
  }

  async #reliedLeader(stream: string): Promise<Reliance | undefined> {
    const { clock } = this.#world;
    const untilMs = clock.monotonicMs() + RELY_MS_MAX;
    for (;;) {
      const electionCount = this.#electionCountOf(stream);
      const { standing, isAnswered } = await this.#standingOf(stream);
      const doubt = this.#doubts.get(stream);
      if (doubt === undefined || (isAnswered && standing === undefined)) return undefined;
      const node = leaderOf(standing);
      if (node !== "") this.#led(stream, node);
      if (this.#mayBeRelied(doubt, node)) return { node, electionCount };
      if (clock.monotonicMs() >= untilMs)
        throw new StoreUnavailable(
          node === "" ? "no replica of the log leads" : "the replica that leads is not compared yet",
        );
      await pause(this.#world.timers, RELY_AGAIN_MS);
    }
  }

  async #standingOf(
    stream: string,
  ): Promise<{ readonly standing: ReplicasStanding | undefined; readonly isAnswered: boolean }> {
    try {
      return { standing: await this.#standings.of(stream), isAnswered: true };
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      return { standing: undefined, isAnswered: false };
    }
  }

  #mayBeRelied(doubt: Doubt, node: string): boolean {
    if (node === "") return false;
    return (
      doubt.relied.has(node) ||
      (doubt.isFollowed && !doubt.suspects.has(node)) ||
      this.#world.clock.monotonicMs() - doubt.sinceMs >= GONE_MS
    );
  }

  #elected(stream: string, node: string): void {
    this.#electionCounts.set(stream, this.#electionCountOf(stream) + 1);
    this.doubt(stream);
    this.#led(stream, node);
    const suspects = this.#doubts.get(stream)?.suspects;
    if (suspects?.has(node)) void this.#refuse(stream, suspects);
  }

  #electionCountOf(stream: string): number {
    return this.#electionCounts.get(stream) ?? 0;
  }

  /** A node leads; the one before it is to be compared before it does again. */
  #led(stream: string, node: string): void {
    const before = this.#leaders.get(stream);
    this.#leaders.set(stream, node);
    if (before === undefined || before === node) return;
    this.#electionCounts.set(stream, this.#electionCountOf(stream) + 1);
    const doubt = this.#doubts.get(stream);
    doubt?.suspects.add(before);
    doubt?.relied.delete(before);
  }

  /** Lets another lead, where there is one that did not lead before. */
  async #refuse(stream: string, suspects: ReadonlySet<string>): Promise<void> {
    const { replicas, log } = this.#world;
    try {
      await this.#locked(async () => {
        const standing = await replicas.standing(stream);
        const leader = leaderOf(standing);
        const hasBetter = standing?.replicas.some(({ node, isCurrent }) => isCurrent && !suspects.has(node));
        if (!suspects.has(leader) || !hasBetter) return;
        log.warn({ stream, node: leader }, "a replica leads that was not compared; another one is to lead");
        await replicas.stepDown(stream);
      });
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      // It is compared all the same.
    }
  }

  /**
   * Resolves when the replicas of a stream were seen to be the same, or were not for so long that a node must have gone for good.
   * @throws StoreUnavailable where neither is so within `msMax`
   */
  async compared(stream: string, msMax: number): Promise<void> {
    this.doubt(stream);
    const { clock, timers } = this.#world;
    const isDecided = await new Promise<boolean>((resolve) => {
      const doubt = this.#doubts.get(stream);
      if (doubt === undefined) return resolve(true);
      const isOld = (): boolean => clock.monotonicMs() - doubt.sinceMs >= GONE_MS;
      if (isOld()) return resolve(true);
      const timer = timers.after(msMax, () => resolve(isOld()));
      doubt.waiting.push(() => {
        timer.cancel();
        resolve(true);
      });
    });
    if (!isDecided) throw new StoreUnavailable("the replicas of the log are not compared yet");
  }

  /** Leaves what is in doubt to other processes, or to the next start. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const stream of [...this.#doubts.keys()]) this.#trust(stream);
  }

  /** Elections may have gone unheard. */
  #doubtAll(): void {
    const surveying = this.#survey().finally(() => {
      if (this.#surveying === surveying) this.#surveying = undefined;
    });
    this.#surveying = surveying;
  }

  async #survey(): Promise<void> {
    while (!this.#isClosed) {
      try {
        for (const stream of await this.#streams()) this.doubt(stream, false);
        return;
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        await pause(this.#world.timers, LOOK_MS);
      }
    }
  }

  #streams(): Promise<readonly string[]> {
    return this.#world.engine.streamNames(storeStreamPrefix(this.#prefix));
  }

  async #lookAll(): Promise<void> {
    this.#isLooking = true;
    for (;;) {
      const streams = [...this.#doubts.keys()];
      if (streams.length === 0 || this.#isClosed) {
        this.#isLooking = false;
        return;
      }
      for (let start = 0; start < streams.length; start += AT_ONCE_MAX)
        await Promise.all(streams.slice(start, start + AT_ONCE_MAX).map((stream) => this.#look(stream)));
      const nowMs = this.#world.clock.monotonicMs();
      const isSoon = [...this.#doubts.values()].some(({ sinceMs }) => nowMs - sinceMs < SOON_MS);
      if (this.#doubts.size > 0 && !this.#isClosed)
        await pause(this.#world.timers, isSoon ? LOOK_MS : LOOK_SELDOM_MS);
    }
  }

  async #look(stream: string): Promise<void> {
    const doubt = this.#doubts.get(stream);
    if (doubt === undefined || this.#isClosed) return;
    const { count } = doubt;
    try {
      const isSame = await this.#compare(stream, doubt);
      if (isSame && doubt.count === count) this.#trust(stream);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      // Looked at again.
    }
  }

  #trust(stream: string): void {
    const doubt = this.#doubts.get(stream);
    this.#doubts.delete(stream);
    for (const resolve of doubt?.waiting ?? []) resolve();
  }

  /** Whether all replicas are known to hold the same; makes one anew that does not. */
  async #compare(stream: string, doubt: Doubt): Promise<boolean> {
    const { replicas } = this.#world;
    if (((await replicas.standing(stream))?.wantedCount ?? 1) === 1) return true;
    await this.#ensure();
    // Read before what there is: another process may raise it at any time.
    const verifiedSeq = await this.#verified(stream).read();
    const barrierSeq = await this.#barrierOf(stream, doubt);
    const standing = await replicas.standing(stream);
    if (standing === undefined) return true;
    if (standing.replicas.length < replicaCount(standing)) {
      await this.#locked(() => this.#restore(stream));
      return false;
    }
    const leader = leaderOf(standing);
    if (leader !== "") this.#led(stream, leader);
    const isWhole = standing.replicas.every(({ isCurrent }) => isCurrent);
    const isShort = standing.lastSeq - verifiedSeq <= RELY_SEQS_MAX;
    if (!(isWhole && isShort) && !this.#mayBeRelied(doubt, leader))
      await this.#relyOnMost(verifiedSeq, stream, standing, doubt);
    if (!isWhole || standing.lastSeq < barrierSeq) return false;
    // Nothing else decides between the last look and what follows from it.
    if (doubt.sightings < SIGHTINGS - 1) return await this.#compareFrom(verifiedSeq, stream, standing, doubt);
    let isSame = false;
    await this.#locked(async () => {
      isSame = await this.#compareFrom(verifiedSeq, stream, standing, doubt);
    });
    return isSame;
  }

  /**
   * What a replica that led has and the others do not is where the new leader's first messages are: it shows once the replica has
   * taken one of those. So one is written, and the replicas are compared as far as that.
   */
  async #barrierOf(stream: string, doubt: Doubt): Promise<number> {
    const subject = barrierSubject(this.#prefix, stream);
    if (subject === undefined) return 0;
    const electionCount = this.#electionCountOf(stream);
    if (doubt.barrier?.electionCount !== electionCount)
      doubt.barrier = { electionCount, seq: await this.#world.replicas.writeBarrier(subject) };
    return doubt.barrier.seq;
  }

  /** A leader that holds what most replicas hold can be relied on, also while one is away. */
  async #relyOnMost(
    verifiedSeq: number,
    stream: string,
    standing: ReplicasStanding,
    doubt: Doubt,
  ): Promise<void> {
    const { lastSeq } = standing;
    const { count } = doubt;
    const leader = leaderOf(standing);
    const present = standing.replicas.filter(({ isCurrent }) => isCurrent);
    if (leader === "" || present.length * 2 <= replicaCount(standing)) return;
    const firstSeq = Math.max(verifiedSeq > lastSeq ? 1 : verifiedSeq + 1, lastSeq - RELY_SEQS_MAX);
    const contents =
      firstSeq > lastSeq
        ? new Map(present.map(({ node }) => [node, { count: 0, digest: "" }]))
        : await this.#world.replicas.contents(stream, firstSeq, lastSeq);
    const own = contents.get(leader);
    const same = [...contents.values()].filter(({ digest }) => digest === own?.digest);
    if (own !== undefined && same.length * 2 > replicaCount(standing) && doubt.count === count)
      doubt.relied.add(leader);
  }

  async #compareFrom(
    verifiedSeq: number,
    stream: string,
    standing: ReplicasStanding,
    doubt: Doubt,
  ): Promise<boolean> {
    const { lastSeq } = standing;
    const { count } = doubt;
    // The log was put back, and what is noted of it was not.
    const fromSeq = verifiedSeq > lastSeq ? 1 : verifiedSeq + 1;
    const nodes = standing.replicas.map(({ node }) => node);
    const contents =
      fromSeq > lastSeq
        ? new Map(nodes.map((node) => [node, { count: 0, digest: "" }]))
        : await this.#world.replicas.contents(stream, fromSeq, lastSeq);
    // One that did not answer is asked again.
    if (!nodes.every((node) => contents.has(node))) return false;
    const odd = oddNodes(contents);
    const leader = leaderOf(standing);
    // Who came to lead meanwhile may be another one.
    if (odd?.includes(leader) === false && doubt.count === count) doubt.relied.add(leader);
    if (odd?.length === 0) {
      await this.#verified(stream).update((known) => (known === verifiedSeq ? lastSeq : undefined));
      doubt.sightings = 0;
      if (fromSeq <= lastSeq)
        this.#world.log.info({ stream, fromSeq, lastSeq, leader }, "all replicas hold the same");
      return true;
    }
    const nowMs = this.#world.clock.monotonicMs();
    const sight = odd?.join() ?? "";
    if (doubt.sightings === 0 || doubt.odd !== sight) {
      doubt.sightings = 0;
      doubt.odd = sight;
      doubt.oddMs = nowMs;
    }
    doubt.sightings++;
    const isDeletion = new Set([...contents.values()].map(({ count }) => count)).size > 1;
    if (doubt.sightings < SIGHTINGS || (isDeletion && nowMs - doubt.oddMs < DELETION_MS_MAX)) return false;
    await this.#repair(stream, standing, odd?.[0], fromSeq);
    return false;
  }

  /** @param node that differs from most; undefined where there is no most. */
  async #repair(
    stream: string,
    standing: ReplicasStanding,
    node: string | undefined,
    fromSeq: number,
  ): Promise<void> {
    const { replicas, counters, log, onRepair } = this.#world;
    if (node === undefined) {
      log.error({ stream, fromSeq }, "replicas differ, and no two are the same; they are left as they are");
      await pause(this.#world.timers, LOOK_SELDOM_MS);
      return;
    }
    log.warn({ stream, node, fromSeq }, "a replica differs from the others; it is made anew");
    if (standing.replicas.some((replica) => replica.node === node && replica.isLeader))
      await replicas.stepDown(stream);
    else {
      await replicas.remove(stream, node);
      counters.add("store_replicas_remade_total");
      await this.#restore(stream);
    }
    if (!this.#isClosed) onRepair();
  }

  /** Does nothing where another process has the lock. */
  async #locked(task: () => Promise<void>): Promise<void> {
    if (!(await this.#lock.take())) return;
    try {
      await task();
    } finally {
      await this.#lock.release();
    }
  }

  /**
   * Lets a stream have as many replicas as it should, where one was taken away. The number goes down to what there are, and up: that
   * is what lets the cluster look for another node. Where a process ended in between, the next one goes on from here.
   */
  async #restore(stream: string): Promise<void> {
    const { replicas, clock, log } = this.#world;
    await pause(this.#world.timers, SETTLE_MS);
    const before = await replicas.standing(stream);
    if (before === undefined) return;
    const count = replicaCount(before);
    if (before.replicas.length < count && before.wantedCount === count) {
      await replicas.setCount(stream, before.replicas.length);
      await pause(this.#world.timers, SETTLE_MS);
    }
    await replicas.setCount(stream, count);
    const untilMs = clock.monotonicMs() + APPEAR_MS_MAX;
    while (clock.monotonicMs() < untilMs && !this.#isClosed) {
      const standing = await replicas.standing(stream);
      if (standing === undefined || standing.replicas.length >= count) {
        log.info({ stream }, "the replica is back, and is filled by the others");
        return;
      }
      await pause(this.#world.timers, LOOK_MS);
    }
  }

  /** Doubts what has changed, and notes how far all else is the same on all replicas. */
  async #watch(): Promise<void> {
    try {
      for (const stream of await this.#streams()) {
        if (this.#isClosed) return;
        if (!this.#doubts.has(stream)) await this.#watchOne(stream);
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      // The next round does it.
    }
  }

  async #watchOne(stream: string): Promise<void> {
    const { replicas, clock } = this.#world;
    const standing = await replicas.standing(stream);
    if (standing === undefined || standing.wantedCount === 1 || this.#doubts.has(stream)) return;
    const nowMs = clock.monotonicMs();
    const leader = leaderOf(standing);
    const steady = this.#steady.get(stream);
    const isWhole =
      leader !== "" &&
      standing.replicas.length >= replicaCount(standing) &&
      standing.replicas.every(({ isCurrent }) => isCurrent);
    const known = this.#leaders.get(stream);
    const isOther = leader !== "" && known !== undefined && known !== leader;
    if (!isWhole || isOther) return this.doubt(stream, !isOther);
    if (steady !== undefined && nowMs - steady.sinceMs < STEADY_MS) return;
    this.#steady.set(stream, { leader, lastSeq: standing.lastSeq, sinceMs: nowMs });
    if (steady === undefined || steady.lastSeq === 0 || !this.#isProject(stream)) return;
    await this.#ensure();
    await this.#verified(stream).update((known) => (known < steady.lastSeq ? steady.lastSeq : undefined));
  }

  /** The last seq of a stream that is known to be the same on all replicas, for all processes. Small streams are compared whole. */
  #verified(stream: string): Pick<Register<number>, "read" | "update"> {
    if (!this.#isProject(stream)) return { read: async () => 0, update: async () => {} };
    return new Register(this.#place, verifiedSubject(this.#prefix, stream), SEQ_FORM);
  }

  /** Makes the place in the cluster for what guards say to each other. */
  #ensure(): Promise<void> {
    return this.#world.engine.ensureStream(this.#place.stream, guardSubjects(this.#prefix), VERSIONS_MAX);
  }

  #isProject(stream: string): boolean {
    return stream.startsWith(logStreamPrefix(this.#prefix));
  }
}

/** Those whose content is not what more than half have, none where all have the same; undefined where no content is what most have. */
function oddNodes(contents: ReadonlyMap<string, ReplicaContent>): string[] | undefined {
  const counts = new Map<string, number>();
  for (const { digest } of contents.values()) counts.set(digest, (counts.get(digest) ?? 0) + 1);
  const [most] = [...counts].find(([, count]) => count * 2 > contents.size) ?? [];
  if (most === undefined) return undefined;
  return [...contents].flatMap(([node, { digest }]) => (digest === most ? [] : [node]));
}

/** Empty where none leads. */
function leaderOf(standing: ReplicasStanding | undefined): string {
  return standing?.replicas.find(({ isLeader }) => isLeader)?.node ?? "";
}

/** How many a stream should have: an even number is what a repair that was cut short left. */
function replicaCount({ wantedCount }: ReplicasStanding): number {
  return wantedCount % 2 === 0 ? wantedCount + 1 : wantedCount;
}
