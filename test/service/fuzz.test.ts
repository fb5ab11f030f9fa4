import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeCbor } from "../../protocol/cbor.ts";
import { type RunningService, runService } from "../support/running-service.ts";
import { connect } from "../support/web-socket-client.ts";

let running: RunningService;
beforeAll(async () => {
  running = await runService();
});
afterAll(() => running.stop());

/** How many tries each; `FUZZ_RUNS` for more. */
const numRuns = Number(process.env.FUZZ_RUNS ?? 150);

const name = fc.oneof(
  fc.constantFrom("//h/d", "s", "__proto__", "constructor", "../x", "\u0000"),
  fc.string(),
);
const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -1, 2 ** 53, 2 ** 53 - 1, 1e308));
const anything = fc.oneof(name, number, fc.boolean(), fc.constant(null), fc.jsonValue({ maxDepth: 3 }));
const args = fc.record(
  Object.fromEntries(
    [
      "msg",
      "json",
      "timestamp",
      "stream",
      "level",
      "module",
      "uptime",
      "src",
      "after",
      "limit",
      "last",
      "fields",
    ].map((field) => [field, anything]),
  ),
  { requiredKeys: [] },
);
const command = fc.oneof(
  anything,
  fc.record(
    {
      cmd: fc.oneof(fc.constantFrom("/v1/Log.Log", "/v1/Log.List"), name),
      id: number,
      args: fc.oneof(args, anything),
    },
    { requiredKeys: ["cmd"] },
  ),
);
const frame = fc.record(
  {
    v: fc.oneof({ arbitrary: fc.constantFrom(1, 2), weight: 9 }, { arbitrary: anything, weight: 1 }),
    src: name,
    dst: name,
    boot: fc.oneof(fc.nat(3), fc.constantFrom("a", "b"), anything),
    first: fc.oneof(fc.nat(20), number),
    now: number,
    clock: fc.constantFrom("utc", "uptime"),
    ack: fc.boolean(),
    cmds: fc.array(command, { maxLength: 8 }),
    method: name,
    id: number,
  },
  { requiredKeys: [] },
);

describe("whatever comes in, the service neither fails nor falls silent", () => {
  async function isAnswered(body: string | Uint8Array, type: string): Promise<void> {
    const response = await running.post("/", body, { "content-type": type });
    expect([200, 204, 400, 413]).toContain(response.status);
    const bytes = await response.arrayBuffer();
    if (type === "application/json" && response.status !== 204)
      JSON.parse(Buffer.from(bytes).toString("utf8"));
    // What our own mistakes would count.
    expect(running.counters.values().service_failures_total).toBeUndefined();
  }

  test("frames with anything anywhere, as JSON", async () => {
    await fc.assert(
      fc.asyncProperty(frame, (value) => isAnswered(JSON.stringify(value), "application/json")),
      { numRuns },
    );
  });

  test("frames with anything anywhere, as CBOR", async () => {
    await fc.assert(
      fc.asyncProperty(frame, (value) => isAnswered(encodeCbor(value), "application/cbor")),
      { numRuns },
    );
  });

  test("good frames with bytes changed", async () => {
    const change = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(frame, change, fc.boolean(), async (value, changes, isCbor) => {
        const bytes = Buffer.from(isCbor ? encodeCbor(value) : JSON.stringify(value));
        for (const [index, byte] of changes) bytes[index % bytes.length] = byte;
        await isAnswered(bytes, isCbor ? "application/cbor" : "application/json");
      }),
      { numRuns },
    );
  });

  test("any bytes over a WebSocket, text and binary, in any order: each answered or plainly not", async () => {
    const client = await connect(running.url, { headers: { "x-api-key": running.key } });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), fc.boolean(), async (bytes, binary) => {
        client.socket.send(bytes, { binary });
        client.send('{"v":1,"dst":"still here","cmds":[]}');
        for (;;) {
          const message = String(await client.next());
          if (message.includes("still here")) break;
        }
      }),
      { numRuns },
    );
    expect(running.counters.values().service_failures_total).toBeUndefined();
  });
});
