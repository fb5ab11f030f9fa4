import type { LoadLatency, LoadResult } from "./load-options.ts";

/** Rows of single faults in the table; the page shows all of them on its time line. */
const FAULT_ROWS_MAX = 20;

/** The verdict and the figures for a terminal. */
export function loadTable(result: LoadResult): string {
  const { verdict, options } = result;
  const rows: readonly (readonly [string, string])[] = [
    ["verdict", result.isClean ? "clean: every promise kept" : "A PROMISE WAS BROKEN"],
    ["devices", `${devicesOf(result)}, real agent ${result.agentHash}, ${options.workers} threads`],
    ["load", loadOf(result)],
    ["entries logged", `${verdict.logged} (${Math.round(result.entriesPerSecond)}/s)`],
    [
      "entries acked",
      `${verdict.acked}, not in time ${verdict.undrained}; drained in ${result.drainS.toFixed(1)} s`,
    ],
    ["entries listed", `${verdict.listed}, read back in ${result.readBackS.toFixed(1)} s`],
    ["lost", `${verdict.lost}`],
    ["twice", `${verdict.twice}`],
    ["out of order", `${verdict.outOfOrder}`],
    ["altered", `${verdict.altered}`],
    ["wrongly dated", `${verdict.wronglyDated}`],
    ["dropped by boards", `${verdict.droppedByAgents}, unaccounted ${verdict.unaccountedDrops}`],
    ...(verdict.goneWithBoards === 0
      ? []
      : [["gone with boards", `${verdict.goneWithBoards} not acked when their board fell over`] as const]),
    ["seen live", liveOf(result)],
    ["log to ack", latencies(result.ackLatencyMs)],
    ["log to receipt", latencies(result.receiptLatencyMs)],
    ["log to live reader", latencies(result.liveLatencyMs)],
    [
      "generator",
      `${result.generatorCpuS.toFixed(1)} s CPU, ${Math.round(result.deviceBytes / 1024)} KiB a device`,
    ],
    [
      "under test",
      result.targetCpuS === undefined ? "CPU not known" : `${result.targetCpuS.toFixed(1)} s CPU`,
    ],
    [
      "gateway's memory",
      result.gatewayBytesMax === undefined
        ? "not known"
        : `${Math.round(result.gatewayBytesMax / 1e6)} MB at most`,
    ],
    ["reconnects", `${result.reconnects}`],
    ...faultRows(result),
    ...[...verdict.examples, ...(result.live?.examples ?? [])].map((text) => ["found", text] as const),
  ];
  return `${rows.map(([name, value]) => `  ${name.padEnd(19)} ${value}`).join("\n")}\n`;
}

/** Each fault with its time; of very many, how often each. */
function faultRows({ faults }: LoadResult): readonly (readonly [string, string])[] {
  if (faults.length <= FAULT_ROWS_MAX) {
    return faults.map(({ atS, what }) => [`fault ${atS.toFixed(1)} s`, what] as const);
  }
  const counts = new Map<string, number>();
  for (const { what } of faults) counts.set(what, (counts.get(what) ?? 0) + 1);
  return [...counts].map(([what, count]) => ["fault", `${count} times: ${what}`] as const);
}

export function devicesOf({ options: { devices, serialDevices } }: LoadResult): string {
  if (serialDevices === 0) return `${devices} over MQTT`;
  if (serialDevices === devices) return `${devices} on serial lines`;
  return `${devices - serialDevices} over MQTT, ${serialDevices} on serial lines`;
}

export function loadOf({ options, loadS }: LoadResult): string {
  const { rate, burst, arrival, messages } = options;
  const pace = messages.startsWith("recorded")
    ? "at the pace of the recording"
    : `${rate} entries/s and device in bursts of ${burst}`;
  return `${messages}, ${pace}, ${arrival}, ${loadS.toFixed(1)} s`;
}

function liveOf({ live }: LoadResult): string {
  if (live === undefined) return "not watched";
  const { entries, missing, twice, outOfOrder, skipped, reconnects } = live;
  return `${entries}, missing ${missing}, twice ${twice}, out of order ${outOfOrder}; told to be skipped ${skipped}; ${reconnects} reconnects`;
}

function latencies({ p50, p90, p99, p999 }: LoadLatency): string {
  return `p50 ${duration(p50)}, p90 ${duration(p90)}, p99 ${duration(p99)}, p99.9 ${duration(p999)}`;
}

export function duration(ms: number | undefined): string {
  if (ms === undefined) return "–";
  return ms < 1000 ? `${ms.toPrecision(3)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
