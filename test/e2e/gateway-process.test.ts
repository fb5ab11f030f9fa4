import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { openPty } from "../../host/pty.ts";
import { BoardlogProcess, pause, runBoardlog, until } from "../support/boardlog-process.ts";
import { GatewayProcess, HELD_MAX, WireBoard } from "../support/gateway-process.ts";
import { listAll } from "../support/list-client.ts";
import { freePort, Mosquitto } from "../support/mosquitto.ts";
import { startMqttBoards } from "../support/mqtt-boards.ts";
import { OtlpReceiver } from "../support/otlp-receiver.ts";
import { rewindsIn } from "../support/output-bench.ts";
import { canMount, mountNote, OwnDisk } from "../support/own-disk.ts";
import { requires } from "../support/requirements.ts";
import { SyslogReceiver } from "../support/syslog-receiver.ts";

/** More by scripts/gateway-kills.mjs. */
const KILLS = process.env.GATEWAY_KILLS;
const MQTT_BOARD_COUNT = 3;
/** A kill comes this long after lines were acked, ms, so that it meets every part of a commit and of a batch. */
const KILL_DELAYS_MS: readonly number[] = [0, 7, 23, 41, 60, 3, 88, 130];
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/**
 * @param more further lines of the gateway's settings.
 * @param data its folder, where it is not to be one of its own.
 */
