/** A folder that boardlog owns. Paths are relative to it, with `/`. The simulator gives a faulty one. */
export interface Disk {
  /** The whole file, or undefined where there is none. */
  read(path: string): Promise<Uint8Array | undefined>;
  /**
   * A text that is another one once the file may have changed, for who would read it again and again; undefined where that cannot be
   * told just now. Absent where it never can.
   */
  stamp?(path: string): Promise<string | undefined>;
  /**
   * So many bytes of a file from a byte on, fewer where it ends before, and how many it has in all; undefined where there is none.
   */
  readPart(path: string, at: number, bytesMax: number): Promise<FilePart | undefined>;
  /**
   * Replaces the file in one step: after a power cut there is the old content or the new, never a mixture.
   * Resolves when durable. `mode` is the new file's permission bits (default 0o600).
   */
  replace(path: string, content: Uint8Array, mode?: number): Promise<void>;
  /** Opens for appending, creating it when absent. */
  openAppend(path: string): Promise<AppendFile>;
  /** Names in a folder, sorted; empty where there is no such folder. */
  list(path: string): Promise<string[]>;
  /** Durable when it resolves; harmless where there is no such file. */
  remove(path: string): Promise<void>;
}

export interface FilePart {
  readonly bytes: Uint8Array;
  readonly sizeBytes: number;
}

export interface AppendFile {
  readonly sizeBytes: number;
  append(bytes: Uint8Array): Promise<void>;
  /** Resolves when all that was appended is durable. After a failure the file must not be used again. */
  sync(): Promise<void>;
  close(): Promise<void>;
}
