import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { CommitProgress } from "../../gateway/commit-progress.ts";
import { CounterTable } from "../../host/counters.ts";
import { feedWatchdog, systemdManager } from "../../host/sd-notify.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { requires } from "../support/requirements.ts";

const run = promisify(execFile);
const UNIT = new URL("../../gateway/systemd/boardlog-gateway.service", import.meta.url);

/** A datagram socket of a file, which Node does not have: prints what it gets, each message on a line. */
const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True: print(s.recv(4096).decode().replace("\\n", " "), flush=True)
`;

test("the service manager's socket gets every message", async () => {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-notify-"));
  const socket = join(folder, "socket");
  const listener = spawn("python3", ["-c", LISTENER, socket], { stdio: ["ignore", "pipe", "inherit"] });
  let heard = "";
  listener.stdout.on("data", (data) => {
    heard += String(data);
  });
  try {
    await once(listener.stdout, "data");
    const manager = systemdManager({ ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: "3000000" });
    expect(manager.watchdogMs).toBe(3_000);
    for (const text of ["READY=1", "STATUS=3 entries wait", "WATCHDOG=1", "STOPPING=1"])
      await manager.notify(text);
    for (const text of ["READY=1", "STATUS=3 entries wait", "WATCHDOG=1", "STOPPING=1"])
      await expect.poll(() => heard).toContain(text);
  } finally {
    listener.kill();
    await rm(folder, { recursive: true });
  }
});

test("without a manager nothing is sent and no watchdog fed", async () => {
  const manager = systemdManager({});
  await manager.notify("READY=1");
  expect(manager.watchdogMs).toBeUndefined();
});

test("the watchdog is fed while commits go on or are refused, and no more once the commit loop hangs", async () => {
  const time = new VirtualTime();
  const counters = new CounterTable();
  let queued = 0;
  let fed = 0;
  const progress = new CommitProgress(counters, () => queued);
  const manager = { watchdogMs: 10_000, notify: async () => void fed++ };
  feedWatchdog(manager, time, () => progress.hasMoved());
  time.advance(10_000);
  expect(fed).toBe(2);
  queued = 5;
  for (const counter of ["gateway_commits_total", "gateway_uplink_unavailable_total"]) {
    counters.add(counter);
    time.advance(5_000);
  }
  expect(fed).toBe(4);
  time.advance(60_000);
  expect(fed).toBe(4);
});

const need = requires("systemd-analyze");

test.skipIf(need.isMissing)(
  `the unit is one that systemd takes, with an exposure of at most 1.5${need.note}`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "boardlog-unit-"));
    const unit = join(folder, "boardlog-gateway.service");
    // The program is not installed here.
    await writeFile(unit, (await readFile(UNIT, "utf8")).replace("/usr/bin/boardlog", "/bin/true"));
    try {
      const verified = await run("systemd-analyze", ["verify", unit]);
      expect(verified.stderr).toBe("");
      const { stdout } = await run("systemd-analyze", ["security", "--offline=true", unit]);
      expect(Number(/exposure level for \S+: ([0-9.]+)/.exec(stdout)?.[1])).toBeLessThanOrEqual(1.5);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
