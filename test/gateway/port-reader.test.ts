import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { type PolledPort, PortReader } from "../../gateway/port-reader.ts";
import { ReadRounds } from "../../gateway/read-rounds.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";

const READABLE = 1;
const WRITABLE = 2;

/** The kernel's end of a port: says that it is readable when somebody waits for that, as the driver's poller does. */
class HandPort extends EventEmitter implements PolledPort {
  isOpen = true;
  isDestroyed = false;
  waiting = "";
  isReadableForNothing = false;
  /** What was polled for last. */
  polled = 0;
  /** Reads that found nothing too. */
  readCount = 0;

  get poller(): PolledPort["poller"] {
    return this;
  }

  poll(events: number): void {
    if (this.isDestroyed) throw new Error("segmentation fault");
    this.polled = events;
    queueMicrotask(() => this.tell());
  }

  say(text: string): void {
    this.waiting += text;
    this.tell();
  }

  /** As the driver does it: its poller is gone when it says so, and the port counts as open until then. */
  close(): void {
    this.isDestroyed = true;
    this.emit("readable", Object.assign(new Error("closed"), { canceled: true }));
    this.isOpen = false;
  }

  readNow(buffer: Uint8Array): number {
    this.readCount += 1;
    if (this.waiting === "" && !this.isReadableForNothing)
      throw Object.assign(new Error("nothing there"), { code: "EAGAIN" });
    const taken = this.waiting.slice(0, 4_095);
    this.waiting = this.waiting.slice(4_095);
    return Buffer.from(taken).copy(buffer);
  }

  /** What was waited for is no longer, once it came. */
  tell(): void {
    if ((this.polled & READABLE) === 0 || (this.waiting === "" && !this.isReadableForNothing)) return;
    this.polled &= ~READABLE;
    this.emit("readable", null);
  }
}

function openPort(
  options: { readonly baud?: number; readonly mayRest?: boolean } = {},
  time = new VirtualTime(),
  rounds = new ReadRounds(time),
) {
  const port = new HandPort();
  const reads: { readonly atMs: number; readonly text: string }[] = [];
  const gone = { count: 0 };
  const reader = new PortReader(
    { port, clock: time, timers: time, rounds },
    { baud: 115_200, mayRest: true, ...options },
    {
      onBytes: (bytes) =>
        reads.push({ atMs: time.monotonicMs(), text: Buffer.from(bytes).toString("latin1") }),
      onGone: () => {
        gone.count += 1;
      },
    },
  );
  reader.resume();
  const pass = (ms: number): Promise<void> => time.advanceAsync(ms);
  return { port, reader, reads, pass, gone };
}

test("what comes after a silence is read at once, and what follows within 20 ms is read together", async () => {
  const { port, reads, pass } = openPort();
  await pass(1_000);
  port.say("a lone line\n");
  await pass(1);
  expect(reads).toEqual([{ atMs: 1_000, text: "a lone line\n" }]);
  for (const piece of ["in ", "four ", "pieces", "\n"]) {
    port.say(piece);
    await pass(4);
  }
  await pass(100);
  port.say("later\n");
  await pass(1);
  expect(reads.slice(1)).toEqual([
    { atMs: 1_020, text: "in four pieces\n" },
    { atMs: 1_117, text: "later\n" },
  ]);
});

test("a wire that fills half of what the kernel keeps in less than 20 ms is read that much sooner", async () => {
  const { port, reads, pass } = openPort({ baud: 4_096_000 });
  for (let ms = 0; ms < 20; ms++) {
    port.say("x".repeat(400));
    await pass(1);
  }
  expect(reads.map(({ atMs }) => atMs)).toEqual([0, 5, 10, 15, 20]);
});

test("a wire that brings more than its rate says is read as often as it fills half of what the kernel keeps", async () => {
  const { port, reads, pass } = openPort();
  for (let ms = 0; ms < 100; ms++) {
    port.say("x".repeat(400));
    await pass(1);
  }
  const times = reads.map(({ atMs }) => atMs);
  expect(times.slice(0, 2)).toEqual([0, 20]);
  for (let at = 2; at < times.length; at++)
    expect((times[at] ?? 0) - (times[at - 1] ?? 0)).toBeLessThanOrEqual(7);
});

test("a wire that is always full is read once a ms, and not without a rest: a read of what was just emptied waits", async () => {
  const { port, reads, pass } = openPort();
  port.say("x".repeat(400_000));
  await pass(20);
  reads.length = 0;
  await pass(10);
  expect(reads.length).toBeGreaterThanOrEqual(9);
  expect(reads.length).toBeLessThanOrEqual(11);
});

/** Ports of one gateway whose wires are full for 100 ms, and what was done with them since, in its order. */
async function fullPorts(count: number) {
  const time = new VirtualTime();
  const rounds = new ReadRounds(time);
  const ports = Array.from({ length: count }, () => openPort({}, time, rounds));
  for (const [index, { port }] of ports.entries()) port.say(`${index},`.repeat(200_000));
  await time.advanceAsync(50);
  const done: string[] = [];
  for (const [index, { port, reads }] of ports.entries()) {
    const readNow = port.readNow.bind(port);
    port.readNow = (memory) => {
      done.push(`read ${index}`);
      return readNow(memory);
    };
    reads.push = (...items) => {
      done.push(`took ${index}`);
      return Array.prototype.push.apply(reads, items);
    };
  }
  return { time, ports, done };
}

