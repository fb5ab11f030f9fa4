import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { takeData } from "../../cli/data-folder.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "boardlog-data-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("taking a data folder", () => {
  it("makes it and the folders above it for this user alone, and one that is there is taken as it is", async () => {
    const data = join(folder, "a/b\nc");
    takeData(data)();
    expect((await stat(data)).mode & 0o777).toBe(0o700);
    const giveFree = takeData(data);
    expect(JSON.parse(await readFile(join(data, "lock"), "utf8"))).toMatchObject({ pid: process.pid });
    giveFree();
  });

  it("says where a file stands in its place or on the way to it, and what to do", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    expect(() => takeData(file, "--data")).toThrow(
      `--data: ${file} cannot be written: a file stands where the folder would be; name another with --data`,
    );
    expect(() => takeData(join(file, "data"))).toThrow(
      `data: ${file}/data cannot be written: a file stands where a folder on the way to it would be; name another with data`,
    );
  });

  it.runIf(process.platform === "linux")("gives up where the system lets nothing be made", () => {
    expect(() => takeData("/proc/boardlog/data", "--data")).toThrow(
      /^--data: \/proc\/boardlog\/data cannot be written: /,
    );
  });
});
