import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { type PolledPort, PortReader } from "../../gateway/port-reader.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";

const WRITABLE = 2;

/** The kernel's end of a port: says that it is readable when somebody waits for that, as the driver's poller does. */
class HandPort extends EventEmitter implements PolledPort {
  isOpen = true;
  isDestroyed = false;
  waiting = "";
  isReadableForNothing = false;
  /** What was polled for, but for reads that wait. */
  readonly polled: number[] = [];

  get poller(): PolledPort["poller"] {
    return this;
  }

  override once(event: string, listener: (error: Error | null) => void): this {
    if (this.isDestroyed) throw new Error("segmentation fault");
    super.once(event, listener);
    if (event === "readable") queueMicrotask(() => this.#tell());
    return this;
  }

  poll(events: number): void {
    if (this.isDestroyed) throw new Error("segmentation fault");
    this.polled.push(events);
  }

  say(text: string): void {
    this.waiting += text;
    this.#tell();
  }

  /** As the driver does it: its poller is gone when it says so, and the port counts as open until then. */
  close(): void {
    this.isDestroyed = true;
    this.emit("readable", Object.assign(new Error("closed"), { canceled: true }));
    this.isOpen = false;
  }

  readNow(buffer: Uint8Array, offset: number, length: number): number {
    if (this.waiting === "" && !this.isReadableForNothing)
      throw Object.assign(new Error("nothing there"), { code: "EAGAIN" });
    const taken = this.waiting.slice(0, length);
    this.waiting = this.waiting.slice(length);
    return Buffer.from(taken).copy(buffer, offset);
  }

  #tell(): void {
    if (this.waiting !== "" || this.isReadableForNothing) this.emit("readable", null);
  }
}

/** Reads as the driver's stream does: again as soon as it got something. */
function openPort(options: { readonly baud?: number; readonly mayRest?: boolean } = {}) {
  const time = new VirtualTime();
  const port = new HandPort();
  const reader = new PortReader(port, time, { baud: 115_200, mayRest: true, ...options });
  const reads: { readonly atMs: number; readonly text: string }[] = [];
  const ended = (async () => {
    const buffer = Buffer.alloc(65_536);
    for (;;) {
      const { bytesRead } = await reader.read(buffer, 0, 4_095);
      reads.push({ atMs: time.monotonicMs(), text: buffer.toString("latin1", 0, bytesRead) });
    }
  })().catch((error: unknown) => error);
  const pass = (ms: number): Promise<void> => time.advanceAsync(ms);
  return { port, reads, pass, ended };
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

test("a wire that brings more than its rate says is read without rests, until it does so no more", async () => {
  const { port, reads, pass } = openPort();
  port.say("x");
  await pass(1);
  port.say("x".repeat(4_000));
  await pass(20);
  reads.length = 0;
  for (let ms = 0; ms < 32; ms++) {
    port.say("y");
    await pass(1);
  }
  expect(reads.length).toBe(32);
  reads.length = 0;
  for (let ms = 0; ms < 20; ms++) {
    port.say("z");
    await pass(1);
  }
  expect(reads.length).toBe(1);
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
  expect(port.polled).toEqual([]);
  port.say("y");
  port.on("writable", () => {});
  port.emit("readable", null);
  expect(port.polled).toEqual([0, WRITABLE]);
  await pass(20);
  expect(reads.map(({ text }) => text)).toEqual(["x", "y"]);
});

test("a device that is gone and reads as empty is asked 50 times a second, not without end", async () => {
  const { port, reads, pass, ended } = openPort();
  port.isReadableForNothing = true;
  let askedCount = 0;
  const { readNow } = port;
  port.readNow = (...args) => {
    askedCount += 1;
    return readNow.apply(port, args);
  };
  await pass(1_000);
  expect(askedCount).toBeLessThanOrEqual(51);
  expect(reads).toEqual([]);
  port.close();
  await pass(20);
  expect(await ended).toMatchObject({ canceled: true });
});

test("a port that is closed while it waits or rests ends the read as one that was called off", async () => {
  const waiting = openPort();
  await waiting.pass(1);
  waiting.port.close();
  expect(await waiting.ended).toMatchObject({ canceled: true });
  const resting = openPort();
  resting.port.say("x");
  await resting.pass(1);
  resting.port.close();
  await resting.pass(20);
  expect(await resting.ended).toMatchObject({ canceled: true });
});

test("a driver's failure is told as it is", async () => {
  const { port, pass, ended } = openPort();
  await pass(1);
  port.readNow = () => {
    throw Object.assign(new Error("no such device"), { code: "ENXIO" });
  };
  port.say("x");
  expect(await ended).toMatchObject({ code: "ENXIO" });
});
