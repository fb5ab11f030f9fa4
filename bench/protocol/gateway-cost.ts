/*
 * CPU of the gateway's whole way of a frame, from the bytes of a publish to what is given to the log service and the ack, over a link and
 * to a service that cost nothing; and the floor, JSON.parse of the same text. Both in one process, in turn, the least of many rounds.
 * node gateway-cost [--entries N a frame] [--rounds N] [--boards N]
 */
import { parseArgs } from "node:util";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import type { TopicLink, TopicListener } from "../../gateway/link.ts";
import { CounterTable } from "../../host/counters.ts";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { systemRandom } from "../../host/system-random.ts";
import { leastCpuUs } from "../harness/least-cpu.ts";
import { readLines } from "../store/corpus.ts";

const { values } = parseArgs({
  options: {
    entries: { type: "string", default: "20" },
    rounds: { type: "string", default: "15" },
    boards: { type: "string", default: "500" },
  },
});
const entriesPerFrame = Number(values.entries);
const boardCount = Number(values.boards);
/** Fewer than the gateway queues, as its links take care of. */
const FRAMES_A_ROUND = Math.ceil(10_000 / entriesPerFrame);

const lines = readLines(undefined);
const silent = { debug() {}, info() {}, warn: console.warn, error: console.error };
let listener: TopicListener = () => {};
const link: TopicLink = {
  senderWaits: true,
  start: async (given) => {
    listener = given;
  },
  publish: () => {},
  stop: async () => {},
};
const core = new GatewayCore({
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  counters: new CounterTable(),
  log: silent,
  uplink: { commit: async () => {}, mark: async () => 0 },
});
await core.addTopics(link);

const seqs = new Array<number>(boardCount).fill(1);
const topics = seqs.map((_, board) => `boardlog/default/dev-${board}/log`);
const payloads = (): { readonly topic: string; readonly payload: Buffer }[] =>
  Array.from({ length: FRAMES_A_ROUND }, (_, index) => {
    const board = index % boardCount;
    const seq = seqs[board] ?? 1;
    seqs[board] = seq + entriesPerFrame;
    const body = Array.from({ length: entriesPerFrame }, (__, at) => {
      const line = lines[(index * entriesPerFrame + at) % lines.length];
      return `${at % 5},${JSON.stringify(line?.msg)}`;
    });
    const text = `["@1-${board}",${seq},0,${Date.now()},0,${body.join(",")}]`;
    return { topic: topics[board] ?? "", payload: Buffer.from(text) };
  });

// Made outside of what is measured; each round its own, for a gateway takes nothing twice.
let next = payloads();
const costs = await leastCpuUs(Number(values.rounds), {
  ours: async () => {
    let waiting = next.length;
    await new Promise<void>((resolve) => {
      for (const { topic, payload } of next) {
        listener({ topic, payload, retained: false }, () => {
          waiting -= 1;
          if (waiting === 0) resolve();
        });
      }
    });
  },
  floor: () => {
    for (const { payload } of next) JSON.parse(payload.toString("latin1"));
  },
  making: () => {
    next = payloads();
  },
});
const entries = FRAMES_A_ROUND * entriesPerFrame;
console.log(JSON.stringify({ floor: costs.floor / entries, ours: costs.ours / entries }));
process.exit(0);
