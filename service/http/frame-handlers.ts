import type { Counters } from "../../host/counters.ts";
import { encodeAnswer } from "../../protocol/answer.ts";
import { type Problem, Status } from "../../protocol/decoded.ts";
import type { Frame, FrameForm } from "../../protocol/frame.ts";
import { decodeArgs, decodeFrame } from "../../protocol/frame-decoder.ts";
import { checkSrc } from "../../protocol/names.ts";
import { type Caller, callerOf, type KeyRing } from "../auth/caller.ts";
import { shownKey } from "../auth/credentials.ts";
import type { Commands, FrameResult } from "../commands.ts";
import { bodyFormOf } from "./body-form.ts";
import {
  type HttpAnswer,
  type HttpRequest,
  httpStatusOf,
  refusalAnswer,
  retryHeaders,
  TYPE_CBOR,
  TYPE_JSON,
} from "./exchange.ts";
import { encodeFrameResult, encodeProblem } from "./frame-answer.ts";
import { QueryNames, wrongName } from "./query-names.ts";

export interface FrameHandlersDependencies {
  readonly commands: Commands;
  readonly keys: KeyRing;
  readonly counters: Counters;
  /** This service's `src` where a request names none. */
  readonly ownAddress: string;
}

/** `POST /`: a frame (docs/protocol.md 10.1). */
export async function postFrame(
  request: HttpRequest,
  dependencies: FrameHandlersDependencies,
): Promise<HttpAnswer> {
  const { commands, keys, counters, ownAddress } = dependencies;
  const body = bodyFormOf(request);
  if (!body.ok) return refusalAnswer(415, body.reason);
  const decoded = decodeFrame(request.body, body.form);
  if (!decoded.ok) {
    counters.add("service_bad_frames_total");
    return problemAnswer(decoded.problem, body.form);
  }
  const frame = decoded.value;
  const caller = await callerOf(shownKey(request.headers) ?? frame.key, keys);
  const result = await commands.runFrame(frame, caller, request.ended);
  const bytes = encodeFrameResult(frame, ownAddress, result);
  if (bytes === undefined) return { httpStatus: 204, body: "" };
  return { ...frameHead(caller, result), type: typeOf(frame.form), body: bytes };
}

/** `POST /v1/Log.Log` and the like: bare args (docs/protocol.md 10.2). */
export async function postArgs(
  request: HttpRequest,
  dependencies: FrameHandlersDependencies,
): Promise<HttpAnswer> {
  const { commands, keys, counters } = dependencies;
  const body = bodyFormOf(request);
  if (!body.ok) return refusalAnswer(415, body.reason);
  const head = headOfQuery(request.query);
  if (typeof head === "string") return problemAnswer({ status: Status.BadArguments, text: head }, body.form);
  const args = decodeArgs(request.body, body.form);
  if (!args.ok) {
    counters.add("service_bad_frames_total");
    return problemAnswer(args.problem, body.form);
  }
  const method = `/v1/${request.params.method}`;
  const frame: Frame = {
    v: 1,
    form: body.form,
    ...(head.src !== undefined && { src: head.src }),
    clock: "utc",
    commands: [{ ...(head.id !== undefined && { id: head.id }), method, args: args.value }],
    answerCount: 0,
  };
  const caller = await callerOf(shownKey(request.headers), keys);
  const result = await commands.runFrame(frame, caller, request.ended);
  const answer = result.type === "answers" ? result.answers[0] : undefined;
  if (answer === undefined) return problemAnswer({ status: Status.OurFault, text: "no answer" }, body.form);
  return {
    ...retryHead(answer.status, [answer]),
    httpStatus: httpStatusOf(answer.status),
    type: typeOf(body.form),
    body: encodeAnswer(answer, body.form),
  };
}

/** What the HTTP status line says of a frame that could be read (docs/protocol.md 10.1). */
function frameHead(
  caller: Caller | undefined,
  result: FrameResult,
): Pick<HttpAnswer, "httpStatus" | "headers"> {
  if (caller === undefined) return { httpStatus: 401 };
  const answers = result.type === "answers" ? result.answers : [];
  const isSlowedDown = answers.length > 0 && answers.every(({ status }) => status === Status.SlowDown);
  return isSlowedDown ? { httpStatus: 429, ...retryHead(Status.SlowDown, answers) } : { httpStatus: 200 };
}

/** Where several were refused, by the one that may come again first. */
function retryHead(
  status: Status,
  answers: readonly { readonly retryAfterMs?: number }[],
): Pick<HttpAnswer, "headers"> {
  const headers = retryHeaders(status, Math.min(...answers.map(({ retryAfterMs = 0 }) => retryAfterMs)));
  return headers === undefined ? {} : { headers };
}

function problemAnswer(problem: Problem, form: FrameForm): HttpAnswer {
  return { httpStatus: problem.status, type: typeOf(form), body: encodeProblem(problem, form) };
}

function typeOf(form: FrameForm): string {
  return form === "cbor" ? TYPE_CBOR : TYPE_JSON;
}

/** `?id=` and `?src=`, or what is wrong with them. */
function headOfQuery(query: URLSearchParams): string | { readonly id?: number; readonly src?: string } {
  const wrong = wrongName(query, QueryNames.args);
  if (wrong !== undefined) return wrong;
  const idText = query.get("id");
  const src = query.get("src");
  if (idText !== null && !(/^\d{1,16}$/.test(idText) && Number.isSafeInteger(Number(idText)))) {
    return "id: must be an integer from 0 to 2^53-1";
  }
  const checked = src === null ? undefined : checkSrc(src);
  if (checked !== undefined && !checked.ok) return checked.problem.text;
  return { ...(idText !== null && { id: Number(idText) }), ...(src !== null && { src }) };
}
