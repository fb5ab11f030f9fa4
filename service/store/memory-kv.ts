import type { Random } from "../../host/random.ts";
import type { ByteFile, DurableFile } from "./durable-file.ts";
import { JournalKv, JournalView } from "./journal-kv.ts";
import { keysWithin, textOf } from "./key-text.ts";
import { StoreUnavailable } from "./log-store.ts";
import {
  MemoryFile,
  MemoryFileHandle,
  MemoryJournal,
  type MemoryKvHooks,
  WHOLE_FILE,
} from "./memory-file.ts";
import {
  type KvChange,
  KvForm,
  type KvPair,
  type KvRange,
  type KvSpace,
  type KvView,
  type KvViews,
  type OrderedKv,
} from "./ordered-kv.ts";

/** What a simulated disk may do, as chances from 0 to 1 drawn at each commit. */
export interface MemoryKvFaults {
  /** The sync fails: what was written may be there or not, and the engine is done for. */
  readonly commitFails: number;
}

const FAULTS_NONE: MemoryKvFaults = { commitFails: 0 };

interface Transaction {
  readonly changes: readonly KvChange[];
  readonly settle: (error?: Error) => void;
}

/** The content of one tree, which outlives its handles. */
class MemoryTree {
  /** Keys as binary strings, which order as their bytes do. */
  readonly values = new Map<string, Uint8Array>();
  sortedKeys: string[] | undefined = [];
  readonly unsynced: Transaction[] = [];

  get bytes(): number {
    let bytes = 0;
    for (const [key, value] of this.values) bytes += key.length + value.length;
    return bytes;
  }

  apply(changes: readonly KvChange[]): void {
    for (const change of changes) {
      const key = textOf(change.key);
      if (change.type === "put") {
        if (!this.values.has(key)) this.sortedKeys = undefined;
        this.values.set(key, copyOf(change.value));
      } else if (this.values.delete(key)) this.sortedKeys = undefined;
    }
  }

  /** What is durable now. */
  copy(): MemoryTree {
    const copy = new MemoryTree();
    copy.sortedKeys = undefined;
    for (const [key, value] of this.values) copy.values.set(key, copyOf(value));
    return copy;
  }

  /** Of the commits under way some first ones may have reached the disk. */
  crash(random: Random): void {
    const kept = Math.floor(random.fraction() * (this.unsynced.length + 1));
    for (const transaction of this.unsynced.slice(0, kept)) this.apply(transaction.changes);
    for (const transaction of this.unsynced.splice(0))
      transaction.settle(new StoreUnavailable("the power is gone"));
  }

  keys(): readonly string[] {
    this.sortedKeys ??= [...this.values.keys()].sort();
    return this.sortedKeys;
  }

  sizeOf(key: string): number {
    return this.values.get(key)?.length ?? 0;
  }

  flipBit(key: string, bit: number): void {
    const value = this.values.get(key);
    const byte = value?.[bit >> 3];
    if (value === undefined || byte === undefined) throw new RangeError("there is no such bit");
    value[bit >> 3] = byte ^ (1 << (bit & 7));
  }
}

/** Microtasks that a sync takes at most, unless told otherwise: enough for others to overtake it. */
const TURNS_MAX = 30;

/**
 * Engines in memory for tests and the simulator, journals as they are on a real disk. A commit becomes durable some turns after it
 * was asked for; `crash` loses what was not durable: of a tree whole transactions from some point on, of a journal any sectors of
 * the write under way; each engine by itself, as separate files would.
 */
export class MemoryKvSpace implements KvSpace, KvViews {
  readonly #random: Random;
  readonly #disks = new Map<string, MemoryTree | MemoryJournal>();
  readonly #packs = new Map<string, MemoryFile>();
  readonly #syncDelay: () => Promise<void>;
  /** Handles of an earlier life are dead. */
  #life = 0;
  faults: MemoryKvFaults = FAULTS_NONE;
  /** What `freeBytes` says; nothing is taken from it. */
  freeBytesLeft = Number.POSITIVE_INFINITY;

  /** `syncDelay` resolves when a commit that was just asked for reaches the disk; by default some microtasks later. */
  constructor(random: Random, syncDelay?: () => Promise<void>) {
    this.#random = random;
    this.#syncDelay = syncDelay ?? (() => someTurns(1 + Math.floor(random.fraction() * TURNS_MAX)));
  }

