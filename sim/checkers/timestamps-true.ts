import type { StoredEntry } from "../../protocol/entry.ts";
import { UTC_MS_MIN } from "../../protocol/frame.ts";
import type { BootTruth, LoggedLine } from "../boot-truth.ts";
import { type Checker, type Evidence, entriesOfBoot, isLine } from "../evidence.ts";

/** Of the simulated clocks. */
const ROUNDING_MS = 2;
/** Largest part that a drifting crystal may add to an estimate in a run, ms. */
const DRIFT_MS = 150;

/**
 * Invariant 14. A board that knows UTC is believed to the millisecond; an estimate never falls within a boot and one life of a
 * gateway, and never lies before the truth (a frame cannot arrive before it was sent) nor after its receipt.
 */
export const timestampsTrue: Checker = {
  invariant: 14,
  promise: "timestamps are the board's own, or estimates that never fall within a boot",
  check: (evidence) => {
    const problems: string[] = [];
    for (const truth of evidence.boots) {
      let last = 0;
      for (const entry of entriesOfBoot(evidence, truth)) {
        const line = isLine(entry) ? truth.line(entry.seq ?? 0) : undefined;
        if (line === undefined || line.isOwn) continue;
        const problem = wrongTime(evidence, truth, line, entry);
        if (problem !== undefined) problems.push(problem);
        if (entry.clock !== "estimated") continue;
        // A gateway's memory of a boot's clock ends with its process, and with a session that had to give way. What waited for the
        // clock to be set is dated by it as it was then: a step before the board's next line comes between the two.
        const isSetAndStepped = evidence.plan.has("gatewayClockUnset") && evidence.gatewayClockStepped;
        const isOneLife =
          evidence.gatewayStarts === 1 &&
          !evidence.isShared &&
          !evidence.plan.has("fewSessions") &&
          !isSetAndStepped;
        // What came before the clock was set is moved by whole ms.
        const roundingMs = evidence.plan.has("gatewayClockUnset") ? ROUNDING_MS : 0;
        if (isOneLife && entry.timestamp < last - roundingMs)
          problems.push(`${truth.boot} seq ${entry.seq}: ${entry.timestamp} after ${last}`);
        last = Math.max(last, entry.timestamp);
      }
    }
    return problems;
  },
};

function wrongTime(
  evidence: Evidence,
  truth: BootTruth,
  line: LoggedLine,
  entry: StoredEntry,
): string | undefined {
  const where = `${truth.boot} seq ${entry.seq}`;
  if (line.utcMs !== undefined) {
    // A clock that stands before 2001 counts as one that is not set (docs/protocol.md 12.4).
    if (line.utcMs < UTC_MS_MIN) return undefined;
    if (entry.clock === "device" && entry.timestamp === line.utcMs) return undefined;
    return `${where}: the board said ${line.utcMs}, listed is ${entry.timestamp} (${entry.clock})`;
  }
  // Nobody could know it: the entry says so.
  const hadNoClock = evidence.plan.has("gatewayClockUnset") || evidence.gatewayClockStepped;
  if (entry.clock === "unset" && hadNoClock) return undefined;
  if (entry.clock !== "estimated") return `${where}: not estimated but ${entry.clock}`;
  if (entry.uptime !== line.uptimeMs) return `${where}: uptime ${line.uptimeMs} is listed as ${entry.uptime}`;
  if (evidence.gatewayClockStepped) return undefined;
  if (entry.timestamp < line.trueMs - DRIFT_MS || entry.timestamp > entry.received + DRIFT_MS) {
    return `${where}: logged at ${line.trueMs}, received ${entry.received}, dated ${entry.timestamp}`;
  }
  // With two gateways an ack that one gave is taken for the other's.
  const { clockError } = entry;
  if (clockError === undefined || evidence.isShared) return undefined;
  if (Math.abs(entry.timestamp - line.trueMs) > clockError + ROUNDING_MS)
    return `${where}: logged at ${line.trueMs}, dated ${entry.timestamp} give or take ${clockError}`;
  return undefined;
}
