import type { TopicLink, TopicListener, TopicMessage, TopicOutcome } from "../../gateway/link.ts";
import { type FrameParts, type LogLine, logFrame } from "./frames.ts";

/** A broker that says what a test has it say, and keeps what goes down. */
export class HandLink implements TopicLink {
  readonly senderWaits: boolean;
  readonly sent: { readonly topic: string; readonly text: string }[] = [];
  onSent: (topic: string, text: string) => void = () => {};
  #listener: TopicListener | undefined;

  constructor(options: { readonly senderWaits?: boolean } = {}) {
    this.senderWaits = options.senderWaits ?? false;
  }

  async start(listener: TopicListener): Promise<void> {
    this.#listener = listener;
  }

  publish(topic: string, payload: Uint8Array): void {
    const text = Buffer.from(payload).toString("utf8");
    this.sent.push({ topic, text });
    this.onSent(topic, text);
  }

  async stop(): Promise<void> {}

  /** Resolves with what became of it. */
  hear(topic: string, payload: string | Uint8Array, more: Partial<TopicMessage> = {}): Promise<TopicOutcome> {
    const message = { topic, payload: Buffer.from(payload as string), retained: false, ...more };
    return new Promise((resolve) => this.#listener?.(message, resolve));
  }

  /** A board's frame on its own topic. */
  frame(src: string, parts: FrameParts, lines: readonly LogLine[]): Promise<TopicOutcome> {
    return this.hear(`boardlog/default/${src}/log`, logFrame(parts, lines));
  }

  /** Highest ack that went down to a board for a boot. */
  ackOf(src: string, boot: string): number {
    const acks = this.sent
      .filter(({ topic }) => topic === `boardlog/default/${src}/cmd`)
      .map(({ text }) => JSON.parse(text) as { boot?: string; ack?: number })
      .filter((message) => message.boot === boot)
      .map(({ ack = 0 }) => ack);
    return Math.max(0, ...acks);
  }
}
