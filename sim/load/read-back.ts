import { setTimeout as pause } from "node:timers/promises";
import { abortable } from "../../host/abortable.ts";
import { LatencyTable } from "./latency-table.ts";
import { type DeviceLife, deviceName } from "./load-device.ts";
import type { LoadVerdict, OrderRow } from "./load-options.ts";
import { judgeLine, type LoadScript } from "./load-script.ts";

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

export interface ReadBack {
  readonly verdict: LoadVerdict;
  readonly receipt: LatencyTable;
  readonly orderMap: readonly OrderRow[];
}

/** What a run was, as far as its log can be judged by it. */
export interface ReadRun {
  /** Every device's starts, the last one last. */
  readonly devices: readonly (readonly DeviceLife[])[];
  readonly script: LoadScript;
  /** The boards' clocks were right: then no line is dated before or after these, UTC ms. */
  readonly between: readonly [number, number] | undefined;
  readonly signal: AbortSignal;
}

type Kind = "lost" | "twice" | "outOfOrder" | "altered" | "wronglyDated" | "unaccountedDrops";

/** Reads every device's log through Log.List and holds it against what the devices say they logged. */
export async function readBack(
  service: { readonly url: string; readonly key: string },
  run: ReadRun,
  onProgress: (done: number) => void,
): Promise<ReadBack> {
  const { devices } = run;
  const found = new Findings();
  const wrongRows: OrderRow[] = [];
  const otherRows: OrderRow[] = [];
  let next = 0;
  let done = 0;
  const read = async (): Promise<void> => {
    while (next < devices.length) {
      const device = next++;
      const judge = new DeviceJudge(device, devices[device] ?? [], run, found);
      for (let after: string | undefined; ; ) {
        const page = await list(service, judge.name, after, run.signal);
        // A page may be short where its entries are large; only an empty one is the end (docs/protocol.md 4.2).
        if (page.length === 0) break;
        for (const entry of page) judge.take(entry);
        after = page.at(-1)?.id;
      }
      judge.close();
      const rows = judge.isWrong ? wrongRows : otherRows;
      if (rows.length < MAPPED_DEVICES) rows.push({ device, seqs: judge.order });
      onProgress(++done);
    }
  };
  await Promise.all(Array.from({ length: READERS }, read));
  const lives = devices.flat();
  const last = devices.map((of) => of.at(-1));
  const all = (of: readonly (DeviceLife | undefined)[], value: (life: DeviceLife) => number): number =>
    of.reduce((sum, life) => sum + (life === undefined ? 0 : value(life)), 0);
  const unacked = ({ seq, acked }: DeviceLife): number => seq - acked;
  const undrained = all(last, unacked);
  return {
    receipt: found.receipt,
    orderMap: [...wrongRows, ...otherRows]
      .slice(0, MAPPED_DEVICES)
      .sort((left, right) => left.device - right.device),
    verdict: {
      ...found.counts,
      listed: found.listed,
      droppedListed: found.droppedListed,
      logged: all(lives, ({ seq }) => seq),
      acked: all(lives, ({ acked }) => acked),
      droppedByAgents: all(lives, ({ dropped }) => dropped),
      undrained,
      goneWithBoards: all(lives, unacked) - undrained,
      examples: found.examples,
    },
  };
}

class Findings {
  readonly counts: Record<Kind, number> = {
    lost: 0,
    twice: 0,
    outOfOrder: 0,
    altered: 0,
    wronglyDated: 0,
    unaccountedDrops: 0,
  };
  readonly examples: string[] = [];
  readonly receipt = new LatencyTable();
  listed = 0;
  droppedListed = 0;

  wrong(kind: Kind, text: string, count = 1): void {
    this.counts[kind] += count;
    if (this.examples.length < EXAMPLES_MAX) this.examples.push(text);
  }
}

/** What is listed of one start of a board. */
interface ListedLife {
  readonly life: DeviceLife;
  /** Lines of the starts before. */
  readonly linesBefore: number;
  readonly seen: Uint8Array;
  last: number;
  droppedListed: number;
}

/** Holds the log of one device against what it says it logged. */
class DeviceJudge {
  readonly name: string;
  /** Listed lines by their number over all starts, for the order map. */
  readonly order: number[] = [];
  isWrong = false;
  readonly #device: number;
  readonly #run: ReadRun;
  readonly #found: Findings;
  readonly #lives: ReadonlyMap<string, ListedLife>;
  readonly #lastBoot: string | undefined;