const named = (what: string, from: number, to: number): readonly string[] =>
  Array.from({ length: to - from }, (_, index) => `${what} ${from + index}`);

test("wires that are always full are read one right after the other, sixteen at a time, before what they brought is looked at", async () => {
  const { time, ports, done } = await fullPorts(20);
  await time.advanceAsync(2);
  const round = [
    ...named("read", 0, 16),
    ...named("took", 0, 16),
    ...named("read", 16, 20),
    ...named("took", 16, 20),
  ];
  expect(done).toEqual([...round, ...round]);
  for (const [index, { port, reads }] of ports.entries()) {
    const text = reads.map((read) => read.text).join("") + port.waiting;
    expect(text).toBe(`${index},`.repeat(200_000));
  }
});

test("one of them that is paused or closed is read no more, and the others are", async () => {
  const { time, ports, done } = await fullPorts(3);
  ports[0]?.reader.pause();
  ports[1]?.port.close();
  await time.advanceAsync(2);
  expect(done).toEqual(["read 2", "took 2", "read 2", "took 2"]);
  done.length = 0;
  ports[0]?.reader.resume();
  await time.advanceAsync(0);
  expect(done).toEqual(["read 0", "took 0"]);
  expect(ports.map(({ gone }) => gone.count)).toEqual([0, 0, 0]);
});

test("where each rest brings something the poller is not asked, and where one brings nothing it is", async () => {
  const { port, reads, pass } = openPort();
  for (let ms = 0; ms < 100; ms++) {
    port.say("x");
    await pass(1);
    if (ms > 40) expect(port.polled).toBe(0);
  }
  await pass(100);
  expect(port.polled).toBe(READABLE);
  const { readCount } = port;
  await pass(1_000);
  expect(port.readCount).toBe(readCount);
  port.say("y");
  expect(reads.at(-1)?.text).toBe("y");
});

test("a port that is paused is not read, also not by a rest that ends, and goes on where it stood", async () => {
  const { port, reader, reads, pass } = openPort();
  port.say("a");
  await pass(1);
  port.say("b");
  reader.pause();
  await pass(100);
  expect(reads.map(({ text }) => text)).toEqual(["a"]);
  port.say("c");
  reader.resume();
  await pass(1);
  expect(reads.map(({ text }) => text)).toEqual(["a", "bc"]);
});

test("a wire whose silences are measured is read as it comes", async () => {
  const { port, reads, pass } = openPort({ mayRest: false });
  for (let ms = 0; ms < 5; ms++) {
    port.say("x");
    await pass(1);
  }
  expect(reads.map(({ atMs }) => atMs)).toEqual([0, 1, 2, 3, 4]);
});

test("while it rests the driver is told to wait for no more reads, and for writes only where one waits", async () => {
  const { port, reads, pass } = openPort();
  port.say("x");
  await pass(1);
  // The driver waits again for all that it was ever asked to wait for.
  port.polled = READABLE;
  port.say("y");
  expect(port.polled).toBe(0);
  port.on("writable", () => {});
  port.polled = READABLE;
  port.tell();
  expect(port.polled).toBe(WRITABLE);
  expect(reads.map(({ text }) => text)).toEqual(["x"]);
  await pass(20);
  expect(reads.map(({ text }) => text)).toEqual(["x", "y"]);
});

test("a wait for reads does not make the driver forget a write that waits", async () => {
  const { port, pass } = openPort();
  port.on("writable", () => {});
  port.say("x");
  await pass(100);
  expect(port.polled).toBe(READABLE | WRITABLE);
});

test("a device that is gone and reads as empty is asked 50 times a second, not without end", async () => {
  const { port, reads, pass, gone } = openPort();
  port.isReadableForNothing = true;
  port.tell();
  await pass(1_000);
  expect(port.readCount).toBeGreaterThan(1);
  expect(port.readCount).toBeLessThanOrEqual(51);
  expect(reads).toEqual([]);
  port.close();
  await pass(100);
  expect(gone.count).toBe(0);
});

test("a port that is closed while it waits, rests or is paused is asked for nothing more", async () => {
  const waiting = openPort();
  const resting = openPort();
  resting.port.say("x");
  const paused = openPort();
  paused.reader.pause();
  for (const { port, pass, reader, gone } of [waiting, resting, paused]) {
    await pass(1);
    const { readCount } = port;
    port.close();
    await pass(100);
    reader.resume();
    await pass(100);
    expect(port.readCount).toBe(readCount);
    expect(gone.count).toBe(0);
  }
});

test("a device that a read fails of is told to be gone, once, and read no more", async () => {
  const { port, pass, gone } = openPort();
  port.readNow = () => {
    throw Object.assign(new Error("no such device"), { code: "ENXIO" });
  };
  port.say("x");
  await pass(100);
  expect(gone.count).toBe(1);
  expect(port.polled).toBe(0);
});
