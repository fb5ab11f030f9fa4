import type { Clock } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { STREAM_DEFAULT } from "../../protocol/entry.ts";
import { entryFromLog } from "../../protocol/entry-builder.ts";
import { decodeOtlpProtobuf, encodeOtlpProtobuf } from "../../protocol/otlp-protobuf.ts";
import { callerOf, mayDo } from "../auth/caller.ts";
import { NO_GOOD_KEY, type RequestHeaders, shownKey } from "../auth/credentials.ts";
import type { EntryAppender } from "../entry-appender.ts";
import {
  GoliothError,
  type HttpAnswer,
  type HttpRequest,
  jsonAnswer,
  retryHeaders,
  TYPE_JSON,
} from "../http/exchange.ts";
import type { Gate } from "../http/live-request.ts";
import { sourceOf } from "../log-source.ts";
import type { NameQuota } from "../name-quota.ts";
import { slowDownText } from "../rate-limiter.ts";
import { reasonOf, StoreBusy, StoreUnavailable } from "../store/log-store.ts";
import { decodeOtlpJson, recordsOf } from "./otlp-records.ts";

const TYPE_PROTOBUF = "application/x-protobuf";
/** Of `google.rpc.Code`. */
const CODE_INTERNAL = 13;

export interface OtlpDependencies extends Gate {
  readonly appender: EntryAppender;
  readonly nameQuota: NameQuota;
  readonly clock: Clock;
  readonly counters: Counters;
}

/** `POST /v1/logs`: logs of servers, as OTLP over HTTP in JSON or protobuf (docs/protocol.md 10.9). */
export async function postOtlp(request: HttpRequest, dependencies: OtlpDependencies): Promise<HttpAnswer> {
  return inFormOf(request.headers, await answerOf(request, dependencies));
}

/** A refusal before any record was looked at, in the words that exporters read. */
export function otlpRefusal(headers: RequestHeaders, httpStatus: number, message: string): HttpAnswer {
  const code = httpStatus >= 500 ? CODE_INTERNAL : GoliothError.InvalidArgument.code;
  return inFormOf(headers, jsonAnswer(httpStatus, { code, message }));
}

async function answerOf(request: HttpRequest, dependencies: OtlpDependencies): Promise<HttpAnswer> {
  const { keys, limiter, appender, nameQuota, clock, counters } = dependencies;
  const caller = await callerOf(shownKey(request.headers), keys);
  if (caller === undefined) return refused(GoliothError.Unauthenticated, NO_GOOD_KEY);
  if (!mayDo(caller, "write"))
    return refused(GoliothError.PermissionDenied, "this key has no right to write");
  const type = mediaTypeOf(request.headers);
  if (type !== TYPE_JSON && type !== TYPE_PROTOBUF)
    return jsonAnswer(415, { code: 3, message: `content-type: must be ${TYPE_JSON} or ${TYPE_PROTOBUF}` });
  const body =
    type === TYPE_JSON
      ? decodeOtlpJson(Buffer.from(request.body).toString("utf8"))
      : decodeOtlpProtobuf("Request", request.body);
  const decoded = body.ok ? recordsOf(body.value) : body;
  if (!decoded.ok) {
    counters.add("service_bad_otlp_requests_total");
    return jsonAnswer(decoded.problem.status, { code: 3, message: decoded.problem.text });
  }
  const waitMs = limiter.take(caller, decoded.value.length);
  if (waitMs > 0) return refused(GoliothError.ResourceExhausted, slowDownText(waitMs), waitMs);
  const received = clock.wallMs();
  const entries: NewEntry[] = [];
  let firstProblem: string | undefined;
  for (const record of decoded.value) {
    const src = record.ok ? sourceOf(caller, undefined, record.value.src) : record;
    const quota =
      record.ok && src.ok ? nameQuota.take(caller, src.value, record.value.stream ?? STREAM_DEFAULT) : src;
    if (record.ok && src.ok && quota.ok)
      entries.push(entryFromLog(record.value, { src: src.value, received }));
    else if (!quota.ok) firstProblem ??= quota.problem.text;
  }
  try {
    if (entries.length > 0) await appender.append([{ project: caller.project, entries }]);
  } catch (error) {
    if (error instanceof StoreBusy)
      return refused(GoliothError.ResourceExhausted, "slow down: too much waits for the disk");
    if (error instanceof StoreUnavailable)
      return refused(GoliothError.Unavailable, `${reasonOf(error)}; keep the records and try again`);
    throw error;
  }
  const rejected = decoded.value.length - entries.length;
  if (rejected === 0) return jsonAnswer(200, {});
  counters.add("service_rejected_otlp_records_total", rejected);
  return jsonAnswer(200, {
    partialSuccess: { rejectedLogRecords: String(rejected), errorMessage: firstProblem ?? "" },
  });
}

/** Names of types have no case (RFC 9110, 8.3.1). */
function mediaTypeOf(headers: RequestHeaders): string {
  const [type = ""] = String(headers["content-type"] ?? "").split(";");
  return type.trim().toLowerCase();
}

/** The same answer in the form of the request. */
function inFormOf(headers: RequestHeaders, answer: HttpAnswer): HttpAnswer {
  if (mediaTypeOf(headers) !== TYPE_PROTOBUF) return answer;
  const message = JSON.parse(String(answer.body)) as object;
  const body = encodeOtlpProtobuf("code" in message ? "Status" : "Response", message);
  return { ...answer, type: TYPE_PROTOBUF, body };
}

/** OTLP's errors are a `google.rpc.Status`; exporters come again after 429 and 503. */
function refused({ code, httpStatus }: GoliothError, message: string, retryAfterMs?: number): HttpAnswer {
  return jsonAnswer(httpStatus, { code, message }, retryHeaders(httpStatus, retryAfterMs));
}
