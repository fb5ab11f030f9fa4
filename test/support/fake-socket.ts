import type { CloseCode, MessageSocket } from "../../service/http/message-socket.ts";

/** A socket whose other end is the test. Takes everything at once, unless it is told to hold. */
export class FakeSocket implements MessageSocket {
  readonly messages: string[] = [];
  closeCode: CloseCode | undefined;
  isTerminated = false;
  isPaused = false;
  bufferedBytes = 0;
  /** While set, what is sent stays in the buffer. */
  isHeld = false;
  #held: { readonly size: number; readonly flushed: (() => void) | undefined }[] = [];
  #onMessage: ((bytes: Uint8Array, isBinary: boolean) => void)[] = [];
  #onPong: (() => void)[] = [];
  #onClose: (() => void)[] = [];
  #wake: (() => void) | undefined;

  receive(bytes: Uint8Array, isBinary = false): void {
    for (const listener of this.#onMessage) listener(bytes, isBinary);
  }

  pong(): void {
    for (const listener of this.#onPong) listener();
  }

  /** Lets everything that was held go out. */
  release(): void {
    this.isHeld = false;
    for (const { size, flushed } of this.#held.splice(0)) {
      this.bufferedBytes -= size;
      flushed?.();
    }
  }

  /** Resolves when so many messages were sent. */
  async sent(count: number): Promise<void> {
    while (this.messages.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  sendText(bytes: Uint8Array, flushed?: () => void): void {
    this.messages.push(Buffer.from(bytes).toString("utf8"));
    this.#wake?.();
    if (this.isHeld) {
      this.bufferedBytes += bytes.length;
      this.#held.push({ size: bytes.length, flushed });
    } else flushed?.();
  }

  sendBinary(bytes: Uint8Array, flushed?: () => void): void {
    this.sendText(bytes, flushed);
  }

  sendFrames(frames: Uint8Array, flushed?: () => void): void {
    this.sendText(frames, flushed);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  ping(): void {}

  close(code: CloseCode): void {
    this.closeCode = code;
    for (const listener of this.#onClose) listener();
  }

  terminate(): void {
    this.isTerminated = true;
    for (const listener of this.#onClose) listener();
  }

  onMessage(listener: (bytes: Uint8Array, isBinary: boolean) => void): void {
    this.#onMessage.push(listener);
  }

  onPong(listener: () => void): void {
    this.#onPong.push(listener);
  }

  onClose(listener: () => void): void {
    this.#onClose.push(listener);
  }
}
