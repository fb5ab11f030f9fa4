import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { LoadOptions } from "../sim/load/load-options.ts";
import { loadPage, loadTable } from "../sim/load/load-report.ts";
import { DevicesRefused, runLoad } from "../sim/load/load-run.ts";
import { openTarget, type TargetFlags } from "./sim-target.ts";
import { stopSignal } from "./stop-signal.ts";
import { UserError } from "./user-error.ts";

const AGENT_FILE = fileURLToPath(new URL("./firmware/agent.js", import.meta.url));
const WORKER_FILE = new URL("./load-worker.js", import.meta.url);
const BAR_WIDTH = 24;
/** Between lines of progress where there is no terminal. */
const PLAIN_MS = 5000;

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
  const { stopped } = stopSignal();
  const interrupted = stopped.then((): never => {
    throw new UserError("interrupted", 1);
  });
  interrupted.catch(() => {});
  try {
    const result = await Promise.race([runLoad(agentText, WORKER_FILE, target, options, bar), interrupted]);
    bar.clear();
    if (flags.html !== undefined) await writeFile(flags.html, loadPage(result));
    const { orderMap: _, ...figures } = result;
    process.stdout.write(flags.json ? `${JSON.stringify(figures)}\n` : loadTable(result));
    if (!result.isClean) throw new UserError("a promise was broken", 1);
  } catch (error) {
    if (error instanceof DevicesRefused) throw new UserError(error.message, 1);
    throw error;
  } finally {
    bar.clear();
    await end();
  }
}

/** A bar and a few words on a terminal; elsewhere a plain line now and then. */
function progressBar(): { show(text: string, share: number): void; clear(): void } {
  const { stderr } = process;
  let lastMs = 0;
  return {
    show: (text, share) => {
      if (!stderr.isTTY) {
        if (performance.now() - lastMs < PLAIN_MS) return;
        lastMs = performance.now();
        stderr.write(`${text}\n`);
        return;
      }
      const filled = Math.round(BAR_WIDTH * Math.min(1, Math.max(0, share)));
      stderr.write(`\r\u001b[K[${"#".repeat(filled).padEnd(BAR_WIDTH)}] ${text}`);
    },
    clear: () => {
      if (stderr.isTTY) stderr.write("\r\u001b[K");
    },
  };
}
