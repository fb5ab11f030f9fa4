import type { AppendFile, Disk, FilePart } from "../host/disk.ts";
import type { Random } from "../host/random.ts";

/** The power went; nothing works any more until `FaultyDisk.restart`. */
export class PowerCut extends Error {
  readonly code = "POWER_CUT";
}

interface File {
  /** What a reader sees. */
  content: Buffer;
  /** What is on the platter for certain. */
  synced: Buffer;
  /** Bytes of a failed sync look written and are not: the kernel forgets that they were never. */
  isPoisoned: boolean;
}

/** A disk in memory that fails as real ones do. Every write, sync and removal is one step that a cut can stand in. */
export class FaultyDisk implements Disk {
  readonly #random: Random;
  readonly files = new Map<string, File>();
  /** Bytes of all files at most. */
  bytesMax = Number.POSITIVE_INFINITY;
  /** The power goes in this step from now on; counts down. */
  stepsToCut = Number.POSITIVE_INFINITY;
  /** Chance that a sync fails. */
  syncFails = 0;
  /** Chance that a write fails part of the way. */
  writeFails = 0;
  /** Chance that a file cannot be read. */
  readFails = 0;
  /** Chance that a file cannot be read, and can when it is tried again. */
  readGlitches = 0;
  readonly #glitchRandom: Random;
  readonly #glitched = new Set<string>();
  stepCount = 0;
  #life = 0;

  /** @param glitchRandom of `readGlitches`. */
  constructor(random: Random, glitchRandom = random) {
    this.#random = random;
    this.#glitchRandom = glitchRandom;
  }

