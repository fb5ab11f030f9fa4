import type { Ack } from "../protocol/ack.ts";
import { type Answer, encodeAckFrame, encodeAnswerFrame } from "../protocol/answer.ts";
import type { Envelope } from "../protocol/frame.ts";

/** What goes back for a frame, once all that it says is true (docs/protocol.md 5). */
export type Reply =
  | { readonly type: "ack"; readonly ack: Ack }
  | { readonly type: "answers"; readonly answers: readonly Answer[] }
  | { readonly type: "none" };

export type OnReply = (reply: Reply) => void;

export const NO_REPLY: Reply = { type: "none" };

/** `src` of an answer to a frame without `dst` (docs/protocol.md 3.4). */
export const GATEWAY_ADDRESS = "//boardlog";

/**
 * Writes a reply in the form of the frame it answers (docs/protocol.md 9.1), or undefined where there is none.
 * @param utcMs the gateway's, undefined while nobody has set its clock.
 */
export function encodeReply(reply: Reply, to: Envelope, utcMs: number | undefined): Uint8Array | undefined {
  if (reply.type === "none") return undefined;
  if (reply.type === "answers") return encodeAnswerFrame(to, GATEWAY_ADDRESS, reply.answers);
  return encodeAckFrame(reply.ack, utcMs, to.form);
}
