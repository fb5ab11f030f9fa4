import { redactText } from "../../host/redaction.ts";
import { encodeAckFrame, encodeAnswer, encodeAnswerFrame } from "../../protocol/answer.ts";
import type { Problem } from "../../protocol/decoded.ts";
import type { Frame, FrameForm } from "../../protocol/frame.ts";
import type { FrameResult } from "../commands.ts";

/** The bytes that answer a frame, or undefined when it wants no answer (docs/protocol.md 3.6). */
export function encodeFrameResult(
  frame: Frame,
  ownAddress: string,
  result: FrameResult,
): Uint8Array | undefined {
  if (result.type === "none") return undefined;
  if (result.type === "ack") return encodeAckFrame(result.ack, result.nowMs, frame.form);
  return encodeAnswerFrame(frame, ownAddress, result.answers);
}

/** The answer to what was no frame (docs/protocol.md 10.1). */
export function encodeProblem({ status, text }: Problem, form: FrameForm): Uint8Array {
  return encodeAnswer({ status, text: redactText(text) }, form);
}