  get bytes(): number {
    return [...this.files.values()].reduce((sum, { content }) => sum + content.length, 0);
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    this.#alive(this.#life);
    const isFailing = this.#random.fraction() < this.readFails;
    const isAgain = this.#glitched.delete(path);
    if (!isAgain && (isFailing || this.#hasGlitch(path))) throw failure("EIO");
    const file = this.files.get(path);
    return file && new Uint8Array(file.content);
  }

  #hasGlitch(path: string): boolean {
    if (this.readGlitches === 0) return false;
    const isGlitch = this.#glitchRandom.fraction() < this.readGlitches;
    if (isGlitch) this.#glitched.add(path);
    return isGlitch;
  }

  async readPart(path: string, at: number, bytesMax: number): Promise<FilePart | undefined> {
    const file = await this.read(path);
    return file && { bytes: file.slice(at, at + bytesMax), sizeBytes: file.length };
  }

  async replace(path: string, content: Uint8Array): Promise<void> {
    const before = this.files.get(path);
    const isCut = this.#step();
    const grown = content.length - (before?.content.length ?? 0);
    if (this.bytes + grown > this.bytesMax) throw failure("ENOSPC");
    if (isCut && this.#random.fraction() < 0.5) throw this.#cut();
    const bytes = Buffer.from(content);
    this.files.set(path, { content: bytes, synced: bytes, isPoisoned: false });
    if (isCut) throw this.#cut();
  }

  async openAppend(path: string): Promise<AppendFile> {
    const isCut = this.#step();
    let file = this.files.get(path);
    if (file === undefined) {
      file = { content: Buffer.alloc(0), synced: Buffer.alloc(0), isPoisoned: false };
      this.files.set(path, file);
    }
    if (isCut) throw this.#cut();
    return new FaultyFile(this, file, this.#life);
  }

  async list(folder: string): Promise<string[]> {
    this.#alive(this.#life);
    const start = `${folder}/`;
    return [...this.files.keys()]
      .filter((path) => path.startsWith(start))
      .map((path) => path.slice(start.length))
      .sort();
  }

  async remove(path: string): Promise<void> {
    const isCut = this.#step();
    if (isCut && this.#random.fraction() < 0.5) throw this.#cut();
    this.files.delete(path);
    if (isCut) throw this.#cut();
  }

  /** Of what was not synced any part may be there, as any mixture of old and new pages would be. */
  restart(): void {
    this.#life += 1;
    this.stepsToCut = Number.POSITIVE_INFINITY;
    for (const file of this.files.values()) {
      const unsynced = file.content.subarray(file.synced.length);
      const kept = file.isPoisoned ? 0 : Math.floor(this.#random.fraction() * (unsynced.length + 1));
      const rest = Buffer.from(unsynced.subarray(0, kept));
      if (kept > 0 && this.#random.fraction() < 0.3) flip(rest, Math.floor(this.#random.fraction() * kept));
      file.content = Buffer.concat([file.synced, rest]);
      file.synced = file.content;
      file.isPoisoned = false;
    }
  }

  /** A process that is killed: what it wrote is there, synced or not; its files are closed. */
  kill(): void {
    this.#life += 1;
  }

  /** A copy, as somebody restores an image of the card. */
  image(): Map<string, Buffer> {
    return new Map([...this.files].map(([path, { content }]) => [path, Buffer.from(content)]));
  }

  restore(image: ReadonlyMap<string, Buffer>): void {
    this.#life += 1;
    this.files.clear();
    for (const [path, content] of image) {
      const bytes = Buffer.from(content);
      this.files.set(path, { content: bytes, synced: bytes, isPoisoned: false });
    }
  }

  flipBit(path: string, bit: number): void {
    this.#alter(path, (bytes) => {
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    });
  }

  /** As flash is that was erased. */
  erase(path: string, from: number, until: number): void {
    this.#alter(path, (bytes) => bytes.fill(0xff, from, until));
  }

  #alter(path: string, change: (bytes: Buffer) => void): void {
    const file = this.files.get(path);
    if (file === undefined) throw new Error(`no file ${path}`);
    const bytes = Buffer.from(file.content);
    change(bytes);
    file.content = bytes;
    file.synced = bytes;
  }

  /** @internal */
  append(file: File, bytes: Uint8Array, life: number): void {
    this.#alive(life);
    const isCut = this.#step();
    const room = this.bytesMax - this.bytes;
    const isFull = bytes.length > room;
    const isFailing = this.#random.fraction() < this.writeFails;
    const taken =
      isCut || isFailing
        ? Math.floor(this.#random.fraction() * bytes.length)
        : isFull
          ? Math.max(0, room)
          : bytes.length;
    file.content = Buffer.concat([file.content, bytes.subarray(0, Math.min(taken, Math.max(0, room)))]);
    if (isCut) throw this.#cut();
    if (isFailing) throw failure("EIO");
    if (isFull) throw failure("ENOSPC");
  }

  /** @internal */
  sync(file: File, life: number): void {
    this.#alive(life);
    const isCut = this.#step();
    if (this.#random.fraction() < this.syncFails) {
      file.isPoisoned = true;
      throw failure("EIO");
    }
    if (isCut && this.#random.fraction() < 0.5) throw this.#cut();
    // The kernel says yes and means nothing, once it has told of a failure.
    if (!file.isPoisoned) file.synced = file.content;
    if (isCut) throw this.#cut();
  }

  #step(): boolean {
    this.#alive(this.#life);
    this.stepCount += 1;
    this.stepsToCut -= 1;
    return this.stepsToCut === 0;
  }

  #cut(): PowerCut {
    return new PowerCut("the power is gone");
  }

  #alive(life: number): void {
    if (this.stepsToCut <= 0 || life !== this.#life) throw this.#cut();
  }
}

class FaultyFile implements AppendFile {
  readonly #disk: FaultyDisk;
  readonly #file: File;
  readonly #life: number;

  constructor(disk: FaultyDisk, file: File, life: number) {
    this.#disk = disk;
    this.#file = file;
    this.#life = life;
  }

  get sizeBytes(): number {
    return this.#file.content.length;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await undefined;
    this.#disk.append(this.#file, bytes, this.#life);
  }

  async sync(): Promise<void> {
    await undefined;
    this.#disk.sync(this.#file, this.#life);
  }

  async close(): Promise<void> {}
}

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}

function flip(bytes: Buffer, at: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
}
