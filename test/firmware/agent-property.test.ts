import fc from "fast-check";
import { expect, test } from "vitest";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { Bench } from "./agent-bench.ts";
import { ModelReceiver } from "./model-receiver.ts";

type Fate = "pass" | "lose" | "cut" | "twice" | "late" | "throw";
type Step =
  | { readonly do: "log"; readonly count: number; readonly size: number }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "link"; readonly up: boolean }
  | { readonly do: "full"; readonly full: boolean }
  | { readonly do: "hello" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("log" as const),
      count: fc.integer({ min: 1, max: 12 }),
      size: fc.integer({ min: 0, max: 400 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 4000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("link" as const), up: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("full" as const), full: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("hello" as const) }) },
);
const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 5, arbitrary: fc.constant("pass" as const) },
  ...(["lose", "cut", "twice", "late", "throw"] as const).map((one) => ({
    weight: 1,
    arbitrary: fc.constant(one),
  })),
);
const world = fc.record({
  steps: fc.array(step, { maxLength: 40 }),
  fates: fc.array(fate, { minLength: 1, maxLength: 50 }),
  drop: fc.constantFrom("oldest" as const, "newest" as const),
  ringBytesMax: fc.integer({ min: 512, max: 3000 }),
  frameBytesMax: fc.integer({ min: 350, max: 1024 }),
  utcFromMs: fc.option(fc.integer({ min: 0, max: 30_000 })),
});

type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

const lineOf = (seq: number, size: number) => `line ${seq} ${"x".repeat(size)}`;

/** One board, one receiver and a link between them that goes wrong as it is told. */
function play(given: World, ack: boolean) {
  const time = new VirtualTime();
  const receiver = new ModelReceiver("7-c0ffee");
  const logged: string[] = [];
  let faulty = true;
  let up = true;
  let full = false;
  let turn = 0;
  let broken: string | undefined;
  const fateNow = (): Fate => (faulty ? (given.fates[turn++ % given.fates.length] ?? "pass") : "pass");
  const check = (good: boolean, words: string) => {
    if (!good) broken ??= words;
  };

  const carry = (text: string, deliver: (text: string) => void) => {
    const what = fateNow();
    if (!up || what === "lose") return;
    const bytes = what === "cut" ? text.slice(0, text.length >> 1) : text;
    time.after(what === "late" ? 700 : 20, () => deliver(bytes));
    if (what === "twice") time.after(900, () => deliver(bytes));
  };
  const { ringBytesMax, frameBytesMax, drop } = given;
  const board = new Bench({
    time,
    settings: { ringBytesMax, frameBytesMax, drop, ack },
    utc: () => (given.utcFromMs !== null && time.monotonicMs() >= given.utcFromMs ? time.wallMs() : 0),
    send: (frame) => {
      check(frame.length <= frameBytesMax, `a frame of ${frame.length} bytes`);
      check(/^[ -~]*$/.test(frame), "a frame with other than printable ASCII");
      if (full) return false;
      if (faulty && given.fates[turn % given.fates.length] === "throw") {
        turn++;
        throw new Error("link");
      }
      carry(frame, (text) => {
        // A checksum would have caught what was cut.
        if (text.length < frame.length) return;
        const answer = receiver.receive(text);
        if (answer !== undefined) carry(answer, (down) => board.agent.receive(down));
      });
      return true;
    },
  });
  const inspect = () => {
    const { ringBytes, acked, seq } = board.agent.stats;
    check(ringBytes <= ringBytesMax, `${ringBytes} bytes in a ring of ${ringBytesMax}`);
    check(ringBytes >= 0 && acked <= seq, "bookkeeping below zero");
    if (ack) check(acked <= receiver.mark, `forgot up to ${acked}, durable is ${receiver.mark}`);
  };

  for (const one of given.steps) {
    if (one.do === "log") {
      for (let i = 0; i < one.count; i++) {
        const line = lineOf(logged.length + 1, one.size);
        logged.push(line);
        board.console.log(line);
        inspect();
      }
    } else if (one.do === "wait") {
      time.advance(one.ms);
    } else if (one.do === "link") {
      up = one.up;
    } else if (one.do === "full") {
      full = one.full;
      if (!full) board.agent.ready();
    } else {
      board.agent.receive('{"v":1,"hello":1}');
    }
    inspect();
  }
  faulty = false;
  up = true;
  full = false;
  board.agent.ready();
  time.advance(120_000);
  inspect();
  return { board, receiver, logged, broken };
}

