import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { openPty } from "../../host/pty.ts";
import { pause, runBoardlog, until } from "../support/boardlog-process.ts";
import { GatewayProcess, WireBoard } from "../support/gateway-process.ts";
import { freePort } from "../support/mosquitto.ts";
import { SeedFault, SeedService } from "../support/seed-service.ts";

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
    const folder = await mkdtemp(join(tmpdir(), "boardlog-clubby-"));
    cleanups.push(() => rm(folder, { recursive: true, force: true }));
    const pty = openPty();
    cleanups.push(() => pty.close());
    const statusPort = await freePort();
    const settings = join(folder, "gateway.yaml");
    await writeFile(
      settings,
      `id: pi-1\ndata: ${folder}/data\nuplink: clubby\nservice:\n  url: ${scheme}://127.0.0.1:${service.port}\nserial:\n  - path: ${pty.path}\n    source: wire\nstatus: 127.0.0.1:${statusPort}\n`,
    );
    const gateway = new GatewayProcess(settings, statusPort);
    cleanups.push(() => gateway.end("SIGKILL"));
    await gateway.start();
    const board = new WireBoard((line) => pty.write(Buffer.from(line)));
    pty.onData((bytes) => board.hear(bytes));
    let isLoading = true;
    const load = (async () => {
      while (isLoading || board.acked < board.seq) {
        if (isLoading) for (let count = 0; count < 5; count++) board.log();
        board.send();
        await pause(25);
      }
    })();
    for (let round = 1; round <= rounds; round++) {
      const before = service.texts("wire", "console").length;
      await until("lines come", () => service.texts("wire", "console").length > before + 20);
      if (round % 3 === 0) {
        await service.stop();
        const acked = board.acked;
        await until("boards are acked without a service", () => board.acked > acked + 20);
        await service.start();
      } else {
        // In the middle of what is under way.
        if (round % 2 === 0) service.fault = () => SeedFault.Hang;
        await pause(20);
        await gateway.end("SIGKILL");
        service.fault = () => SeedFault.None;
        await gateway.start();
      }
    }
    isLoading = false;
    await load;
    await until("all is sent", async () => (await gateway.gauge("spool_waiting_entries")) === 0, 60_000);
    const numbers = service.texts("wire", "console").map((text) => Number(String(text).replace("line ", "")));
    let highest = 0;
    let rewinds = 0;
    for (const [index, number] of numbers.entries()) {
      expect(number, "nothing is skipped").toBeLessThanOrEqual(highest + 1);
      if (number <= (numbers[index - 1] ?? 0)) rewinds += 1;
      highest = Math.max(highest, number);
    }
    expect(highest).toBe(board.seq);
    expect(rewinds).toBeLessThanOrEqual(rounds);
    expect(service.complaints).toEqual([]);

    // What a stop in order leaves is not sent again.
    const count = service.texts("wire", "console").length;
    expect(await gateway.end("SIGTERM")).toBe(0);
    await gateway.start();
    board.log();
    board.send();
    await until("one more line", () => service.texts("wire", "console").at(-1) === `line ${board.seq}`);
    expect(service.texts("wire", "console").length).toBe(count + 1);
    expect(await gateway.end("SIGTERM")).toBe(0);

    const doctor = await runBoardlog(["doctor", "--settings", settings, "--color", "never"]);
    expect(doctor.stdout).toMatch(/ok service +.*can be reached/);
    await service.stop();
    const away = await runBoardlog(["doctor", "--settings", settings, "--color", "never"]);
    expect(away.stdout).toMatch(/XX service +.*ECONNREFUSED/);
  },
  120_000,
);
