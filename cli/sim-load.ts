import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { LoadOptions } from "../sim/load/load-options.ts";
import { loadPage, loadTable } from "../sim/load/load-report.ts";
import { runLoad } from "../sim/load/load-run.ts";
import { openTarget, type TargetFlags } from "./sim-target.ts";
import { UserError } from "./user-error.ts";

const AGENT_FILE = fileURLToPath(new URL("./firmware/agent.js", import.meta.url));
const WORKER_FILE = new URL("./load-worker.js", import.meta.url);
const BAR_WIDTH = 24;

export interface LoadFlags extends TargetFlags {
  readonly devices: number;
  readonly rate: number;
  readonly burst: number;
  readonly duration: number;
  readonly workers?: number;
  readonly ring: number;
  readonly killEvery: number;
  readonly cutEvery: number;
  readonly drain: number;
  readonly json?: boolean;
  readonly html?: string;
}

/** `boardlog sim --devices N`: load on real processes. Exit status 1 when a promise was broken. */
export async function runSimLoad(flags: LoadFlags): Promise<void> {
  const options: LoadOptions = {
    devices: flags.devices,
    rate: flags.rate,
    burst: flags.burst,
    durationS: flags.duration,
    workers: flags.workers ?? Math.min(flags.devices, availableParallelism()),
    ringBytesMax: flags.ring,
    connectsPerSecond: 1000,
    drainS: flags.drain,
    killEveryS: flags.killEvery,
    cutEveryS: flags.cutEvery,
  };
  const agentText = await readFile(AGENT_FILE, "utf8");
  const { target, end } = await openTarget(flags);
  const bar = progressBar();
  try {
    const result = await runLoad(agentText, WORKER_FILE, target, options, bar);
    bar.clear();
    if (flags.html !== undefined) await writeFile(flags.html, loadPage(result));
    const { orderMap: _, ...figures } = result;
    process.stdout.write(flags.json ? `${JSON.stringify(figures)}\n` : loadTable(result));
    if (!result.isClean) throw new UserError("a promise was broken", 1);
  } finally {
    bar.clear();
    await end();
  }
}

/** A bar and a few words on a terminal; elsewhere nothing. */
function progressBar(): { show(text: string, share: number): void; clear(): void } {
  const { stderr } = process;
  return {
    show: (text, share) => {
      if (!stderr.isTTY) return;
      const filled = Math.round(BAR_WIDTH * Math.min(1, Math.max(0, share)));
      stderr.write(`\r\u001b[K[${"#".repeat(filled).padEnd(BAR_WIDTH)}] ${text}`);
    },
    clear: () => {
      if (stderr.isTTY) stderr.write("\r\u001b[K");
    },
  };
}
