import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SocketServiceClient } from "../../gateway/socket-service-client.ts";
import { systemTimers } from "../../host/system-clock.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { joinIngestBatch } from "../../protocol/ingest.ts";
import { encodeIngestEntry } from "../../protocol/ingest-entry.ts";
import { runBoardlog, until } from "../support/boardlog-process.ts";
import { ClusterService } from "../support/cluster-service.ts";
import { NatsCluster } from "../support/nats-cluster.ts";
import { requires } from "../support/requirements.ts";
import { connect, type WebSocketClient } from "../support/web-socket-client.ts";

const need = requires("nats-server");
const EPOCH = "00112233445566aa";

interface Listed {
  readonly id: string;
  readonly msg: string;
}

describe.skipIf(need.isMissing)(`two services over one cluster${need.note}`, () => {
  const cluster = new NatsCluster(need.path ?? "");
  let services: ClusterService[] = [];
  let key = "";

  beforeAll(async () => {
    await cluster.start();
    services = await Promise.all([1, 2].map(() => ClusterService.create(cluster.urls, "e2e")));
    // At once: one of them makes the first key.
    await Promise.all(services.map((service) => service.start()));
    const keys = (await Promise.all(services.map((service) => service.key()))).filter(
      (one) => one !== undefined,
    );
    expect(keys).toHaveLength(1);
    key = keys[0] ?? "";
  });
  afterAll(async () => {
    for (const service of services) await service.dispose();
    await cluster.dispose();
  });

  const urlOf = (index: number): string => services[index]?.url ?? "";

  async function post(
    index: number,
    path: string,
    body: object | Uint8Array<ArrayBuffer>,
    type = "application/json",
  ) {
    const response = await fetch(`${urlOf(index)}${path}`, {
      method: "POST",
      headers: { "x-api-key": key, "content-type": type },
      body: body instanceof Uint8Array ? body : JSON.stringify(body),
    });
    const answer: Record<string, unknown> = { ...((await response.json()) as object), http: response.status };
    return answer;
  }

  async function log(index: number, src: string, msg: string): Promise<void> {
    expect((await post(index, "/v1/Log.Log", { src, msg })).http).toBe(200);
  }

  async function list(index: number, args: object): Promise<readonly Listed[]> {
    const { resp = [] } = await post(index, "/v1/Log.List", args);
    return resp as readonly Listed[];
  }

  const live = (index: number, query: string, withKey = key): Promise<WebSocketClient> =>
    connect(`${urlOf(index)}/v1/ws/projects/default/logs?x-api-key=${withKey}${query}`);

  async function hear(
    client: WebSocketClient,
    count: number,
  ): Promise<{ readonly id: string; readonly message: string }[]> {
    const heard: { readonly id: string; readonly message: string }[] = [];
    while (heard.length < count) {
      const { result } = await client.nextJson();
      if (result !== undefined) heard.push((result as { data: { id: string; message: string } }).data);
    }
    return heard;
  }

  test("say at the start what the cluster does not promise", () => {
    expect(services[0]?.output).toMatch(/nats-server 2\.\S+ acks before it syncs/);
  });

  test("each lists at once what the other took, and a reader goes on at either by its token", async () => {
    for (let number = 1; number <= 9; number++) await log(number % 2, "pump", `line ${number}`);
    const first = await list(0, { src: "pump", limit: 4 });
    const rest = await list(1, { src: "pump", limit: 9, after: first.at(-1)?.id });
    expect([...first, ...rest].map(({ msg }) => msg)).toEqual(
      Array.from({ length: 9 }, (_, index) => `line ${index + 1}`),
    );
    expect(await list(0, { src: "pump", last: 9 })).toEqual([...first, ...rest]);
  });

  test("a live reader hears what any of them takes, and moves to another without gap or repeat", async () => {
    const before = await live(0, "&src=valve");
    await log(0, "valve", "1");
    await log(1, "valve", "2");
    const heard = await hear(before, 2);
    before.socket.terminate();
    await log(0, "valve", "3");
    const after = await live(1, `&src=valve&after=${heard.at(-1)?.id}`);
    await log(0, "valve", "4");
    await log(1, "valve", "5");
    heard.push(...(await hear(after, 3)));
    after.socket.terminate();
    expect(heard.map(({ message }) => message)).toEqual(["1", "2", "3", "4", "5"]);
  });

  test("a gateway's position stands at either, and a batch that comes to both is stored once", async () => {
    const path = "/v1/projects/default/gateways/pi-1";
    const line = (number: number): NewEntry => ({
      src: `board-${number % 3}`,
      stream: "uart",
      msg: `"line ${number}"`,
      timestamp: 5,
      received: 6,
      clock: "server",
    });
    const batch = (after: number, positions: readonly number[]): Uint8Array<ArrayBuffer> =>
      new Uint8Array(
        joinIngestBatch(
          { epoch: EPOCH, after },
          positions.map((position) => ({ position, payload: encodeIngestEntry(line(position)) })),
        ),
      );
    const send = (index: number, body: Uint8Array<ArrayBuffer>) =>
      post(index, `${path}/entries`, body, "application/cbor");
    expect(await send(0, batch(0, [1, 2, 3]))).toMatchObject({ http: 200, position: 3 });
    const answer = await fetch(`${urlOf(1)}${path}/position?epoch=${EPOCH}`, {
      headers: { "x-api-key": key },
    });
    expect(await answer.json()).toEqual({ position: 3 });
    // The gateway went from one to the other, and the first still has its batch under way.
    const both = await Promise.all([send(0, batch(3, [4, 5, 6, 7])), send(1, batch(3, [4, 5, 6, 7, 8, 9]))]);
    for (const { http } of both) expect([200, 409]).toContain(http);
    expect(await send(1, batch(3, [4, 5, 6, 7, 8, 9]))).toMatchObject({ http: 200, position: 9 });
    const listed = (
      await Promise.all([0, 1, 2].map((board) => list(1, { src: `board-${board}`, limit: 99 })))
    ).flat();
    expect(listed.map(({ msg }) => msg).sort()).toEqual(
      Array.from({ length: 9 }, (_, index) => `line ${index + 1}`),
    );
  });

  test("frames of one boot that come to both are stored once, in the order of their seqs", async () => {
    for (let first = 1; first <= 40; first += 4) {
      const cmds = [0, 1, 2, 3].map((step) => ({
        cmd: "/v1/Log.Log",
        id: first + step,
        args: { msg: `line ${first + step}` },
      }));
      const frame = { v: 1, src: "twice", boot: "b1", first: 1, ack: true, cmds };
      const acks = await Promise.all([0, 1].map((index) => post(index, "/", frame)));
      for (const { ack } of acks) expect(ack).toBe(first + 3);
    }
    const listed = await list(0, { src: "twice", limit: 99 });
    expect(listed.map(({ msg }) => msg)).toEqual(
      Array.from({ length: 40 }, (_, index) => `line ${index + 1}`),
    );
  });

  test("a level that is set at one reaches a board whose gateway is at the other", async () => {
    const gateway = new SocketServiceClient(
      { timers: systemTimers },
      { url: urlOf(1), project: "default", gatewayId: "shed", key },
    );
    const leases: unknown[] = [];
    gateway.onLevel = (src, lease) => {
      if (src !== "pump") return undefined;
      leases.push(lease);
      return { isReached: true };
    };
    try {
      await gateway.position(EPOCH);
      const lease = { level: "debug", forMs: 60_000 };
      const known = await post(0, "/v1/projects/default/devices/pump/level", lease);
      expect(known).toMatchObject({ http: 200, gateways: [{ gatewayId: "shed", isReached: true }] });
      expect(leases).toEqual([lease]);
      expect((await post(0, "/v1/projects/default/devices/nobody/level", lease)).http).toBe(404);
    } finally {
      gateway.close();
    }
  });

  test("a key that is made or revoked beside one of them is so at all", async () => {
    const run = (args: readonly string[]) =>
      runBoardlog(["keys", ...args, "--settings", services[0]?.settings ?? ""]);
    const made = await run(["add", "--rights", "read"]);
    const readKey = made.stdout.trim();
    expect(readKey).toMatch(/^blk_/);
    await until("both know the key", async () => {
      const answers = await Promise.all(
        [0, 1].map((index) =>
          fetch(`${urlOf(index)}/v1/projects/default/sources`, { headers: { "x-api-key": readKey } }),
        ),
      );
      return answers.every(({ status }) => status === 200);
    });
    const sockets = await Promise.all([live(0, "", readKey), live(1, "", readKey)]);
    const revoked = await run(["revoke", readKey.slice(4, 12)]);
    expect(revoked.stdout).toMatch(/is revoked/);
    expect(await Promise.all(sockets.map((socket) => socket.closed()))).toEqual([1008, 1008]);
    for (const index of [0, 1]) {
      const { status } = await fetch(`${urlOf(index)}/v1/projects/default/sources`, {
        headers: { "x-api-key": readKey },
      });
      expect(status).toBe(401);
    }
  });

  test("doctor says how the cluster is, and what it does not promise", async () => {
    const settings = services[1]?.settings ?? "";
    const says = async (words: RegExp): Promise<boolean> =>
      words.test((await runBoardlog(["doctor", "--settings", settings])).stdout);
    const isWhole = () => says(/ok store +nats:.*: nodes n\d, n\d, n\d have everything/);
    await until("all nodes have everything", isWhole);
    expect(await says(/-- store +nats-server \S+ acks before it syncs/)).toBe(true);
    await cluster.killNode(2);
    await until("the loss of a node is told", () => says(/!! store .* n2 of .* is away or behind/));
    cluster.startNode(2);
    await until("it has caught up", isWhole);
  });

  test("where one is killed, the other goes on, and it comes back to the same log", async () => {
    await services[0]?.kill();
    await log(1, "lamp", "while it was away");
    await services[0]?.start();
    expect((await list(0, { src: "lamp" })).map(({ msg }) => msg)).toEqual(["while it was away"]);
  });
});