  async open(name: string, form: KvForm = KvForm.Tree): Promise<OrderedKv> {
    let disk = this.#disks.get(name);
    if (disk === undefined) {
      disk = form === KvForm.Journal ? new MemoryJournal() : new MemoryTree();
      this.#disks.set(name, disk);
    }
    if (disk instanceof MemoryTree) return new MemoryKv(disk, this.#hooks());
    return await JournalKv.open(new MemoryFileHandle(disk, this.#hooks()));
  }

  async openPack(name: string): Promise<DurableFile> {
    const disk = this.#packs.get(name) ?? new MemoryFile();
    this.#packs.set(name, disk);
    return new MemoryFileHandle(disk, this.#hooks());
  }

  async names(): Promise<string[]> {
    return [...this.#disks.keys()].sort();
  }

  async bytes(name: string): Promise<number> {
    return (this.#disks.get(name)?.bytes ?? 0) + (this.#packs.get(name)?.bytes ?? 0);
  }

  freeBytes(): number {
    return this.freeBytesLeft;
  }

  async remove(name: string): Promise<void> {
    this.#packs.delete(name);
    this.#disks.delete(name);
  }

  async close(): Promise<void> {}

  async view(name: string): Promise<KvView | undefined> {
    const disk = this.#disks.get(name)?.copy();
    if (disk === undefined) return undefined;
    if (disk instanceof MemoryTree) return new MemoryKv(disk, this.#viewHooks);
    return new JournalView(new MemoryFileHandle(disk, this.#viewHooks));
  }

  async viewPack(name: string): Promise<ByteFile | undefined> {
    const disk = this.#packs.get(name)?.copy();
    return disk && new MemoryFileHandle(disk, this.#viewHooks);
  }

  /** What is durable now, as a space of its own. */
  copy(): MemoryKvSpace {
    const copy = new MemoryKvSpace(this.#random, this.#syncDelay);
    for (const [name, disk] of this.#disks) copy.#disks.set(name, disk.copy());
    for (const [name, disk] of this.#packs) copy.#packs.set(name, disk.copy());
    return copy;
  }

  /** What a copy holds takes the place of what is here, as when somebody writes an older image back. No handle may be in use. */
  restore(from: MemoryKvSpace): void {
    this.#life++;
    this.#disks.clear();
    this.#packs.clear();
    const image = from.copy();
    for (const [name, disk] of image.#disks) this.#disks.set(name, disk);
    for (const [name, disk] of image.#packs) this.#packs.set(name, disk);
  }

  /** The power goes: handles die. */
  crash(): void {
    this.#life++;
    for (const disk of [...this.#disks.values(), ...this.#packs.values()]) disk.crash(this.#random);
    this.faults = FAULTS_NONE;
  }

  /** Every value there is: the engine's name and the key, as `flipBit` takes them; of a pack `WHOLE_FILE` stands for the key. */
  values(): { readonly name: string; readonly key: string; readonly bytes: number }[] {
    return [...this.#disks, ...this.#packs].flatMap(([name, disk]) =>
      disk.keys().map((key) => ({ name, key, bytes: disk.sizeOf(key) })),
    );
  }

  /** Turns one bit of a value over, as a worn-out disk would. */
  flipBit(name: string, key: string, bit: number): void {
    const disk = key === WHOLE_FILE ? this.#packs.get(name) : this.#disks.get(name);
    if (disk === undefined) throw new RangeError("there is no such bit");
    disk.flipBit(key, bit);
  }

  /** Leaves only the first bytes of a pack. */
  cutPack(name: string, sizeBytes: number): void {
    this.#packs.get(name)?.cut(sizeBytes);
  }

  #hooks(): MemoryKvHooks {
    const life = this.#life;
    return {
      syncDelay: this.#syncDelay,
      alive: () => life === this.#life,
      fails: () => this.#random.fraction() < this.faults.commitFails,
      survives: () => this.#random.fraction() < 0.5,
    };
  }

  get #viewHooks(): MemoryKvHooks {
    return { syncDelay: this.#syncDelay, alive: () => true, fails: () => false, survives: () => true };
  }
}

class MemoryKv implements OrderedKv {
  readonly #disk: MemoryTree;
  readonly #hooks: MemoryKvHooks;
  #failure: StoreUnavailable | undefined;
  #closed = false;

  constructor(disk: MemoryTree, hooks: MemoryKvHooks) {
    this.#disk = disk;
    this.#hooks = hooks;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#assertUsable();
    const value = this.#disk.values.get(textOf(key));
    return value && copyOf(value);
  }

  *range(range: KvRange): Generator<KvPair> {
    this.#assertUsable();
    for (const key of keysWithin(this.#disk.keys(), range)) {
      const value = this.#disk.values.get(key);
      if (value !== undefined) yield { key: Buffer.from(key, "latin1"), value: copyOf(value) };
    }
  }

  async commit(changes: readonly KvChange[]): Promise<void> {
    this.#assertUsable();
    if (changes.length === 0) return;
    const settled = new Promise<void>((resolve, reject) => {
      this.#disk.unsynced.push({
        changes,
        settle: (error) => (error === undefined ? resolve() : reject(error)),
      });
    });
    this.#hooks.syncDelay().then(() => this.#syncFirst());
    try {
      await settled;
    } catch (error) {
      this.#failure ??= error instanceof StoreUnavailable ? error : new StoreUnavailable("a commit failed");
      throw this.#failure;
    }
  }

  releaseDeadViews(): void {}

  async close(): Promise<void> {
    while (this.#hooks.alive() && this.#disk.unsynced.length > 0) await this.#hooks.syncDelay();
    this.#closed = true;
  }

  #syncFirst(): void {
    if (!this.#hooks.alive()) return;
    const transaction = this.#disk.unsynced.shift();
    if (transaction === undefined) return;
    if (this.#failure === undefined && !this.#hooks.fails()) {
      this.#disk.apply(transaction.changes);
      transaction.settle();
      return;
    }
    if (this.#failure === undefined && this.#hooks.survives()) this.#disk.apply(transaction.changes);
    this.#failure ??= new StoreUnavailable("a simulated sync failed");
    transaction.settle(this.#failure);
  }

  #assertUsable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#hooks.alive()) throw new StoreUnavailable("the power is gone");
    if (this.#closed) throw new StoreUnavailable("the engine is closed");
  }
}

async function someTurns(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await undefined;
}

/** A disk shares no memory with those who write and read it; `slice` of a Buffer would. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
