import { expect, test } from "vitest";
import type { StoredEntry } from "../../protocol/entry.ts";
import { AckWatch } from "../../sim/ack-watch.ts";
import { BootTruth } from "../../sim/boot-truth.ts";
import { CHECKERS } from "../../sim/checkers/all-checkers.ts";
import { EventLog } from "../../sim/event-log.ts";
import { bootKey, type Evidence, sourceKey, type Violation } from "../../sim/evidence.ts";
import { type FaultName, FaultPlan } from "../../sim/fault-plan.ts";
import { FORGED } from "../../sim/intruder.ts";

const START_MS = 1_700_000_000_000;

function line(seq: number, more: Partial<StoredEntry> = {}): StoredEntry {
  return {
    id: `id-${seq}`,
    src: "a",
    stream: "console",
    msg: `"line ${seq}"`,
    timestamp: START_MS + seq,
    received: START_MS + 100,
    clock: "estimated",
    uptime: seq,
    boot: "boot",
    seq,
    ...more,
  };
}

function loss(first: number, last: number, where = "agent"): StoredEntry {
  const msg = JSON.stringify({ boot: "boot", first, last, count: last - first + 1, where, why: "full" });
  return line(last, { stream: "loss", msg, clock: "server", lost: { boot: "boot", first, last } });
}

/** Three lines and the loss of a fourth. */
const GOOD: readonly StoredEntry[] = [line(1), line(2), line(3), loss(4, 4)];

function truth(): BootTruth {
  const boot = new BootTruth({ project: "default", src: "a", boot: "boot", hasAcks: true });
  for (let seq = 1; seq <= 4; seq++) {
    const text = `line ${seq}`;
    const times = { utcMs: undefined, uptimeMs: seq, trueMs: START_MS + seq };
    boot.lines.push({ text, msg: `"${text}"`, level: undefined, ...times });
  }
  boot.acked = 4;
  boot.dropped = 1;
  return boot;
}

function planOf(...names: readonly FaultName[]): FaultPlan {
  return new FaultPlan(new Map(names.map((name) => [name, 1])));
}

/** A run in which all promises were kept, with these entries in every listing. */
function evidenceOf(entries: readonly StoredEntry[], more: Partial<Evidence> = {}): Evidence {
  const boot = truth();
  const listed = new Map([["default", entries]]);
  return {
    plan: planOf(),
    boots: [boot],
    listed,
    bySource: new Map([[sourceKey("default", "a"), entries]]),
    marks: new Map([[bootKey(boot), 4]]),
    ackedByGateway: new Map([[bootKey(boot), 4]]),
    tails: [{ project: "default", after: "", entries: [...entries], isLast: true }],
    followers: [{ project: "default", src: undefined, entries: [...entries] }],
    refusedTokens: [],
    reopened: [listed, listed],
    storeProblems: [],
    reopenedSpools: [[["1 aa"], ["1 aa"]]],
    spools: [
      {
        gateway: "gateway",
        bytesMax: 100,
        bytesMost: 100,
        evicted: [{ src: "a", boot: truth().boot, seq: 4 }],
        earlyRemovals: [],
        fullDisks: [{ freedMs: 0, waitingEntries: 3, resumedMs: 900, untilMs: 5000 }],
        tornLikeCount: 0,
      },
    ],
    intrusions: [{ what: "no key", httpStatus: 401 }],
    printed: [],
    heard: [],
    counters: {},
    isStoreOpen: true,
    stuck: undefined,
    gatewayStarts: 1,
    isShared: false,
    evicts: false,
    gatewayClockStepped: false,
    quietMs: START_MS + 3,
    seen: [],
    ...more,
  };
}

/** What a spool shows on its disk, with something changed. */
function spoolWith(more: Partial<Evidence["spools"][number]>): Partial<Evidence> {
  return { spools: evidenceOf(GOOD).spools.map((spool) => ({ ...spool, ...more })) };
}

function without(seq: number): readonly StoredEntry[] {
  return GOOD.filter((entry) => entry.seq !== seq);
}

