import { NEVER_ENDED } from "../../host/abortable.ts";
import { redactText } from "../../host/redaction.ts";
import { Status } from "../../protocol/decoded.ts";
import type { RequestHeaders } from "../auth/credentials.ts";
import { ByteWriter } from "../store/byte-writer.ts";

/** What a handler sees of a request. Handlers know nothing of the HTTP library (`server.ts`). */
export interface HttpRequest {
  readonly headers: RequestHeaders;
  /** Parts of the path that the route names, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Uint8Array;
  /** Ends when the client has gone or the service stops. Made for who waits: most do not, and each costs a listener and a controller. */
  readonly ended: () => AbortSignal;
  /** Empty memory for the body of the answer, the same at each call. It is another answer's once this one has been sent. */
  readonly answerBuffer: () => ByteWriter;
}

/** Of a request that waits for nothing and gets no long answer. */
export const AT_ONCE: Pick<HttpRequest, "ended" | "answerBuffer"> = {
  ended: () => NEVER_ENDED,
  answerBuffer: () => new ByteWriter(),
};

export interface HttpAnswer {
  readonly httpStatus: number;
  readonly type?: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export const TYPE_JSON = "application/json";
export const TYPE_CBOR = "application/cbor";

export function jsonAnswer(
  httpStatus: number,
  value: object,
  headers?: Readonly<Record<string, string>>,
): HttpAnswer {
  const body = JSON.stringify(value);
  return { httpStatus, type: TYPE_JSON, body, ...(headers !== undefined && { headers }) };
}

/** A refusal in the form of docs/protocol.md 10.1. */
export function refusalAnswer(
  status: number,
  text: string,
  headers?: Readonly<Record<string, string>>,
): HttpAnswer {
  return jsonAnswer(status, { status, status_msg: redactText(text) }, headers);
}

/** The HTTP status that says the same as a command's (docs/protocol.md 10.2). */
export function httpStatusOf(status: Status): number {
  return status === Status.Ok ? 200 : status;
}

/** gRPC codes of Golioth's errors (docs/protocol.md 11.3), each with its HTTP status. */
export const GoliothError = {
  InvalidArgument: { code: 3, httpStatus: 400 },
  PermissionDenied: { code: 7, httpStatus: 403 },
  ResourceExhausted: { code: 8, httpStatus: 429 },
  Unavailable: { code: 14, httpStatus: 503 },
  Unauthenticated: { code: 16, httpStatus: 401 },
} as const;
export type GoliothError = (typeof GoliothError)[keyof typeof GoliothError];

export function goliothErrorAnswer(
  { code, httpStatus }: GoliothError,
  message: string,
  retryAfterMs?: number,
): HttpAnswer {
  const error = { code, message: redactText(message) };
  return jsonAnswer(httpStatus, { error }, retryHeaders(httpStatus, retryAfterMs));
}

/** When a refused caller may come again (RFC 9110, 10.2.3): whole seconds. */
export function retryHeaders(
  httpStatus: number,
  afterMs = 0,
): { readonly "retry-after": string } | undefined {
  if (httpStatus !== Status.SlowDown && httpStatus !== Status.Unavailable) return undefined;
  return { "retry-after": String(Math.max(1, Math.ceil(afterMs / 1000))) };
}
