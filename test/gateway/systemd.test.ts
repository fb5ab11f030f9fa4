import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { CommitProgress } from "../../gateway/commit-progress.ts";
import { Committer } from "../../gateway/committer.ts";
import { CounterTable } from "../../host/counters.ts";
import { feedWatchdog, type ServiceManager, systemdManager } from "../../host/sd-notify.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { virtualWorld } from "../support/gateway-world.ts";
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

/** A manager whose socket is real, and what it has heard. */
async function withSocket(
  act: (manager: ServiceManager, heard: () => string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-notify-"));
  const socket = join(folder, "socket");
  const listener = spawn("python3", ["-c", LISTENER, socket], { stdio: ["ignore", "pipe", "inherit"] });
  let heard = "";
  listener.stdout.on("data", (data) => {
    heard += String(data);
  });
  try {
    await once(listener.stdout, "data");
    const env = { ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: "60000000" };
    await act(systemdManager(env), () => heard);
  } finally {
    listener.kill();
    await rm(folder, { recursive: true });
  }
}

test("the service manager's socket gets every message", () =>
  withSocket(async (manager, heard) => {
    expect(manager.watchdogMs).toBe(60_000);
    for (const text of ["READY=1", "STATUS=3 entries wait", "WATCHDOG=1", "STOPPING=1"])
      await manager.notify(text);
    for (const text of ["READY=1", "STATUS=3 entries wait", "WATCHDOG=1", "STOPPING=1"])
      await expect.poll(heard).toContain(text);
  }));

test("the service manager's socket is fed while the committer commits or waits out a refusal, and no more once a commit hangs", () =>
  withSocket(async (manager, heard) => {
    const { time, uplink, counters, ...world } = virtualWorld();
    const commit = uplink.commit.bind(uplink);
    let hangs = false;
    uplink.commit = (batches) => (hangs ? new Promise(() => {}) : commit(batches));
    const committer = new Committer({ ...world, timers: time, uplink, counters });
    const progress = new CommitProgress(counters, () => committer.queuedEntries);
    const sent: Promise<void>[] = [];
    const notify = async (text: string): Promise<void> => void sent.push(manager.notify(text));
    feedWatchdog({ ...manager, notify }, time, () => progress.hasMoved());
    const feeds = (): number => heard().split("WATCHDOG=1").length - 1;
    const offer = (seq: number): void => {
      const entry = {
        src: "pump",
        stream: "console",
        msg: `"line"`,
        timestamp: 1,
        received: 1,
        boot: "b",
        seq,
      };
      void committer.accept("default", "pump", [{ ...entry, clock: "server" }], () => {});
    };
    offer(1);
    await time.advanceAsync(30_000);
    await expect.poll(feeds).toBe(1);
    uplink.isAway = true;
    offer(2);
    await time.advanceAsync(300_000);
    await expect.poll(feeds).toBe(11);
    uplink.isAway = false;
    hangs = true;
    await time.advanceAsync(60_000);
    // Each message is a process of its own: what comes behind all of them is heard last.
    await Promise.all(sent);
    await manager.notify("STATUS=hangs");
    await expect.poll(heard).toContain("STATUS=hangs");
    const fedCount = feeds();
    await time.advanceAsync(600_000);
    await Promise.all(sent);
    await manager.notify("STATUS=end");
    await expect.poll(heard).toContain("STATUS=end");
    expect(feeds()).toBe(fedCount);
  }));

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
