import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { openPty, type Pty } from "../../host/pty.ts";
import { until } from "../support/gateway-world.ts";

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);

describe("a pty", () => {
  const open: Pty[] = [];
  const fds: number[] = [];

  function pty(): Pty {
    const opened = openPty();
    open.push(opened);
    return opened;
  }

  function openFarSide(path: string): number {
    const fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    fds.push(fd);
    return fd;
  }

  afterEach(async () => {
    for (const fd of fds.splice(0)) closeSync(fd);
    await Promise.all(open.splice(0).map((opened) => opened.close()));
  });

  test("carries every byte value both ways, unchanged and without echo", async () => {
    const board = pty();
    const heard: number[] = [];
    board.onData((bytes) => heard.push(...bytes));
    const fd = openFarSide(board.path);

    writeSync(fd, EVERY_BYTE);
    await until("256 bytes up", () => heard.length >= 256);
    expect(heard).toEqual([...EVERY_BYTE]);

    board.write(EVERY_BYTE);
    const down: number[] = [];
    await until("256 bytes down", () => {
      down.push(...readNow(fd));
      return down.length >= 256;
    });
    expect(down).toEqual([...EVERY_BYTE]);
    expect(heard.length).toBe(256);
  });

  test("survives the far side closing and opening again", async () => {
    const board = pty();
    let heard = "";
    board.onData((bytes) => {
      heard += Buffer.from(bytes).toString("latin1");
    });
    for (const text of ["one ", "two "]) {
      const fd = openFarSide(board.path);
      writeSync(fd, text);
      await until(text, () => heard.endsWith(text));
      closeSync(fds.pop() ?? -1);
    }
    board.write("three");
    const fd = openFarSide(board.path);
    let down = "";
    await until("three", () => {
      down += Buffer.from(readNow(fd)).toString("latin1");
      return down === "three";
    });
  });

  test("closed, the far side sees the device go, and nothing keeps the path", async () => {
    const board = pty();
    const fd = openFarSide(board.path);
    await board.close();
    expect(readSync(fd, Buffer.alloc(1))).toBe(0);
    expect(() => writeSync(fd, "x")).toThrow(/EIO/);
    expect(board.write("x")).toBe(false);
    expect(() => openSync(board.path, constants.O_RDWR | constants.O_NOCTTY)).toThrow();
  });

  test("says false when the far side does not read, and drains when it does", async () => {
    const board = pty();
    const fd = openFarSide(board.path);
    const block = new Uint8Array(4096).fill(0x61);
    let sentBytes = 0;
    let isTaken = true;
    while (isTaken && sentBytes < 10_000_000) {
      isTaken = board.write(block);
      sentBytes += block.length;
    }
    expect(isTaken).toBe(false);
    let isDrained = false;
    board.onDrain(() => {
      isDrained = true;
    });
    let readBytes = 0;
    await until("everything read", () => {
      readBytes += readNow(fd).length;
      return readBytes === sentBytes && isDrained;
    });
  });
});

function readNow(fd: number): Uint8Array {
  const buffer = Buffer.alloc(65_536);
  try {
    return buffer.subarray(0, readSync(fd, buffer));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return Buffer.alloc(0);
    throw error;
  }
}