  constructor(device: number, lives: readonly DeviceLife[], run: ReadRun, found: Findings) {
    this.#device = device;
    this.name = deviceName(device);
    this.#run = run;
    this.#found = found;
    let linesBefore = 0;
    const listed = lives.map((life): [string, ListedLife] => {
      const own = { life, linesBefore, seen: new Uint8Array(life.seq + 1), last: 0, droppedListed: 0 };
      linesBefore += life.seq;
      return [life.boot, own];
    });
    this.#lives = new Map(listed);
    this.#lastBoot = lives.at(-1)?.boot;
  }

  take(entry: Listed): void {
    const listed = this.#lives.get(entry.boot ?? "");
    if (listed === undefined) return; // Of another run.
    if (entry.stream === "loss") this.#takeLoss(listed, entry);
    else this.#takeLine(listed, entry);
  }

  /** All of it was taken: what should have been there? */
  close(): void {
    for (const [boot, { life, seen, droppedListed }] of this.#lives) {
      const { acked, seq, dropped } = life;
      for (let at = 1; at <= acked; at++) {
        if (seen[at] === 0) this.#wrong("lost", `${boot} seq ${at} was acked and is not listed`);
      }
      this.#found.droppedListed += droppedListed;
      // A board that fell over may have dropped what it could tell nobody any more.
      const isTold = boot === this.#lastBoot && acked === seq;
      if (isTold && droppedListed !== dropped) {
        const difference = Math.abs(dropped - droppedListed);
        this.#wrong(
          "unaccountedDrops",
          `dropped ${dropped}, listed as dropped are ${droppedListed}`,
          difference,
        );
      }
    }
  }

  #takeLoss(listed: ListedLife, { msg }: Listed): void {
    const { first, last, where } = msg as { first: number; last: number; where: string };
    for (let seq = first; seq <= last; seq++) this.#see(listed, seq);
    if (where === "agent") listed.droppedListed += last - first + 1;
    // What a board had in memory when it fell over may be known to be missing.
    else if (listed.life.boot === this.#lastBoot || first <= listed.life.acked) {
      this.#wrong("lost", JSON.stringify(msg), last - first + 1);
    }
  }

  #takeLine(listed: ListedLife, { seq = 0, msg, timestamp, received }: Listed): void {
    this.#found.listed++;
    this.order.push(listed.linesBefore + seq);
    this.#see(listed, seq);
    const { isRight, utcMs } = judgeLine(this.#run.script, this.#device, seq, msg);
    const { between } = this.#run;
    if (!isRight || seq > listed.life.seq) this.#wrong("altered", `seq ${seq}: ${JSON.stringify(msg)}`);
    else if (utcMs !== undefined && timestamp !== utcMs) {
      this.#wrong("wronglyDated", `seq ${seq}: logged ${utcMs}, dated ${timestamp}`);
    } else if (between !== undefined && (timestamp < between[0] || timestamp > between[1])) {
      this.#wrong("wronglyDated", `seq ${seq}: dated ${timestamp}, which is not in the run`);
    }
    if (received !== undefined && between !== undefined) this.#found.receipt.add(received - timestamp);
  }

  #see(listed: ListedLife, seq: number): void {
    if (listed.seen[seq] === 1) this.#wrong("twice", `${listed.life.boot} seq ${seq} is listed twice`);
    listed.seen[seq] = 1;
    if (seq <= listed.last) this.#wrong("outOfOrder", `seq ${seq} comes behind ${listed.last}`);
    listed.last = Math.max(listed.last, seq);
  }

  #wrong(kind: Kind, text: string, count = 1): void {
    this.isWrong = true;
    this.#found.wrong(kind, `${this.name}: ${text}`, count);
  }
}

interface ListAnswer {
  readonly status_msg?: string;
  readonly resp?: readonly Listed[];
}

async function list(
  service: { readonly url: string; readonly key: string },
  src: string,
  after: string | undefined,
  signal: AbortSignal,
): Promise<readonly Listed[]> {
  const { key } = service;
  const url = new URL("/v1/Log.List", service.url);
  const body = JSON.stringify({ src, limit: LIMIT, after, fields: ["boot", "seq", "received"] });
  for (let retry = 0; ; retry++) {
    try {
      const { status, answer } = await abortable(signal, async (own) => {
        const headers = { "x-api-key": key, "content-type": "application/json" };
        const response = await fetch(url, { method: "POST", headers, body, signal: own });
        return { status: response.status, answer: (await response.json()) as ListAnswer };
      });
      if (status === 200 && answer.resp !== undefined) return answer.resp;
      throw new Error(`Log.List of ${src}: ${status} ${answer.status_msg}`);
    } catch (error) {
      if (retry >= RETRIES || signal.aborted) throw error;
      await pause(500, undefined, { signal });
    }
  }
}
