import { connect } from "node:net";
import { createServer, type Server } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ClubbyHttp } from "../../gateway/outputs/clubby-http.ts";
import { ClubbySocket } from "../../gateway/outputs/clubby-socket.ts";
import { OtlpEncoding, OtlpSink } from "../../gateway/outputs/otlp-sink.ts";
import { SocketServiceClient } from "../../gateway/socket-service-client.ts";
import type { TlsTrust } from "../../gateway/tls-trust.ts";
import { systemTimers } from "../../host/system-clock.ts";
import { joinIngestBatch } from "../../protocol/ingest.ts";
import { encodeIngestEntry } from "../../protocol/ingest-entry.ts";
import { Certificates } from "../support/certificates.ts";
import { line } from "../support/output-bench.ts";
import { requires } from "../support/requirements.ts";
import { type RunningService, runService } from "../support/running-service.ts";

const openssl = requires("openssl");
const world = { timers: systemTimers };
const EPOCH = "0123456789abcdef";

describe.skipIf(openssl.isMissing)(`a service that wants a certificate${openssl.note}`, () => {
  let certificates: Certificates;
  let service: RunningService;
  let proxy: Server;
  let port = 0;
  const ends: (() => unknown)[] = [];
  beforeAll(async () => {
    certificates = new Certificates(openssl.path ?? "");
    for (const name of ["server", "gateway"]) certificates.sign(name);
    service = await runService();
    const inside = Number(new URL(service.url).port);
    proxy = createServer(
      {
        cert: certificates.text("server.crt"),
        key: certificates.text("server.key"),
        ca: certificates.text("ca.crt"),
        requestCert: true,
      },
      (outer) => {
        const inner = connect(inside, "127.0.0.1");
        outer.pipe(inner).pipe(outer);
        for (const socket of [outer, inner]) socket.on("error", () => {});
        outer.on("close", () => inner.destroy());
      },
    );
    proxy.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => proxy.listen(0, "0.0.0.0", resolve));
    const address = proxy.address();
    port = typeof address === "object" && address !== null ? address.port : 0;
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });
  afterAll(async () => {
    proxy?.close();
    await service?.stop();
    certificates?.dispose();
  });

  const all = (): TlsTrust => ({
    ca: certificates.text("ca.crt"),
    cert: certificates.text("gateway.crt"),
    key: certificates.text("gateway.key"),
  });

  function boardlog(tls: TlsTrust | undefined, host = "127.0.0.1"): SocketServiceClient {
    const client = new SocketServiceClient(world, {
      url: `https://${host}:${port}`,
      project: "default",
      gatewayId: "pi",
      key: service.key,
      ...(tls !== undefined && { tls }),
    });
    ends.push(() => client.close());
    return client;
  }

  test("takes batches over the socket, and one that is too large for it over HTTP", async () => {
    const client = boardlog(all());
    expect(await client.position(EPOCH)).toBe(0);
    const payload = encodeIngestEntry(line("a", 1));
    expect(
      await client.store(joinIngestBatch({ epoch: EPOCH, after: 0 }, [{ position: 1, payload }])),
    ).toEqual({
      position: 1,
      isGap: false,
    });
    const large = encodeIngestEntry(line("a", 2, { msg: JSON.stringify("x".repeat(1_048_000)) }));
    const batch = joinIngestBatch({ epoch: EPOCH, after: 1 }, [
      { position: 2, payload: large },
      { position: 3, payload: encodeIngestEntry(line("a", 3)) },
    ]);
    expect(batch.length).toBeGreaterThan(1_048_000);
    expect(await client.store(batch)).toEqual({ position: 3, isGap: false });
  });

  const clubby = {
    https: (tls: TlsTrust) =>
      new ClubbyHttp(world, { url: `https://127.0.0.1:${port}/`, at: "service", tls, connectionsMax: 1 }),
    wss: (tls: TlsTrust) => new ClubbySocket(world, { url: `wss://127.0.0.1:${port}/`, at: "service", tls }),
  };

  test.each(["https", "wss"] as const)(
    "takes clubby frames over %s, as a boardlog service does too",
    async (scheme) => {
      const transport = clubby[scheme](all());
      ends.push(() => transport.close());
      const cmds = [{ cmd: "/v1/Log.Log", id: 7, args: { msg: "hello" } }];
      const frame = JSON.stringify({ v: 1, src: `//x/${scheme}`, key: service.key, cmds });
      expect(await transport.exchange(frame, [7])).toEqual(new Map([[7, { status: 0, words: "" }]]));
    },
  );

  const otlp = (tls: TlsTrust): OtlpSink =>
    new OtlpSink(world, {
      url: `https://127.0.0.1:${port}`,
      headers: { "x-api-key": service.key },
      resource: {},
      encoding: OtlpEncoding.Protobuf,
      compresses: true,
      tls,
      name: "otlp",
      at: "outputs.otlp",
      rejected: () => {},
    });

  test("takes OTLP", async () => {
    const sink = otlp(all());
    ends.push(() => sink.close());
    const taken: number[] = [];
    await sink.send([{ position: 5, entry: line("a", 1) }], (position) => taken.push(position));
    expect(taken).toEqual([5]);
  });

  const failing: readonly [string, string, (tls: TlsTrust) => Promise<unknown>][] = [
    ["a batch", "service", (tls) => boardlog(tls).position(EPOCH)],
    ["a frame over https", "service", (tls) => clubby.https(tls).exchange("{}", [1])],
    ["a frame over wss", "service", (tls) => clubby.wss(tls).exchange("{}", [1])],
    ["OTLP", "outputs.otlp", (tls) => otlp(tls).send([], () => {})],
  ];
  test.each(failing)("what %s fails with names the setting that mends it", async (_, at, attempt) => {
    await expect(attempt({})).rejects.toThrow(
      `its certificate is signed by an authority not known here: name that in ${at}.caFile`,
    );
    const { ca = "" } = all();
    await expect(attempt({ ca })).rejects.toThrow(`${at}.certFile`);
  });

  test("a certificate for another name is told from an unknown one", async () => {
    await expect(boardlog(all(), "127.0.0.2").position(EPOCH)).rejects.toThrow(
      "its certificate is for another name: put the name it is for in service.url",
    );
  });
});
