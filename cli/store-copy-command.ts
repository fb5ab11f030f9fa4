import { join, resolve } from "node:path";
import { CounterTable } from "../host/counters.ts";
import { silentLog } from "../host/process-log.ts";
import { systemClock, systemTimers } from "../host/system-clock.ts";
import { SystemDisk } from "../host/system-disk.ts";
import { systemRandom } from "../host/system-random.ts";
import { KEYS_FILE } from "../service/auth/key-store.ts";
import type { DoStep } from "../service/store/jetstream/ask-again.ts";
import type { NatsEngine } from "../service/store/jetstream/nats-engine.ts";
import { openJetStreamStore } from "../service/store/jetstream/open-jetstream-store.ts";
import { SharedFileDisk } from "../service/store/jetstream/shared-file-disk.ts";
import { stepsOf, type TransferSummary, transferStore } from "../service/store/jetstream/store-transfer.ts";
import { StoreUnavailable } from "../service/store/log-store.ts";
import { openStore } from "../service/store/open-store.ts";
import type { ClusterSetting } from "./cluster-settings.ts";
import { takeData } from "./data-folder.ts";
import { writeOut } from "./output.ts";
import { ProgressLine, percent } from "./progress-line.ts";
import { serviceSettings } from "./service-settings.ts";
import { dataFolderWithStore, STORE_FOLDER, viewOf } from "./store-folder.ts";
import { UserError } from "./user-error.ts";

export interface StoreCopyOptions {
  readonly data?: string;
  readonly settings?: string;
  readonly json?: boolean;
}

const world = {
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  counters: new CounterTable(),
  log: silentLog,
};

/** `boardlog store copy`: the log and the keys of a data folder, whose service is stopped, into the cluster that settings name. */
export async function runStoreCopy(options: StoreCopyOptions): Promise<void> {
  if (options.settings === undefined)
    throw new UserError("store copy: whereto? give --settings FILE of a service whose store is a cluster");
  const { cluster } = await serviceSettings(options.settings);
  if (cluster === undefined) throw new UserError(`${options.settings}: store: names no cluster`);
  const folder = resolve(dataFolderWithStore(options.data));
  const unlock = takeData(folder);
  try {
    const { summary, hasTakenKeys } = await copy(folder, cluster, new ProgressLine(options.json));
    await writeOut(
      options.json
        ? `${JSON.stringify({ ...summary, hasTakenKeys })}\n`
        : wordsOf(folder, cluster.shown, summary, hasTakenKeys),
    );
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    throw new UserError(`${error.message}; what was copied stays, and the same command goes on there`, 1);
  } finally {
    unlock();
  }
}

async function copy(
  folder: string,
  { engine: options, prefix }: ClusterSetting,
  line: ProgressLine,
): Promise<{ readonly summary: TransferSummary; readonly hasTakenKeys: boolean }> {
  const from = await openStore({ ...world, dir: join(folder, STORE_FOLDER) });
  try {
    await from.seal();
    const { entryCount: total } = await from.status();
    const inStep = stepsOf(world, (reason) => line.draw(() => `${reason}; trying again`));
    const kept = { prefix, keepMs: undefined, keepBytes: undefined };
    const { store, engine } = await openJetStreamStore({ ...world, inStep }, options, kept);
    try {
      const view = await viewOf(folder);
      try {
        const onEntries = (count: number): void =>
          line.draw(() => `${count} entries of about ${total}${percent(count, total)}`);
        const summary = await transferStore(from, view, store, { inStep, onEntries });
        return { summary, hasTakenKeys: await copyKeys(folder, { engine, prefix, inStep }) };
      } finally {
        await view.close();
      }
    } finally {
      await store.close();
    }
  } finally {
    line.clear();
    await from.close();
  }
}

/** @returns whether the cluster had none and has these now. */
async function copyKeys(
  folder: string,
  {
    engine,
    prefix,
    inStep,
  }: { readonly engine: NatsEngine; readonly prefix: string; readonly inStep: DoStep },
): Promise<boolean> {
  const disk = new SystemDisk(folder);
  const keys = await disk.read(KEYS_FILE);
  const shared = new SharedFileDisk(disk, engine, prefix, KEYS_FILE);
  let isWritten = false;
  return await inStep(async () => {
    await shared.start();
    const standing = await shared.read(KEYS_FILE);
    // An answer that was lost: they may be there by then.
    if (keys === undefined || standing !== undefined) return isWritten && isSame(keys, standing);
    isWritten = true;
    await shared.replace(KEYS_FILE, keys);
    return true;
  });
}

function wordsOf(
  folder: string,
  shown: string,
  { entryCount, sourceCount, markCount, gatewayCount }: TransferSummary,
  hasTakenKeys: boolean,
): string {
  const keys = hasTakenKeys ? "The keys are there too." : "The cluster has keys already: they stand.";
  return `${folder} -> ${shown}: ${entryCount} entries of ${sourceCount} sources, the marks of ${markCount} boots, the positions of ${gatewayCount} spools
${keys} Ids are new ones: readers begin anew. Point gateways at the new services, and keep the folder until all is well.
`;
}

function isSame(left: Uint8Array | undefined, right: Uint8Array | undefined): boolean {
  return left !== undefined && right !== undefined && Buffer.compare(left, right) === 0;
}
