import { closeSync, constants, openSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import koffi from "koffi";

/**
 * A pseudo-terminal: `path` is opened by somebody else as if it were a serial port, this side is the board.
 * It is raw and without echo from the start, and survives the other side closing and opening it again.
 */
export interface Pty {
  /** What to open as a serial port: `/dev/pts/N`. */
  readonly path: string;
  /** Bytes that the other side wrote. */
  onData(listener: (bytes: Uint8Array) => void): void;
  /**
   * Sends bytes, or text as UTF-8. False: the other side does not keep up, and the rest waits here; stop until `onDrain`.
   * What waits is bounded: beyond 1 MiB a whole write is thrown away, as by a wire that nobody reads.
   */
  write(data: string | Uint8Array): boolean;
  onDrain(listener: () => void): void;
  /** Stops and goes on reading, as a board with a full receive buffer. */
  pause(): void;
  resume(): void;
  /** Pulls the plug: the other side sees the device go away. Resolves when both ends are closed here. */
  close(): Promise<void>;
}

/** A pty could not be had; `code` is stable. */
export class PtyUnavailable extends Error {
  readonly code = "PTY_UNAVAILABLE";
  constructor(step: string, errno: number) {
    super(`no pseudo-terminal: ${step} failed (errno ${errno})`);
    this.name = "PtyUnavailable";
  }
}

/** Larger than `struct termios` of any Linux C library (60 bytes with glibc and musl). */
const TERMIOS_BYTES_MAX = 256;
const PATH_BYTES_MAX = 128;
const WAITING_BYTES_MAX = 1024 * 1024;
/** The kernel takes some 4 KB at once; tried again so often while it is full. */
const WRITE_RETRY_MS = 2;
const TCSANOW = 0;

/**
 * Opens a pty on Linux.
 * @throws PtyUnavailable where the kernel gives none.
 */
export function openPty(): Pty {
  const c = cLibrary();
  const masterFd = c.openMaster(constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  if (masterFd < 0) throw new PtyUnavailable("posix_openpt", koffi.errno());
  let path: string;
  let slaveFd: number;
  try {
    const pathBytes = Buffer.alloc(PATH_BYTES_MAX);
    mustBeZero("grantpt", c.grant(masterFd));
    mustBeZero("unlockpt", c.unlock(masterFd));
    mustBeZero("ptsname_r", c.name(masterFd, pathBytes, PATH_BYTES_MAX));
    path = pathBytes.toString("latin1", 0, pathBytes.indexOf(0));
    // Kept open: a master whose last slave closes reads EIO, and a gateway closes and reopens its port.
    slaveFd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  } catch (error) {
    closeSync(masterFd);
    throw error;
  }
  try {
    const termios = Buffer.alloc(TERMIOS_BYTES_MAX);
    mustBeZero("tcgetattr", c.getAttributes(slaveFd, termios));
    c.makeRaw(termios);
    mustBeZero("tcsetattr", c.setAttributes(slaveFd, TCSANOW, termios));
    return new OpenPty(path, { masterFd, slaveFd });
  } catch (error) {
    closeSync(slaveFd);
    closeSync(masterFd);
    throw error;
  }
}

class OpenPty implements Pty {
  readonly path: string;
  readonly #masterFd: number;
  readonly #slaveFd: number;
  readonly #master: ReadStream;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  readonly #drainListeners: (() => void)[] = [];
  #closed: Promise<void> | undefined;

  constructor(path: string, { masterFd, slaveFd }: { masterFd: number; slaveFd: number }) {
    this.path = path;
    this.#masterFd = masterFd;
    this.#slaveFd = slaveFd;
    this.#master = new ReadStream(masterFd);
    this.#master.on("error", () => void this.close());
  }

  onData(listener: (bytes: Uint8Array) => void): void {
    this.#master.on("data", listener);
  }

  write(data: string | Uint8Array): boolean {
    if (this.#closed !== undefined) return false;
    const bytes = Buffer.from(data as string); // Its overloads do not take the union.
    if (this.#waitingBytes + bytes.length > WAITING_BYTES_MAX) return false;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#retryTimer === undefined) this.#writeOut();
    return this.#waitingBytes === 0;
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  pause(): void {
    this.#master.pause();
  }

  resume(): void {
    this.#master.resume();
  }

  close(): Promise<void> {
    clearTimeout(this.#retryTimer);
    this.#closed ??= new Promise((resolve) => {
      this.#master.once("close", () => {
        closeSync(this.#slaveFd);
        resolve();
      });
      this.#master.destroy();
    });
    return this.#closed;
  }

  /**
   * Not by the stream: libuv writes to a master in blocking mode, and the reader that would end the wait may live in this very
   * process.
   */
  #writeOut(): void {
    this.#retryTimer = undefined;
    for (let bytes = this.#waiting[0]; bytes !== undefined; bytes = this.#waiting[0]) {
      const writtenBytes = this.#writeNow(bytes);
      this.#waitingBytes -= writtenBytes;
      if (writtenBytes < bytes.length) {
        this.#waiting[0] = bytes.subarray(writtenBytes);
        this.#retryTimer = setTimeout(() => {
          this.#writeOut();
          if (this.#waitingBytes === 0) for (const listener of this.#drainListeners) listener();
        }, WRITE_RETRY_MS);
        return;
      }
      this.#waiting.shift();
    }
  }

  #writeNow(bytes: Buffer): number {
    try {
      return writeSync(this.#masterFd, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return 0;
      throw error;
    }
  }
}

function mustBeZero(step: string, result: number): void {
  if (result !== 0) throw new PtyUnavailable(step, koffi.errno());
}

interface CLibrary {
  openMaster(flags: number): number;
  grant(fd: number): number;
  unlock(fd: number): number;
  name(fd: number, path: Buffer, sizeBytes: number): number;
  getAttributes(fd: number, termios: Buffer): number;
  makeRaw(termios: Buffer): void;
  setAttributes(fd: number, actions: number, termios: Buffer): number;
}

let library: CLibrary | undefined;

/** The C library that Node itself runs on: glibc and musl have other file names, so none is named. */
function cLibrary(): CLibrary {
  if (library !== undefined) return library;
  const own = koffi.load(null);
  library = {
    openMaster: own.func("posix_openpt", "int", ["int"]),
    grant: own.func("grantpt", "int", ["int"]),
    unlock: own.func("unlockpt", "int", ["int"]),
    name: own.func("ptsname_r", "int", ["int", "void *", "size_t"]),
    getAttributes: own.func("tcgetattr", "int", ["int", "void *"]),
    makeRaw: own.func("cfmakeraw", "void", ["void *"]),
    setAttributes: own.func("tcsetattr", "int", ["int", "int", "void *"]),
  };
  return library;
}