async function chain(more = "", data?: string) {
  const service = await BoardlogProcess.create(["--quiet"]);
  cleanups.push(() => service.remove());
  await service.start();
  const folder = await mkdtemp(join(tmpdir(), "boardlog-gateway-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const keyFile = join(folder, "key");
  await writeFile(keyFile, `${await service.key()}\n`);
  const pty = openPty();
  cleanups.push(() => pty.close());
  const statusPort = await freePort();
  const settings = join(folder, "gateway.yaml");
  const text = `id: pi-1\ndata: ${data ?? `${folder}/data`}\nservice:\n  url: ${service.url}\n  keyFile: ${keyFile}\nserial:\n  - path: ${pty.path}\n    source: wire\nstatus: 127.0.0.1:${statusPort}\n`;
  await writeFile(settings, `${text}${more}`);
  const gateway = new GatewayProcess(settings, statusPort);
  cleanups.push(() => gateway.end("SIGKILL"));
  return { service, gateway, pty, settings };
}

/** A board on the wire that logs on and on. */
function wireBoard(pty: ReturnType<typeof openPty>) {
  const board = new WireBoard((line) => pty.write(Buffer.from(line)));
  pty.onData((bytes) => board.hear(bytes));
  return { board, endLoad: board.keepLogging() };
}

const linesUpTo = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `line ${index + 1}`);

async function consoleTexts(service: BoardlogProcess, src: string): Promise<unknown[]> {
  const entries = await listAll(service.url, await service.key(), src);
  return entries.filter(({ stream }) => stream === "console").map(({ msg }) => msg);
}

function tellProgress(round: number, rounds: number): void {
  if (rounds >= 50 && round % 10 === 0) process.stdout.write(`${round} of ${rounds} kills\n`);
}

test("gateway and service killed in turn under load over a pty: every acked line is listed once, in order", async () => {
  const rounds = Number(KILLS ?? 6);
  const { service, gateway, pty } = await chain();
  await gateway.start();
  const { board, endLoad } = wireBoard(pty);
  for (let round = 1; round <= rounds; round++) {
    const before = board.acked;
    await until("acks come", () => board.acked > before + 20);
    await gateway.end("SIGKILL");
    if (round % 2 === 0) {
      // Boards are acked while the service is away, also by a gateway that starts without it.
      await service.end("SIGKILL");
      await gateway.start();
      const away = board.acked;
      await until("acks come without a service", () => board.acked > away + 20);
      await service.start();
    } else await gateway.start();
    tellProgress(round, rounds);
  }
  await endLoad();
  await until("all is forwarded", async () => (await gateway.gauge("spool_waiting_entries")) === 0);
  expect(await gateway.end("SIGTERM")).toBe(0);
  expect(await consoleTexts(service, "wire")).toEqual(linesUpTo(board.seq));
});

const need = requires("mosquitto");

test.skipIf(need.isMissing)(
  `the gateway killed under load over a real Mosquitto and a pty at once: nothing lost, nothing twice, in order${need.note}`,
  async () => {
    const rounds = Number(KILLS ?? 5);
    const mosquitto = new Mosquitto(need.path ?? "");
    await mosquitto.start();
    cleanups.push(() => mosquitto.dispose());
    const { service, gateway, pty } = await chain(`brokers:\n  - ${mosquitto.url}\n`);
    await gateway.start();
    const wire = wireBoard(pty);
    const { boards, stop } = await startMqttBoards(
      MQTT_BOARD_COUNT,
      "air",
      () => ({ brokerUrl: mosquitto.url }),
      { ringBytesMax: 4 << 20 },
    );
    cleanups.push(stop);
    let isLoading = true;
    let count = 0;
    const load = (async () => {
      while (isLoading) {
        count += 1;
        for (const board of boards) board.console.info(`line ${count}`);
        await pause(10);
      }
    })();
    for (let round = 1; round <= rounds; round++) {
      const wireBefore = wire.board.acked;
      const before = boards.map(({ agent }) => agent.stats.acked);
      await until("acks come on the wire and to every board on the broker", () => {
        const isHeard = boards.every(({ agent }, index) => agent.stats.acked > (before[index] ?? 0));
        return isHeard && wire.board.acked > wireBefore;
      });
      await pause(KILL_DELAYS_MS[round % KILL_DELAYS_MS.length] ?? 0);
      await gateway.end("SIGKILL");
      await gateway.start();
      tellProgress(round, rounds);
    }
    isLoading = false;
    await Promise.all([load, wire.endLoad()]);
    await until("every line is acked", () =>
      boards.every(({ agent }) => agent.stats.acked === agent.stats.seq),
    );
    await until("all is forwarded", async () => (await gateway.gauge("spool_waiting_entries")) === 0);
    expect(await gateway.end("SIGTERM")).toBe(0);

    expect(await consoleTexts(service, "wire")).toEqual(linesUpTo(wire.board.seq));
    for (const [index, { agent }] of boards.entries()) {
      expect(agent.stats.droppedOldest + agent.stats.droppedNewest).toBe(0);
      const entries = await listAll(service.url, await service.key(), `air-${index}`);
      const lines = entries.filter(({ stream }) => stream !== "presence");
      expect(lines.map(({ msg }) => msg)).toEqual(linesUpTo(count));
      expect(lines.map(({ seq }) => seq)).toEqual(lines.map((_, at) => at + 1));
    }
  },
);

test("the gateway killed under load with two outputs, one of them stuck: each has all of it in order from its own cursor, and holds up no other", async () => {
  const rounds = Number(KILLS ?? 4);
  const otlp = new OtlpReceiver();
  await otlp.start();
  cleanups.push(() => otlp.stop());
  const syslog = new SyslogReceiver();
  await syslog.start();
  cleanups.push(() => syslog.stop());
  const { service, gateway, pty } = await chain(
    `outputs:\n  otlp:\n    url: http://127.0.0.1:${otlp.port}\n    encoding: json\n  syslog:\n    url: tcp://127.0.0.1:${syslog.port}\n`,
  );
  await gateway.start();
  const { board, endLoad } = wireBoard(pty);
  const logged = (): string[] =>
    syslog.messages.filter(({ msgId }) => msgId === "console").map(({ text }) => text);
  const forwarded = (): Promise<number> => gateway.counter("forwarder_entries_total");
  let breakCount = 0;
  for (let round = 1; round <= rounds; round++) {
    // One of the two takes nothing, before the kill and after it.
    const stuck = round % 2 === 0 ? "otlp" : "syslog";
    if (stuck === "otlp") otlp.reply = () => ({ status: 503 });
    else await syslog.stop();
    for (const life of ["before the kill", "after it"]) {
      const [acked, sent] = [board.acked, await forwarded()];
      const [toOtlp, toSyslog] = [otlp.texts.length, logged().length];
      await until(`boards are acked ${life}`, () => board.acked > acked + 20);
      await until(`the service gets lines ${life}`, async () => (await forwarded()) > sent + 20);
      await until(`the other output gets lines ${life}`, () =>
        stuck === "otlp" ? logged().length > toSyslog + 20 : otlp.texts.length > toOtlp + 20,
      );
      if (life === "after it") break;
      await pause(KILL_DELAYS_MS[round % KILL_DELAYS_MS.length] ?? 0);
      await gateway.end("SIGKILL");
      await gateway.start();
    }
    expect(await gateway.gauge(`${stuck}_connected`)).toBe(0);
    if (stuck === "otlp") otlp.reply = () => ({});
    else await syslog.start();
    breakCount += 1;
    tellProgress(round, rounds);
  }
  await endLoad();
  for (const name of ["spool", "otlp", "syslog"])
    await until(`${name}: nothing waits`, async () => (await gateway.gauge(`${name}_waiting_entries`)) === 0);
  expect(await gateway.end("SIGTERM")).toBe(0);
  expect(await consoleTexts(service, "wire")).toEqual(linesUpTo(board.seq));
  // At least once: what a kill or a broken connection left open comes again, and nothing else.
  expect(rewindsIn(logged(), board.seq)).toBeLessThanOrEqual(rounds + breakCount);
  // What a kill cut in the middle of a frame is text of the stream `uart`.
  const exported = otlp.texts.filter((text) => /^line \d+$/.test(text));
  expect(rewindsIn(exported, board.seq)).toBeLessThanOrEqual(rounds);
  expect(syslog.problems).toEqual([]);
});

test.skipIf(!canMount)(
  `a full disk stops the acks, over a kill too, and when it is freed all goes on by itself: nothing lost, nothing twice${mountNote}`,
  async () => {
    const disk = await OwnDisk.mount(64 << 20);
    cleanups.push(() => disk.unmount());
    const { service, gateway, pty } = await chain("", `${disk.folder}/data`);
    await gateway.start();
    const { board, endLoad } = wireBoard(pty);
    await until("acks come", () => board.acked > 20);
    // What the service has may go to make room: so that nothing may, it is away.
    await service.end("SIGKILL");
    disk.fill(0);
    const isStuck = (): boolean => board.seq - board.acked >= HELD_MAX;
    await until("no more acks come", isStuck);
    expect(await gateway.counter("spool_disk_full_total")).toBeGreaterThan(0);
    const problems = async (): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${gateway.statusPort}/healthz`);
      return response.status === 503 ? response.text() : "";
    };
    await until("/healthz says why", async () => (await problems()).includes("its disk is full"));
    await gateway.end("SIGKILL");
    await gateway.start();
    await until("it is full for the next life too", async () => {
      return isStuck() && (await problems()).includes("its disk is full");
    });
    const { acked } = board;
    disk.free();
    await until("acks come again", () => board.acked > acked + HELD_MAX);
    expect(await problems()).not.toContain("disk");
    await service.start();
    await endLoad();
    await until("all is forwarded", async () => (await gateway.gauge("spool_waiting_entries")) === 0);
    expect(await gateway.end("SIGTERM")).toBe(0);
    expect(await consoleTexts(service, "wire")).toEqual(linesUpTo(board.seq));
  },
);

test("settings are checked with the file, the setting and the reason", async () => {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-gateway-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const settings = join(folder, "gateway.yaml");
  await writeFile(join(folder, "key"), "secret\n");
  await writeFile(settings, `data: /tmp/x\nservice: {url: "http://x", keyFile: ${folder}/key}\n`);
  expect(await runBoardlog(["gateway", "--settings", settings, "--check"])).toMatchObject({ status: 0 });
  const cases: readonly [string, RegExp][] = [
    ["data: /tmp/x\n", /service: required/],
    ["data: [1\n", /gateway\.yaml: .*line 2/s],
    ["data: /tmp/x\nservice: {url: ftp://x, keyFile: /x}\n", /service\.url: must be http/],
    [
      "data: /tmp/x\nservice: {url: 'http://x', keyFile: /nowhere}\n",
      /service\.keyFile: cannot read \/nowhere: ENOENT/,
    ],
    ["data: /tmp/x\nspool: {maxMb: 3}\nservice: {url: 'http://x', keyFile: /x}\n", /spool\.maxMb/],
    ["dta: /tmp/x\n", /dta: no such setting/],
  ];
  for (const [text, reason] of cases) {
    await writeFile(settings, text);
    const { status, stderr } = await runBoardlog(["gateway", "--settings", settings, "--check"]);
    expect(status, stderr).toBe(2);
    expect(stderr).toMatch(reason);
  }
});
