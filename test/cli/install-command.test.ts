import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runBoardlog } from "../support/boardlog-process.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "boardlog-root-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const read = (path: string): Promise<string> => readFile(join(root, path), "utf8");
const source = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), "utf8");

test("install puts the committed unit and settings in place and says three commands; what is set up stays; uninstall takes it away", async () => {
  const installed = await runBoardlog(["install", "gateway", "--root", root]);
  expect(installed.status, installed.stderr).toBe(0);
  expect(installed.stdout.match(/^ {2}sudo /gm)).toHaveLength(3);
  const unit = "etc/systemd/system/boardlog-gateway.service";
  expect(await read(unit)).toBe(await source("gateway/systemd/boardlog-gateway.service"));
  expect(await read("etc/boardlog/gateway.yaml")).toBe(await source("packaging/gateway.yaml"));
  for (const secret of ["service-key", "mqtt-key"])
    expect((await stat(join(root, "etc/boardlog", secret))).mode & 0o077).toBe(0);
  expect(await read("usr/bin/boardlog")).toContain("bin/boardlog.js");

  await writeFile(join(root, "etc/boardlog/gateway.yaml"), "mine\n");
  expect((await runBoardlog(["install", "gateway", "--root", root])).stdout).toContain("kept as it was");
  expect((await runBoardlog(["uninstall", "gateway", "--root", root])).status).toBe(0);
  await expect(read(unit)).rejects.toThrow("ENOENT");
  await expect(read("usr/bin/boardlog")).rejects.toThrow("ENOENT");
  expect(await read("etc/boardlog/gateway.yaml")).toBe("mine\n");
  const again = await runBoardlog(["uninstall", "gateway", "--root", root]);
  expect(again).toMatchObject({ status: 1, stderr: expect.stringContaining("it is not installed") });
});

test("purge takes settings and spool too; a program that somebody else put there stays", async () => {
  await mkdir(join(root, "usr/bin"), { recursive: true });
  await writeFile(join(root, "usr/bin/boardlog"), "other\n");
  await mkdir(join(root, "var/lib/boardlog-gateway/spool"), { recursive: true });
  await runBoardlog(["install", "gateway", "--root", root]);
  expect((await runBoardlog(["uninstall", "gateway", "--purge", "--root", root])).status).toBe(0);
  for (const path of ["etc/boardlog", "var/lib/boardlog-gateway"])
    await expect(stat(join(root, path))).rejects.toThrow("ENOENT");
  expect(await read("usr/bin/boardlog")).toBe("other\n");
});

test("what the Debian package has installed is left to it", async () => {
  await mkdir(join(root, "lib/systemd/system"), { recursive: true });
  await writeFile(join(root, "lib/systemd/system/boardlog-gateway.service"), "");
  for (const action of ["install", "uninstall"]) {
    const refused = await runBoardlog([action, "gateway", "--root", root]);
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining("Debian package") });
  }
});
