import { createHash } from "node:crypto";
import type { Clock, Timers } from "../../../host/clock.ts";
import type { StoredEntry } from "../../../protocol/entry.ts";
import { ByteReader } from "../byte-reader.ts";
import { Findings } from "../check-report.ts";
import { CHECKED_HEAD_BYTES, openValue, ValueKind } from "../checked-value.ts";
import { positionOfId } from "../entry-id.ts";
import { type CheckedHead, checkHead } from "../head-check.ts";
import { type LogStore, StoreUnavailable } from "../log-store.ts";
import { nameOfKey, spoolKeys } from "../store-keys.ts";
import { SECRET_KEY } from "../store-state.ts";
import type { StoreView } from "../store-view.ts";
import { askAgain, type DoStep } from "./ask-again.ts";
import type { JetStreamStore } from "./jetstream-store.ts";

/** Entries of one append. */
const PAGE = 1000;
/** How long the cluster may be unavailable for one step, ms: while it starts, or finds a leader on busy machines. */
const PATIENCE_MS = 60_000;
const AGAIN_MS = 1_000;
/** The name under which it is kept how far a transfer has come, among the positions of gateways. */
const TRANSFER = "store-transfer";

interface TransferWorld {
  readonly clock: Clock;
  readonly timers: Timers;
}

interface TransferOptions {
  /** Every call of the cluster goes through it: as `stepsOf` makes it, the transfer outlasts a cluster that is away for a while. */
  readonly inStep: DoStep;
  readonly onEntries: (count: number) => void;
}

export interface TransferSummary {
  readonly entryCount: number;
  readonly sourceCount: number;
  readonly markCount: number;
  readonly gatewayCount: number;
}

/**
 * Does a step of a transfer, and again while the cluster is unavailable; `onWaiting` hears why it waits.
 * @throws StoreUnavailable where it stays so for a minute
 */
export function stepsOf(world: TransferWorld, onWaiting: (reason: string) => void): DoStep {
  return (step) =>
    askAgain(
      {
        ...world,
        untilMs: world.clock.monotonicMs() + PATIENCE_MS,
        pauseMs: AGAIN_MS,
        isWorthIt: (error) => error instanceof StoreUnavailable,
        onRefusal: (error) => onWaiting((error as StoreUnavailable).message),
      },
      step,
    );
}

/**
 * Brings what an embedded store has into a cluster: entries in their order, then what is known of boots, then how far gateways are.
 * Cut off, it goes on where it was; done again, it adds nothing.
 * @param from is sealed and takes nothing more; `view` is of it as it is now.
 * @throws StoreUnavailable
 */
export async function transferStore(
  from: LogStore,
  view: StoreView,
  to: JetStreamStore,
  { inStep, onEntries }: TransferOptions,
): Promise<TransferSummary> {
  const findings = new Findings();
  const head = checkHead(view.head, findings);
  if (findings.problemCount > 0)
    throw new StoreUnavailable("its head is damaged; see boardlog store check", { cause: findings });
  const epoch = epochOf(view);
  let entryCount = 0;
  for (const project of head.projectNames.values()) {
    const base = entryCount;
    entryCount += await transferEntries(
      from,
      to,
      { project, epoch },
      { inStep, onEntries: (count) => onEntries(base + count) },
    );
  }
  const markCount = await transferMarks(head, to, inStep);
  const positions = spoolPositionsOf(view);
  for (const { project, gateway, epoch: life, position } of positions)
    await inStep(() => to.append([], { project, gateway, epoch: life, position }));
  return { entryCount, sourceCount: head.sources.size, markCount, gatewayCount: positions.length };
}

/** Every line at its position in the old store, as if that were a spool. */
async function transferEntries(
  from: LogStore,
  to: JetStreamStore,
  { project, epoch }: { readonly project: string; readonly epoch: string },
  { inStep, onEntries }: TransferOptions,
): Promise<number> {
  let after: string | undefined;
  let count = 0;
  for (;;) {
    const page = await from.listProject({ project, limit: PAGE, ...(after !== undefined && { after }) });
    const last = page.at(-1);
    if (last === undefined) return count;
    after = last.id;
    count += page.length;
    await inStep(async () => {
      // Read each time: a step whose answer was lost may have been done.
      const stands = await to.spoolPosition(project, TRANSFER, epoch);
      const news = page.filter(({ id }) => positionOfId(id) > stands);
      if (news.length === 0) return;
      const batch = {
        project,
        entries: news.map(({ id: _id, ...entry }: StoredEntry) => entry),
        spoolPositions: news.map(({ id }) => positionOfId(id)),
      };
      await to.append([batch], { project, gateway: TRANSFER, epoch, position: positionOfId(last.id) });
    });
    onEntries(count);
  }
}

/** Marks outlive entries: what was deleted or is too old is still a repeat when it comes again. */
async function transferMarks(
  { marks, sources }: CheckedHead,
  to: JetStreamStore,
  inStep: DoStep,
): Promise<number> {
  let count = 0;
  for (const [number, ofSource] of marks) {
    const source = sources.get(number);
    if (source === undefined) continue;
    await inStep(() => to.takeMarks(source.project, source.src, ofSource));
    count += ofSource.size;
  }
  return count;
}

interface NamedPosition {
  readonly project: string;
  readonly gateway: string;
  readonly epoch: string;
  readonly position: number;
}

/** The highest of the head's and of the logs', as the store itself reads them. */
function spoolPositionsOf({ head, logs }: StoreView): NamedPosition[] {
  const positions = new Map<string, number>();
  for (const { view } of [head, ...logs]) {
    for (const { key, value } of view.range(spoolKeys())) {
      const bytes = openValue(ValueKind.SpoolPosition, value);
      if (bytes === undefined) continue;
      const name = nameOfKey(key);
      const position = new ByteReader(bytes, CHECKED_HEAD_BYTES).varint();
      positions.set(name, Math.max(position, positions.get(name) ?? 0));
    }
  }
  return Array.from(positions, ([name, position]) => {
    const [project = "", gateway = "", epoch = ""] = name.split(" ");
    return { project, gateway, epoch, position };
  });
}

/** One store's, for good. */
function epochOf({ head }: StoreView): string {
  return createHash("sha256")
    .update(head.view.get(SECRET_KEY) ?? "")
    .digest("hex")
    .slice(0, 16);
}
