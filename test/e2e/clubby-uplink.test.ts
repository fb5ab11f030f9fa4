import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { openPty } from "../../host/pty.ts";
import { pause, runBoardlog, until } from "../support/boardlog-process.ts";
import { GatewayProcess, WireBoard } from "../support/gateway-process.ts";
import { freePort } from "../support/mosquitto.ts";
import { rewindsIn } from "../support/output-bench.ts";
import { SeedFault, SeedService } from "../support/seed-service.ts";
import { SyslogReceiver } from "../support/syslog-receiver.ts";

const ROUNDS = Number(process.env.GATEWAY_KILLS ?? 4);
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test.each([
  ["http", ROUNDS],
  ["ws", Math.ceil(ROUNDS / 2)],
])(
  "uplink: clubby over %s, gateway killed and service restarted in turn: nothing lost, in order, twice only what a kill repeats",
  async (scheme, rounds) => {
    const service = new SeedService();
    await service.start();
    cleanups.push(() => service.stop());
    const syslog = new SyslogReceiver();
    await syslog.start();
    cleanups.push(() => syslog.stop());
    const folder = await mkdtemp(join(tmpdir(), "boardlog-clubby-"));
    cleanups.push(() => rm(folder, { recursive: true, force: true }));
    const pty = openPty();
    cleanups.push(() => pty.close());
    const statusPort = await freePort();
    const settings = join(folder, "gateway.yaml");
    await writeFile(
      settings,
      `id: pi-1\ndata: ${folder}/data\nuplink: clubby\nservice:\n  url: ${scheme}://127.0.0.1:${service.port}\noutputs:\n  syslog:\n    url: tcp://127.0.0.1:${syslog.port}\nserial:\n  - path: ${pty.path}\n    source: wire\nstatus: 127.0.0.1:${statusPort}\n`,
    );
    const gateway = new GatewayProcess(settings, statusPort);
    cleanups.push(() => gateway.end("SIGKILL"));
    await gateway.start();
    const board = new WireBoard((line) => pty.write(Buffer.from(line)));
    pty.onData((bytes) => board.hear(bytes));
    const endLoad = board.keepLogging();
    for (let round = 1; round <= rounds; round++) {
      const before = service.texts("wire", "console").length;
      await until("lines come", () => service.texts("wire", "console").length > before + 20);
      if (round % 3 === 0) {
        await service.stop();
        await syslog.stop();
        const acked = board.acked;
        await until("boards are acked without a service", () => board.acked > acked + 20);
        await service.start();
        await syslog.start();
      } else {
        // In the middle of what is under way.
        if (round % 2 === 0) service.fault = () => SeedFault.Hang;
        await pause(20);
        await gateway.end("SIGKILL");
        service.fault = () => SeedFault.None;
        await gateway.start();
      }
    }
    await endLoad();
    await until("all is sent", async () => (await gateway.gauge("spool_waiting_entries")) === 0);
    await until("the output has it too", async () => (await gateway.gauge("syslog_waiting_entries")) === 0);
    expect(await gateway.gauge("syslog_connected")).toBe(1);
    const logged = syslog.messages.filter(({ msgId }) => msgId === "console").map(({ text }) => text);
    expect(rewindsIn(logged, board.seq)).toBeLessThanOrEqual(rounds);
    expect(syslog.problems).toEqual([]);
    expect(rewindsIn(service.texts("wire", "console"), board.seq)).toBeLessThanOrEqual(rounds);
    expect(service.complaints).toEqual([]);

    // What a stop in order leaves is not sent again.
    const count = service.texts("wire", "console").length;
    expect(await gateway.end("SIGTERM")).toBe(0);
    const syslogCount = syslog.messages.length;
    await gateway.start();
    board.log();
    board.send();
    await until("one more line", () => service.texts("wire", "console").at(-1) === `line ${board.seq}`);
    expect(service.texts("wire", "console").length).toBe(count + 1);
    const last = `line ${board.seq}`;
    await until("and there", () => syslog.messages.some(({ text }) => text === last));
    expect(await gateway.end("SIGTERM")).toBe(0);
    expect(syslog.messages.length).toBe(syslogCount + 1);

    const doctor = await runBoardlog(["doctor", "--settings", settings, "--color", "never"]);
    expect(doctor.stdout).toMatch(/ok service +.*can be reached/);
    expect(doctor.stdout).toMatch(/ok syslog +tcp:.*can be reached/);
    await service.stop();
    await syslog.stop();
    const away = await runBoardlog(["doctor", "--settings", settings, "--color", "never"]);
    expect(away.stdout).toMatch(/XX service +.*ECONNREFUSED/);
    expect(away.stdout).toMatch(/XX syslog +.*ECONNREFUSED/);
  },
);
