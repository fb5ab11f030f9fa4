import type { Bench, BenchOptions, BenchResult } from "../harness/bench.ts";
import { LineProcess } from "../harness/line-process.ts";

const DEVICES = 100_000;
const RING_BYTES = 2048;
const SIZES = [0.03, 0.3, 1];

interface Many {
  readonly devices: number;
  readonly idleBytes: number;
  readonly withLinesBytes: number;
  readonly cpuMicrosecondsPerEntry: number;
  readonly wrongDevices: number;
}

/** Boards with the real agent in one process, through the gateway into the store, without a socket. */
export const simulator: Bench = {
  name: "simulator",
  title: "Simulated boards without sockets",
  async run({ scale, progress }: BenchOptions): Promise<BenchResult> {
    const runs: Many[] = [];
    for (const share of SIZES) {
      const devices = Math.max(100, Math.round(DEVICES * scale * share));
      progress(`${devices} boards`);
      const args = ["--devices", String(devices), "--ring", String(RING_BYTES)];
      const many = await LineProcess.start("bench/sim/many-devices.ts", args);
      const run = await many.next<Many>();
      await many.stop();
      if (run.wrongDevices > 0)
        throw new Error(`the logs of ${run.wrongDevices} boards are not what they logged`);
      runs.push(run);
    }
    const points = (value: (run: Many) => number) =>
      runs.map((run) => ({ size: run.devices, value: value(run) }));
    const most = runs.at(-1);
    if (most === undefined) throw new Error("no size was run");
    return {
      figures: [
        {
          what: `memory of one of ${most.devices} boards with the real agent, ring empty`,
          unit: "bytes",
          values: [most.idleBytes],
          atMost: 10_240,
        },
        {
          what: `the same with 10 lines in a ring of ${RING_BYTES}`,
          unit: "bytes",
          values: [most.withLinesBytes],
          atMost: 10_240 + RING_BYTES,
        },
      ],
      growths: [
        {
          what: "agent, gateway and store together",
          unit: "us of CPU an entry",
          per: "boards",
          points: points((run) => run.cpuMicrosecondsPerEntry),
        },
        { what: "memory of a board", unit: "bytes", per: "boards", points: points((run) => run.idleBytes) },
      ],
    };
  },
};
