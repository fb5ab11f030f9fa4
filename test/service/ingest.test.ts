import { afterEach, describe, expect, test } from "vitest";
import { encodeCbor } from "../../protocol/cbor.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { joinIngestBatch } from "../../protocol/ingest.ts";
import { encodeIngestEntry } from "../../protocol/ingest-entry.ts";
import { type RunningService, runService } from "../support/running-service.ts";

const EPOCH = "00112233445566aa";
const PATH = "/v1/projects/default/gateways/pi-1";

let service: RunningService | undefined;
afterEach(() => service?.stop());

function text(number: number): NewEntry {
  return {
    src: "kitchen",
    stream: "uart",
    msg: JSON.stringify(`line ${number}`),
    timestamp: 5,
    received: 6,
    clock: "server",
  };
}

function batch(after: number, positions: readonly number[], epoch = EPOCH): Uint8Array<ArrayBuffer> {
  const entries = positions.map((position) => ({ position, payload: encodeIngestEntry(text(position)) }));
  return new Uint8Array(joinIngestBatch({ epoch, after }, entries));
}

async function post(body: Uint8Array<ArrayBuffer>): Promise<unknown> {
  const response = await service?.post(`${PATH}/entries`, body, { "content-type": "application/cbor" });
  return { http: response?.status, ...((await response?.json()) as object) };
}

async function get(
  path: string,
  key = service?.key ?? "",
): Promise<{ http: number; [name: string]: unknown }> {
  const response = await fetch(`${service?.url}${path}`, { headers: { "x-api-key": key } });
  return { http: response.status, ...((await response.json()) as object) };
}

describe("entries of a gateway's spool", () => {
  test("without seqs are stored exactly once, however often and however cut they come (13.3)", async () => {
    service = await runService();
    expect(await get(`${PATH}/position?epoch=${EPOCH}`)).toEqual({ http: 200, position: 0 });
    expect(await post(batch(0, [1, 2, 3]))).toEqual({ http: 200, position: 3 });
    expect(await post(batch(0, [1, 2, 3]))).toEqual({ http: 200, position: 3 });
    expect(await post(batch(1, [2, 3, 4, 6]))).toEqual({ http: 200, position: 6 });
    expect(await post(batch(7, [8]))).toMatchObject({ http: 409, position: 6 });
    // Another life of the spool counts for itself.
    expect(await post(batch(2, [3], "ffffffffffffffff"))).toMatchObject({ http: 409, position: 0 });
    expect(await post(batch(0, [3], "ffffffffffffffff"))).toEqual({ http: 200, position: 3 });
    expect(await get(`${PATH}/position?epoch=${EPOCH}`)).toEqual({ http: 200, position: 6 });
    const listed = await service.store.list({ project: "default", src: "kitchen", limit: 100 });
    expect(listed.map(({ msg }) => msg)).toEqual([1, 2, 3, 4, 6, 3].map((number) => `"line ${number}"`));
  });

  test("at the same time twice, they are stored once", async () => {
    service = await runService();
    await Promise.all([1, 2, 3, 4].map(() => post(batch(0, [1, 2, 3]))));
    expect(await service.store.list({ project: "default", src: "kitchen", limit: 100 })).toHaveLength(3);
  });

  test("need a key with both rights, of the project (13.1)", async () => {
    service = await runService();
    const writer = await service.keys.add({ project: "default", rights: ["write"] });
    const other = await service.keys.add({ project: "other", rights: ["admin"] });
    const path = `${PATH}/position?epoch=${EPOCH}`;
    expect((await get(path, "nonsense")).http).toBe(401);
    expect((await get(path, writer.key)).http).toBe(403);
    expect((await get(path, other.key)).http).toBe(403);
  });

  test("that are no batch are refused with the reason, and nothing of them is stored", async () => {
    service = await runService();
    const good = [EPOCH, 0, 1, ["a", null, '"x"', 5, 6, 2]];
    const bad: readonly [unknown, string][] = [
      [{}, "batch: must be an array"],
      [["xyz", 0], "epoch: must be 16 hex digits"],
      [[EPOCH, -1], "after: must be an integer from 0 to 2^53-1"],
      [[EPOCH, 0, 1], "batch: an entry is missing behind its step"],
      [[EPOCH, 0, 0, good[3]], "step of entry 1: must be an integer of 1 or more"],
      [[EPOCH, 0, 1, ["", null, '"x"', 5, 6, 2]], "entry 1: src: must not be empty"],
      [[EPOCH, 0, 1, ["a", null, "x", 5, 6, 2]], "entry 1: msg: not JSON: "],
      [[EPOCH, 0, 1, ["a", null, "1", 5, 6, 2]], "entry 1: msg: must be the JSON text"],
      [[EPOCH, 0, 1, ["a", null, '"x"', 5, 6, 4]], "entry 1: clock: must be below 4"],
      [[EPOCH, 0, 1, ["a", null, '"x"', 5.5, 6, 2]], "entry 1: timestamp: must be an integer"],
      [[EPOCH, 0, 1, ["a", null, '"x"', 5, 6, 2, null, null, 4]], "entry 1: seq: not without a boot"],
      [[EPOCH, 0, 1, good[3], 1, ["a"]], "entry 2: msg: must be a string"],
    ];
    for (const [value, reason] of bad) {
      const answer = await post(new Uint8Array(encodeCbor(value)));
      expect(answer).toMatchObject({ http: 400, status: 400 });
      expect((answer as { status_msg: string }).status_msg).toContain(reason);
    }
    expect(await post(new Uint8Array(encodeCbor(good)))).toEqual({ http: 200, position: 1 });
  });
});