const text = (id: string): StoredEntry => {
  const { boot: _boot, seq: _seq, ...rest } = line(1, { id, stream: "uart", msg: '"booting"' });
  return rest;
};

const wrong = (seq: number, more: Partial<StoredEntry>): readonly StoredEntry[] =>
  GOOD.map((entry) => (entry.seq === seq ? { ...entry, ...more } : entry));

/** Ways to break each promise. */
const BROKEN: readonly (readonly [invariant: number, what: string, evidence: Evidence])[] = [
  [1, "an acked line is not listed", evidenceOf(without(2))],
  [1, "a line is listed twice", evidenceOf([...GOOD, line(2, { id: "id-9" })])],
  [
    1,
    "after a spool was lost a later line is not listed",
    evidenceOf(without(3), { plan: planOf("diskRestored") }),
  ],
  [2, "a byte was altered", evidenceOf(wrong(2, { msg: '"line Z"' }))],
  [2, "a line was never logged", evidenceOf([...GOOD, line(5)])],
  [2, "a line is filed under another source", evidenceOf(wrong(2, { src: "b" }))],
  [
    2,
    "console text is listed twice though a gateway was killed",
    evidenceOf([...GOOD, text("id-8"), text("id-9")], {
      gatewayStarts: 2,
      printed: [{ project: "default", src: "a", port: "/dev/tty", text: "booting" }],
    }),
  ],
  [3, "two lines have changed places", evidenceOf([line(2), line(1), line(3), loss(4, 4)])],
  [4, "a line before an acked one is nowhere", evidenceOf(without(1))],
  [4, "a listed line is called lost", evidenceOf([line(1), line(2), line(3), loss(3, 4)])],
  [4, "a link with acks lost a line", evidenceOf([line(1), line(2), loss(3, 3, "link"), loss(4, 4)])],
  [
    4,
    "console text that a gateway read is not listed",
    evidenceOf(GOOD, { heard: [{ project: "default", src: "a", port: "/dev/tty", text: "booting" }] }),
  ],
  [
    4,
    "a line that a spool gave up is sent after all",
    evidenceOf(GOOD, spoolWith({ evicted: [{ src: "a", boot: truth().boot, seq: 2 }] })),
  ],
  [5, "a drop of the agent has no loss record", evidenceOf(without(4))],
  [6, "an ack exceeds what the store holds", evidenceOf(GOOD, { marks: new Map([[bootKey(truth()), 3]]) })],
  [6, "a board believes an ack that nobody sent", evidenceOf(GOOD, { ackedByGateway: new Map() })],
  [7, "the store's mark is ahead", evidenceOf(GOOD, { marks: new Map([[bootKey(truth()), 9]]) })],
  [
    7,
    "the check of the store finds something",
    evidenceOf(GOOD, { storeProblems: ["head: a count is wrong"] }),
  ],
  [8, "a store opened again has less", evidenceOf(GOOD, { reopened: [new Map([["default", without(2)]])] })],
  [8, "a spool opened again has less", evidenceOf(GOOD, { reopenedSpools: [[["1 aa", "2 bb"], ["1 aa"]]] })],
  [
    9,
    "a segment was removed too early",
    evidenceOf(
      GOOD,
      spoolWith({
        earlyRemovals: [{ path: "spool/seg-1", forwarded: 4, missing: [{ first: 5, last: 6 }] }],
      }),
    ),
  ],
  [10, "a spool outgrew its limit", evidenceOf(GOOD, spoolWith({ bytesMost: 101 }))],
  [
    11,
    "a freed disk is not written to",
    evidenceOf(
      GOOD,
      spoolWith({ fullDisks: [{ freedMs: 0, waitingEntries: 3, resumedMs: undefined, untilMs: 60_000 }] }),
    ),
  ],
  [12, "what was damaged is gone and not counted", evidenceOf(without(2), { plan: planOf("bitFlip") })],
  [12, "the same in a spool", evidenceOf(without(2), { plan: planOf("diskFlip") })],
  [
    12,
    "one entry at a spool's end may look like one that was never synced, and two are gone",
    evidenceOf([line(3), loss(4, 4)], { plan: planOf("diskBlock"), ...spoolWith({ tornLikeCount: 1 }) }),
  ],
  [
    13,
    "a line of another boot is listed in this one",
    evidenceOf(wrong(2, { msg: '"line 2 of the other"' }), { boots: [truth(), otherBoot()] }),
  ],
  [13, "two lines under one seq are told of, and none is there", conflictEvidence()],
  [14, "an estimate fell", evidenceOf(wrong(3, { timestamp: START_MS + 1 }))],
  [14, "a line is dated after its receipt", evidenceOf(wrong(3, { timestamp: START_MS + 5000 }))],
  [15, "a follower missed an entry", evidenceOf(GOOD, { followers: [followerOf(without(2))] })],
  [15, "a follower got an entry twice", evidenceOf(GOOD, { followers: [followerOf([line(1), ...GOOD])] })],
  [15, "a token was refused", evidenceOf(GOOD, { refusedTokens: ["id-2"] })],
  [
    16,
    "a live reader missed an entry",
    evidenceOf(GOOD, { tails: [{ project: "default", after: "", entries: [...without(2)], isLast: true }] }),
  ],
  [
    17,
    "an entry is visible in another project",
    evidenceOf(GOOD, {
      listed: new Map([
        ["default", GOOD],
        ["garden", [line(1)]],
      ]),
    }),
  ],
  [18, "an intruder was let in", evidenceOf(GOOD, { intrusions: [{ what: "no key", httpStatus: 200 }] })],
  [18, "a forged line is listed", evidenceOf([...GOOD, line(9, { msg: JSON.stringify(FORGED) })])],
  [19, "a queue does not drain", evidenceOf(GOOD, { stuck: "gateway queue 3" })],
];

