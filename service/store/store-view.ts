import { isDeepStrictEqual } from "node:util";
import { openValue, ValueKind } from "./checked-value.ts";
import type { ByteFile } from "./durable-file.ts";
import { StoreUnavailable } from "./log-store.ts";
import type { KvView, KvViews } from "./ordered-kv.ts";
import { deletionKeys, isSegmentKey, lastPositionOfKey } from "./store-keys.ts";
import {
  decodeState,
  floorOf,
  HEAD_NAME,
  isOldState,
  numberOfName,
  SECRET_KEY,
  type SegmentState,
  STATE_KEY,
  type StoreState,
  segmentName,
} from "./store-state.ts";

/** A busy service changes its state every second or so, and looking takes milliseconds. */
const ATTEMPTS_MAX = 100;

/** One engine of a store, as it was at the moment of the view. */
export interface NamedView {
  readonly name: string;
  readonly view: KvView;
}

export interface SegmentView extends NamedView {
  readonly pack: ByteFile;
  readonly state: SegmentState;
}

/**
 * A whole store as it was at one moment, though its engines are files of their own and another process may be writing to them.
 * The newest segment may hold places past the sealed position, and its pack bytes past those of its state, of a seal under way: they
 * are not part of it.
 */
export interface StoreView {
  readonly state: StoreState;
  readonly head: NamedView;
  /** Ascending. */
  readonly segments: readonly SegmentView[];
  /** Ascending; those that are sealed already may be among them. */
  readonly logs: readonly NamedView[];
  close(): Promise<void>;
}

/** True for a place in the newest segment that a seal under way has written: nobody sees it yet. */
export function isUnfinished(key: Uint8Array, sealedPosition: number): boolean {
  return isSegmentKey(key) && lastPositionOfKey(key) > sealedPosition;
}

/**
 * Looks at the head, then at the logs, the newest first, so that no entry of a log is seen without all of the log before it, then
 * at the segments; where the head changed its mind meanwhile, all is done again.
 * @throws StoreUnavailable where there is no store, or its state is damaged.
 */
export async function viewStore(views: KvViews): Promise<StoreView> {
  const segments = new SegmentViews(views);
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const view = await tryView(views, segments);
      if (view !== undefined) return view;
    }
  } catch (error) {
    await segments.close();
    throw error;
  }
  await segments.close();
  throw new StoreUnavailable("it changes too fast to be looked at; try again when there is less to store");
}

/** Views of segments, kept from one attempt to the next: there may be hundreds, and nearly all stay as they are. */
class SegmentViews {
  readonly #views: KvViews;
  #kept: readonly SegmentView[] = [];

  constructor(views: KvViews) {
    this.#views = views;
  }

  /** Those of a state that are there, in its order; each seen when the state was durable, or later. */
  async of(state: StoreState): Promise<readonly SegmentView[]> {
    const before = new Map(this.#kept.map((segment) => [segment.state.number, segment]));
    const found: SegmentView[] = [];
    try {
      for (const segment of state.segments) {
        const kept = before.get(segment.number);
        if (kept !== undefined && isDeepStrictEqual(kept.state, segment)) {
          found.push(kept);
          before.delete(segment.number);
          continue;
        }
        const opened = await this.#open(segment);
        if (opened !== undefined) found.push(opened);
      }
    } finally {
      for (const segment of before.values()) await closeView(segment);
      this.#kept = found;
    }
    return found;
  }

  async #open(state: SegmentState): Promise<SegmentView | undefined> {
    const name = segmentName(state.number);
    const view = await this.#views.view(name);
    if (view === undefined) return undefined;
    const pack = await this.#views.viewPack(name);
    if (pack !== undefined) return { name, view, pack, state };
    await view.close();
    return undefined;
  }

  async close(): Promise<void> {
    for (const segment of this.#kept) await closeView(segment);
  }
}

async function closeView({ view, pack }: SegmentView): Promise<void> {
  await view.close();
  await pack.close();
}

async function tryView(views: KvViews, kept: SegmentViews): Promise<StoreView | undefined> {
  const opened: KvView[] = [];
  const close = async (): Promise<void> => {
    for (const view of opened) await view.close();
  };
  const closeWithSegments = async (): Promise<void> => {
    await kept.close();
    await close();
  };
  const open = async (name: string): Promise<NamedView | undefined> => {
    const view = await views.view(name);
    if (view === undefined) return undefined;
    opened.push(view);
    return { name, view };
  };
  try {
    const head = await open(HEAD_NAME);
    if (head === undefined) throw new StoreUnavailable("there is none");
    const state = readState(head.view);
    const names = await views.names();
    const logs: NamedView[] = [];
    for (const name of names.filter((one) => numberOfName("log", one) !== undefined).reverse()) {
      const log = await open(name);
      if (log !== undefined) logs.unshift(log);
    }
    const segments = await kept.of(state);
    const now = await views.view(HEAD_NAME);
    const isSame = now !== undefined && stamp(now) === stamp(head.view);
    await now?.close();
    if (isSame) {
      const missing = state.segments.find(
        ({ number }) => !segments.some((segment) => segment.state.number === number),
      );
      if (missing !== undefined)
        throw new StoreUnavailable(`the segment ${segmentName(missing.number)} is missing`);
      return { state, head, segments, logs, close: closeWithSegments };
    }
  } catch (error) {
    await close();
    throw error;
  }
  await close();
  return undefined;
}

/** @throws StoreUnavailable */
function readState(head: KvView): StoreState {
  const stored = head.get(STATE_KEY);
  if (stored === undefined) throw new StoreUnavailable("its head holds no state");
  if (isOldState(stored)) throw new StoreUnavailable("an earlier version of boardlog wrote it");
  floorOf(head);
  const state = decodeState(stored);
  const secret = head.get(SECRET_KEY);
  if (state === undefined || secret === undefined || openValue(ValueKind.Secret, secret) === undefined)
    throw new StoreUnavailable("the record of its state is damaged");
  return state;
}

/** What of the head decides where entries are and which of them are deleted; totals and marks are of the same moment. */
function stamp(head: KvView): string {
  const parts = [Buffer.from(head.get(STATE_KEY) ?? []).toString("base64")];
  for (const { key, value } of head.range(deletionKeys()))
    parts.push(Buffer.from(key).toString("base64"), Buffer.from(value).toString("base64"));
  return parts.join(" ");
}