const RUNS = { numRuns: 400 };

/** What was lost and what was listed, in order, without overlap; each line as it was logged or its beginning. */
function checkAccount({ board, receiver, logged, broken }: ReturnType<typeof play>, seqMax: number) {
  expect(broken).toBeUndefined();
  const seen = [
    ...receiver.entries.map((one) => ({ first: one.seq, last: one.seq })),
    ...receiver.losses.map(({ first, last }) => ({ first, last })),
  ].sort((a, b) => a.first - b.first);
  let next = 1;
  for (const { first, last } of seen) {
    expect(first).toBe(next);
    next = last + 1;
  }
  expect(next - 1).toBe(seqMax);
  expect(receiver.entries.map((one) => one.seq)).toEqual(
    receiver.entries.map((one) => one.seq).sort((a, b) => a - b),
  );
  for (const { seq, msg } of receiver.entries) {
    const text = String(msg).replace(/ \[cut: \d+ more\]$/, "");
    expect(text === msg ? logged[seq - 1] === text : logged[seq - 1]?.startsWith(text)).toBe(true);
  }
  expect(board.agent.stats.seq).toBe(logged.length);
}

test("with acks every line is listed exactly once and in order, or is in a drop notice, whatever the link does", () => {
  fc.assert(
    fc.property(world, (given) => {
      const played = play(given, true);
      const { board, receiver } = played;
      checkAccount(played, board.agent.stats.seq);
      const { seq, acked, ringBytes, droppedOldest, droppedNewest } = board.agent.stats;
      expect({ acked, ringBytes }).toEqual({ acked: seq, ringBytes: 0 });
      expect(receiver.losses.filter((one) => one.where !== "agent")).toEqual([]);
      const lost = receiver.losses.reduce((sum, one) => sum + one.last - one.first + 1, 0);
      expect(droppedOldest + droppedNewest).toBe(lost);
      if (given.drop === "newest") expect(droppedOldest).toBe(0);
    }),
    RUNS,
  );
});

test("without acks every line is listed at most once and in order, and the gaps are known up to the last frame", () => {
  const calm = world.map((given) => ({
    ...given,
    // Such a link neither repeats nor reorders; it loses.
    fates: given.fates.map((one) => (one === "twice" || one === "late" ? "lose" : one)),
  }));
  fc.assert(
    fc.property(calm, (given) => {
      const played = play(given, false);
      checkAccount(played, played.receiver.mark);
      expect(played.board.agent.stats).toMatchObject({
        ringBytes: 0,
        acked: played.logged.length,
        resentFrames: 0,
      });
    }),
    RUNS,
  );
});

test("times on one clock never fall within a boot", () => {
  fc.assert(
    fc.property(world, (given) => {
      const { receiver } = play(given, true);
      for (const field of ["uptime", "timestamp"] as const) {
        const times = receiver.entries.flatMap((one) => one[field] ?? []);
        expect(times).toEqual([...times].sort((a, b) => a - b));
      }
    }),
    { numRuns: 100 },
  );
});

test("a board that resets starts a new boot: what was acked stays, what was not is lost, nothing is merged", () => {
  const time = new VirtualTime();
  const receivers = [new ModelReceiver("1-aaaa"), new ModelReceiver("2-bbbb")];
  for (const receiver of receivers) {
    let answers = 0;
    const board: Bench = new Bench({
      time,
      boot: receiver.boot,
      send: (frame) => {
        const answer = receivers.map((one) => one.receive(frame)).find((one) => one !== undefined);
        if (answer !== undefined && answers++ < 2) time.after(5, () => board.agent.receive(answer));
        return true;
      },
    });
    for (let i = 1; i <= 5; i++) {
      board.console.log(`${receiver.boot} line ${i}`);
      time.advance(200);
    }
    board.agent.stop();
  }
  for (const receiver of receivers) {
    expect(receiver.entries.map((one) => one.msg)).toEqual(
      receiver.entries.map((_, i) => `${receiver.boot} line ${i + 1}`),
    );
    expect(receiver.entries.length).toBeGreaterThanOrEqual(2);
  }
});
