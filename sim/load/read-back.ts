import { LatencyTable } from "./latency-table.ts";
import { deviceName } from "./load-device.ts";
import { loggedAt } from "./load-line.ts";
import type { LoadVerdict } from "./load-options.ts";

const LIMIT = 1000;
/** Devices read at a time. */
const READERS = 24;
const EXAMPLES_MAX = 10;
const MAPPED_DEVICES = 40;
const RETRIES = 20;

interface Listed {
  readonly id: string;
  readonly stream: string;
  readonly msg: unknown;
  readonly timestamp: number;
  readonly boot?: string;
  readonly seq?: number;
  readonly received?: number;
}

export interface DeviceTotals {
  readonly seq: number;
  readonly acked: number;
  readonly dropped: number;
}

export interface ReadBack {
  readonly verdict: LoadVerdict;
  readonly receipt: LatencyTable;
  readonly orderMap: readonly (readonly number[])[];
}

/** Reads every device's log through Log.List and holds it against what the devices say they logged. */
export async function readBack(
  service: { readonly url: string; readonly key: string },
  boot: string,
  totals: readonly DeviceTotals[],
  onProgress: (done: number) => void,
): Promise<ReadBack> {
  const sum = {
    listed: 0,
    droppedListed: 0,
    lost: 0,
    twice: 0,
    outOfOrder: 0,
    altered: 0,
    wronglyDated: 0,
    unaccountedDrops: 0,
  };
  const examples: string[] = [];
  const wrong = (kind: keyof typeof sum, text: string, count = 1): void => {
    sum[kind] += count;
    if (examples.length < EXAMPLES_MAX) examples.push(text);
  };
  const receipt = new LatencyTable();
  const orderMap: number[][] = [];
  let next = 0;
  let done = 0;

  const judge = async (device: number, { seq: seqLast, acked, dropped }: DeviceTotals): Promise<void> => {
    const name = deviceName(device);
    const seen = new Uint8Array(seqLast + 1);
    const order: number[] = [];
    let last = 0;
    let droppedListed = 0;
    let after: string | undefined;
    const take = (seq: number): void => {
      if (seen[seq] === 1) wrong("twice", `${name} seq ${seq} is listed twice`);
      seen[seq] = 1;
      if (seq <= last) wrong("outOfOrder", `${name} seq ${seq} comes behind ${last}`);
      last = Math.max(last, seq);
    };
    for (;;) {
      const page = await list(service, name, after);
      for (const entry of page) {
        if (entry.boot !== boot) continue;
        if (entry.stream === "loss") {
          const { first, last: until, where } = entry.msg as { first: number; last: number; where: string };
          for (let seq = first; seq <= until; seq++) take(seq);
          if (where === "agent") droppedListed += until - first + 1;
          else wrong("lost", `${name}: ${JSON.stringify(entry.msg)}`, until - first + 1);
          continue;
        }
        const { seq = 0 } = entry;
        sum.listed++;
        order.push(seq);
        take(seq);
        const atMs = seq > seqLast ? undefined : loggedAt(device, seq, entry.msg);
        if (atMs === undefined) wrong("altered", `${name} seq ${seq}: ${JSON.stringify(entry.msg)}`);
        else if (entry.timestamp !== atMs)
          wrong("wronglyDated", `${name} seq ${seq}: logged ${atMs}, dated ${entry.timestamp}`);
        if (entry.received !== undefined) receipt.add(entry.received - entry.timestamp);
      }
      // A page may be short where its entries are large; only an empty one is the end (docs/protocol.md 4.2).
      if (page.length === 0) break;
      after = page.at(-1)?.id;
    }
    for (let seq = 1; seq <= acked; seq++) {
      if (seen[seq] === 0) wrong("lost", `${name} seq ${seq} was acked and is not listed`);
    }
    sum.droppedListed += droppedListed;
    if (acked === seqLast && droppedListed !== dropped)
      wrong(
        "unaccountedDrops",
        `${name} dropped ${dropped}, listed as dropped are ${droppedListed}`,
        Math.abs(dropped - droppedListed),
      );
    if (device < MAPPED_DEVICES) orderMap[device] = order;
  };

  const read = async (): Promise<void> => {
    while (next < totals.length) {
      const device = next++;
      const total = totals[device];
      if (total !== undefined) await judge(device, total);
      onProgress(++done);
    }
  };
  await Promise.all(Array.from({ length: READERS }, read));
  const all = (name: keyof DeviceTotals): number => totals.reduce((count, total) => count + total[name], 0);
  return {
    receipt,
    orderMap,
    verdict: {
      ...sum,
      logged: all("seq"),
      acked: all("acked"),
      droppedByAgents: all("dropped"),
      undrained: all("seq") - all("acked"),
      examples,
    },
  };
}

async function list(
  { url, key }: { readonly url: string; readonly key: string },
  src: string,
  after: string | undefined,
): Promise<readonly Listed[]> {
  const body = JSON.stringify({ src, limit: LIMIT, after, fields: ["boot", "seq", "received"] });
  for (let retry = 0; ; retry++) {
    try {
      const response = await fetch(new URL("/v1/Log.List", url), {
        method: "POST",
        headers: { "x-api-key": key, "content-type": "application/json" },
        body,
      });
      const answer = (await response.json()) as {
        status?: number;
        status_msg?: string;
        resp?: readonly Listed[];
      };
      if (response.status === 200 && answer.resp !== undefined) return answer.resp;
      throw new Error(`Log.List of ${src}: ${response.status} ${answer.status_msg}`);
    } catch (error) {
      if (retry >= RETRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
