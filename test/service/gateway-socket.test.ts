import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { Forwarder } from "../../gateway/forwarder.ts";
import { SocketServiceClient } from "../../gateway/socket-service-client.ts";
import { Spool } from "../../gateway/spool/spool.ts";
import { UplinkUnavailable } from "../../gateway/uplink.ts";
import { CounterTable } from "../../host/counters.ts";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { systemRandom } from "../../host/system-random.ts";
import { MemoryLog } from "../support/gateway-world.ts";
import { memoryDisk, runService } from "../support/running-service.ts";

const spoolDisk = () => {
  const files = new Map<string, Uint8Array>();
  const disk = memoryDisk(files);
  return {
    ...disk,
    openAppend: async (path: string) => ({
      sizeBytes: files.get(path)?.length ?? 0,
      append: async (bytes: Uint8Array) => {
        files.set(path, Buffer.concat([files.get(path) ?? Buffer.alloc(0), bytes]));
      },
      sync: async () => {},
      close: async () => {},
    }),
  };
};

test("batches follow one another over a socket, a lease comes back over it, and a new socket goes on where the last ended", async () => {
  const running = await runService();
  const counters = new CounterTable();
  const world = {
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    counters,
    log: new MemoryLog(),
  };
  const spool = await Spool.open({ ...world, disk: spoolDisk() }, { gatewaySrc: "gw", commitIntervalMs: 0 });
  const client = new SocketServiceClient(world, {
    url: running.url,
    project: "default",
    gatewayId: "shed",
    key: running.key,
  });
  client.onLevel = (src, lease) =>
    src === "pump" && lease.level === "debug" ? { isReached: true } : undefined;
  const forwarder = new Forwarder({ ...world, spool, client }, { batchEntriesMax: 7 });
  const stored = () => running.counters.values().service_stored_entries_total;
  const commit = (first: number, count: number) =>
    spool.commit(
      Array.from({ length: count }, (_, index) => ({
        src: "pump",
        stream: "console",
        msg: JSON.stringify(`line ${first + index}`),
        timestamp: 1,
        received: 1,
        clock: "server" as const,
        boot: "b",
        seq: first + index,
      })),
    );
  try {
    await commit(1, 100);
    forwarder.start();
    await expect.poll(() => spool.waitingEntries).toBe(0);
    expect(stored()).toBe(100);
    expect(await client.mark("pump", "b")).toBe(100);
    expect(await client.missing("pump", "b", 50)).toEqual([]);
    expect(await client.missing("pump", "b", 121)).toEqual([{ first: 101, last: 120 }]);
    const lease = { level: "debug", forMs: 1_000 } as const;
    expect(await running.service.levels.setLevel("default", "pump", lease)).toEqual([
      { gatewayId: "shed", isReached: true },
    ]);
    expect(await running.service.levels.setLevel("default", "valve", lease)).toEqual([]);
    client.drop();
    await commit(101, 50);
    await expect.poll(() => spool.waitingEntries).toBe(0);
    expect(stored()).toBe(150);
    expect(counters.values().forwarder_greetings_total).toBe(2);
  } finally {
    await forwarder.stop(100);
    client.close();
    await running.stop();
  }
});

test("a lease that is none is not handed on, and the service hears that no board has it", async () => {
  const leases: unknown[] = [
    { level: "loud", forMs: 1 },
    { level: "info" },
    { level: "info", forMs: 1e12 },
    { level: "info", forMs: 1, module: "\u0000" },
    [],
    null,
    { level: "info", forMs: 5, module: "net", more: 1 },
  ];
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const answers: { answer: number; isKnown: boolean }[] = [];
  server.on("connection", (socket) => {
    socket.on("message", (data) => {
      const message = JSON.parse(String(data)) as { ask?: number; answer: number; isKnown: boolean };
      if (message.ask === undefined) answers.push(message);
      else socket.send(JSON.stringify({ answer: message.ask, status: 200, position: 0 }));
    });
    for (const [ask, lease] of leases.entries()) socket.send(JSON.stringify({ ask, src: "pump", lease }));
  });
  const { port } = server.address() as AddressInfo;
  const options = { url: `http://127.0.0.1:${port}`, project: "default", gatewayId: "shed", key: "k" };
  const client = new SocketServiceClient({ timers: systemTimers }, options);
  const taken: unknown[] = [];
  const problems: string[] = [];
  client.onLevel = (_src, lease) => {
    taken.push(lease);
    return { isReached: true };
  };
  client.onBadLease = (problem) => problems.push(problem);
  try {
    await client.position("0123456789abcdef");
    await expect.poll(() => answers.length).toBe(leases.length);
    expect(taken).toEqual([{ level: "info", forMs: 5, module: "net" }]);
    expect(answers.map(({ isKnown }) => isKnown)).toEqual(leases.map((_, index) => index === 6));
    expect(problems).toHaveLength(6);
    expect(problems[1]).toBe("forMs: required");
  } finally {
    client.close();
    server.close();
  }
});

test("a wrong key is told, and is no reason to lose anything", async () => {
  const running = await runService();
  const options = { url: running.url, project: "default", gatewayId: "shed", key: "blk_wrong" };
  const client = new SocketServiceClient({ timers: systemTimers }, options);
  await expect(client.position("0123456789abcdef")).rejects.toThrow(UplinkUnavailable);
  await expect(client.position("0123456789abcdef")).rejects.toThrow("401");
  client.close();
  await running.stop();
});
