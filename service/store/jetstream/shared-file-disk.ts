import type { AppendFile, Disk, FilePart } from "../../../host/disk.ts";
import { StoreUnavailable } from "../log-store.ts";
import type { EngineFollower, MessageEngine } from "./message-engine.ts";

/** Versions of the file that stay: of two that were written at once, the first is told by what is before it. */
const VERSIONS_MAX = 16;

/** Another process replaced the file since it was read here: read it again, and try again. */
export class SharedFileChanged extends Error {
  readonly code = "SHARED_FILE_CHANGED";
  constructor(path: string) {
    super(`another process has changed ${path} in the cluster meanwhile; try again`);
    this.name = "SharedFileChanged";
  }
}

/** A folder of which one small file is in the cluster, the same for all processes. */
export class SharedFileDisk implements Disk {
  readonly #disk: Disk;
  readonly #engine: MessageEngine;
  readonly #path: string;
  readonly #stream: string;
  readonly #subject: string;
  #readSeq = 0;

  constructor(disk: Disk, engine: MessageEngine, prefix: string, path: string) {
    this.#disk = disk;
    this.#engine = engine;
    this.#path = path;
    this.#stream = `${prefix}_keys`;
    this.#subject = `${prefix}.keys`;
  }

  /** Makes its place in the cluster where there is none. @throws StoreUnavailable */
  async start(): Promise<void> {
    await this.#engine.ensureStream(this.#stream, this.#subject, VERSIONS_MAX);
  }

  /** Calls `listener` as soon as any process has replaced it. */
  watch(listener: () => void): EngineFollower {
    return this.#engine.follow(this.#stream, this.#readSeq + 1, () => listener());
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    if (path !== this.#path) return await this.#disk.read(path);
    const last = await this.#engine.last(this.#stream, this.#subject);
    this.#readSeq = last?.seq ?? 0;
    return last?.data;
  }

  async replace(path: string, content: Uint8Array, mode?: number): Promise<void> {
    if (path !== this.#path) return await this.#disk.replace(path, content, mode);
    const outcome = await this.#engine.publish(this.#subject, content, this.#readSeq);
    if (outcome.type === "conflict") throw new SharedFileChanged(path);
    if (outcome.type === "unknown")
      throw new StoreUnavailable("the cluster did not answer", { cause: outcome.cause });
    const first = await this.#engine.next(this.#stream, this.#subject, this.#readSeq + 1);
    if (first !== undefined && first.seq < outcome.seq) {
      // Two passed the cluster's check (`succession.ts`): what came first stands.
      await this.#engine.publish(this.#subject, first.data, outcome.seq);
      throw new SharedFileChanged(path);
    }
    this.#readSeq = outcome.seq;
  }

  readPart(path: string, at: number, bytesMax: number): Promise<FilePart | undefined> {
    return this.#disk.readPart(path, at, bytesMax);
  }

  openAppend(path: string): Promise<AppendFile> {
    return this.#disk.openAppend(path);
  }

  list(path: string): Promise<string[]> {
    return this.#disk.list(path);
  }

  remove(path: string): Promise<void> {
    return this.#disk.remove(path);
  }
}