function otherBoot(): BootTruth {
  const other = new BootTruth({ project: "default", src: "a", boot: "other", hasAcks: true });
  const text = "line 2 of the other";
  const times = { utcMs: undefined, uptimeMs: 2, trueMs: START_MS };
  other.lines.push({ text, msg: `"${text}"`, level: undefined, ...times });
  return other;
}

function conflictEvidence(): Evidence {
  return evidenceOf(GOOD, { counters: { gateway_conflicting_seqs_total: 1 } });
}

function followerOf(entries: readonly StoredEntry[]): Evidence["followers"][number] {
  return { project: "default", src: undefined, entries: [...entries] };
}

test("a history in which every promise is kept passes every checker", () => {
  for (const { invariant, check } of CHECKERS) {
    expect(check(evidenceOf(GOOD)), `invariant ${invariant}`).toEqual([]);
  }
});

test.each(BROKEN)("invariant %i notices: %s", (invariant, _what, evidence) => {
  const checker = CHECKERS.find((each) => each.invariant === invariant);
  expect(checker?.check(evidence).length).toBeGreaterThan(0);
});

test("every checker is tried on a broken history", () => {
  const tried = new Set(BROKEN.map(([invariant]) => invariant));
  expect(CHECKERS.map(({ invariant }) => invariant).filter((invariant) => !tried.has(invariant))).toEqual([]);
});

test("the invariants 1 to 19 have one checker each", () => {
  expect(CHECKERS.map(({ invariant }) => invariant)).toEqual(Array.from({ length: 19 }, (_, at) => at + 1));
});

test("what a service told a gateway must not fall, unless its disk lost it", () => {
  const told = (mayServiceForget: boolean): readonly Violation[] => {
    const watch = new AckWatch([], new EventLog(() => 0, { keepsEvents: false }), mayServiceForget);
    watch.storedUpTo("gateway", "epoch", 7);
    watch.storedUpTo("gateway", "another epoch", 0);
    watch.storedUpTo("gateway", "epoch", 6);
    return watch.violations;
  };
  expect(told(false).map(({ invariant }) => invariant)).toEqual([6]);
  expect(told(true)).toEqual([]);
});
