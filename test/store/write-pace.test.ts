import { pbkdf2 } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { type Disk, SystemFile } from "../../service/store/durable-file.ts";
import { WritePace } from "../../service/store/write-pace.ts";
import { temporaryFolder } from "./store-drivers.ts";

describe("the pace of a disk", () => {
  it("is not fast before anything is known of it", () => {
    expect(new WritePace().isFast).toBe(false);
  });

  it("is fast where writes take a fraction of a millisecond, also with a slow one in fifty", () => {
    const pace = new WritePace();
    for (let index = 1; index <= 500; index++) {
      pace.took(index % 50 === 0 ? 1_000 : 0.3);
      expect(pace.isFast, `after ${index}`).toBe(true);
    }
  });

  it("is known to be slow after a few slow writes, and fast again after some dozen fast ones", () => {
    const pace = new WritePace();
    for (let index = 0; index < 100; index++) pace.took(0.3);
    for (let index = 0; index < 5; index++) pace.took(20);
    expect(pace.isFast).toBe(false);
    for (let index = 0; index < 36; index++) pace.took(0.3);
    expect(pace.isFast).toBe(true);
  });

  it("is slow on a card whose writes take 20 ms from the first one on", () => {
    const pace = new WritePace();
    for (let index = 0; index < 10; index++) {
      pace.took(20);
      expect(pace.isFast).toBe(false);
    }
  });
});

describe("a write to a journal", () => {
  const SMALL = Buffer.alloc(300, 1);
  const LARGE = Buffer.alloc(64 << 10, 1);

  it.each([
    { disk: "fast", bytes: SMALL, isAtOnce: true },
    { disk: "fast", bytes: LARGE, isAtOnce: false },
    { disk: "slow", bytes: SMALL, isAtOnce: false },
    { disk: "unknown", bytes: SMALL, isAtOnce: false },
  ])(
    "of $bytes.length bytes to a disk that is $disk is made at once: $isAtOnce",
    async ({ disk: kind, bytes, isAtOnce }) => {
      const { dir, remove } = await temporaryFolder();
      const path = join(dir, "log-1.journal");
      const pace = new WritePace();
      if (kind !== "unknown") pace.took(kind === "fast" ? 0.2 : 20);
      const disk: Disk = { clock: { monotonicMs: () => 0, wallMs: () => 0 }, pace };
      const file = SystemFile.open(path, disk);
      const others = occupyThreads();
      const written = file.write([bytes.subarray(0, 100), bytes.subarray(100)], 0);
      expect(readFileSync(path).length).toBe(isAtOnce ? bytes.length : 0);
      await written;
      expect(readFileSync(path)).toEqual(bytes);
      await Promise.all(others);
      await file.close();
      await remove();
    },
  );
});

/** All threads that Node gives to writes, for some tens of ms. */
function occupyThreads(): Promise<Buffer>[] {
  const threads = Number(process.env.UV_THREADPOOL_SIZE ?? 4);
  return Array.from({ length: threads }, () => promisify(pbkdf2)("", "", 40_000, 32, "sha256"));
}
