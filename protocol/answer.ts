import { type Ack, encodeAck } from "./ack.ts";
import { encodeCbor } from "./cbor.ts";
import { Status } from "./decoded.ts";
import type { StoredEntry } from "./entry.ts";
import type { Envelope, FrameForm } from "./frame.ts";
import type { ExtraField } from "./methods.ts";
import { encodeUtf8 } from "./utf8.ts";

/** What a command gets (docs/protocol.md 3.3). */
export interface Answer {
  readonly id?: number;
  readonly status: Status;
  /** Words for any status but 0. */
  readonly text?: string;
  /** When to come again, where it is known: ms from now. Told by the link, if it can (HTTP's `Retry-After`). */
  readonly retryAfterMs?: number;
  readonly payload?: AnswerPayload;
  /** A payload that holds no entries. */
  readonly result?: readonly object[];
}

/** Entries, or the JSON array of them where the frame is JSON: what `entriesText` makes. */
export type AnswerPayload = (
  | { readonly entries: readonly StoredEntry[]; readonly fields: readonly ExtraField[] }
  | { readonly text: string }
) & {
  /** Where to go on after a filtered or sorted page (docs/protocol.md 4.6); stands beside the entries. */
  readonly after?: string;
};

/**
 * Writes the frame that answers `request`, in its form and version (docs/protocol.md 3.4, 3.5). The text of each `msg` is pasted
 * in, so that no serialiser touches it.
 * @param ownAddress the answerer's `src` where the request had no `dst`.
 */
export function encodeAnswerFrame(
  request: Envelope,
  ownAddress: string,
  answers: readonly Answer[],
): Uint8Array {
  const src = request.dst ?? ownAddress;
  const head = { v: request.v, src, ...(request.src !== undefined && { dst: request.src }) };
  if (request.form === "cbor") return encodeCbor(answerFrameValue(head, answers));
  return encodeUtf8(answerFrameText(head, answers));
}

/** An ack in the form of the frame it answers (docs/protocol.md 5.1, 9.1). */
export function encodeAckFrame(ack: Ack, nowMs: number | undefined, form: FrameForm): Uint8Array {
  const text = encodeAck(ack, nowMs);
  return form === "cbor" ? encodeCbor(JSON.parse(text)) : encodeUtf8(text);
}

/** One answer on its own, as `POST /v1/...` gives it (docs/protocol.md 10.2). */
export function encodeAnswer(answer: Answer, form: FrameForm): Uint8Array {
  return form === "cbor" ? encodeCbor(answerValue(answer)) : encodeUtf8(answerText(answer));
}

interface Head {
  readonly v: 1 | 2;
  readonly src: string;
  readonly dst?: string;
}

function answerFrameText(head: Head, answers: readonly Answer[]): string {
  const start = JSON.stringify(head).slice(0, -1);
  const only = answers[0];
  if (head.v === 2 && answers.length === 1 && only !== undefined) return `${start},${flatAnswerText(only)}}`;
  return `${start},"resp":[${answers.map(answerText).join(",")}]}`;
}

function answerText({ id, status, text, payload, result }: Answer): string {
  const head = JSON.stringify({ id, status, status_msg: text, resp: result });
  if (payload === undefined) return head;
  return `${head.slice(0, -1)},"resp":${payloadText(payload)}}`;
}

function payloadText(payload: AnswerPayload): string {
  const text = "text" in payload ? payload.text : entriesText(payload.entries, payload.fields);
  return payload.after === undefined ? text : `${text},"after":${JSON.stringify(payload.after)}`;
}

function flatAnswerText({ id, status, text, payload, result }: Answer): string {
  const idText = id === undefined ? "" : `"id":${id},`;
  if (status !== Status.Ok) return `${idText}"error":${JSON.stringify({ code: status, message: text })}`;
  return `${idText}"result":${payload === undefined ? JSON.stringify(result ?? null) : payloadText(payload)}`;
}

/** Entries as a JSON array. */
export function entriesText(entries: readonly StoredEntry[], fields: readonly ExtraField[]): string {
  const starts = new MemberTexts('{"stream":', ',"msg":');
  const members = fields.map((field) => ({
    read: VALUE_OF[field],
    texts: new MemberTexts(`,"${field}":`, ""),
  }));
  const numbers = new NumberTexts();
  let text = "[";
  let separator = "";
  for (const entry of entries) {
    const { stream, msg, timestamp, id } = entry;
    text += `${separator}${starts.of(stream)}${msg},"timestamp":${numbers.of(timestamp)},"id":"${id}"`;
    for (const { read, texts } of members) {
      const value = read(entry);
      if (value === undefined) continue;
      text += typeof value === "number" ? texts.name + numbers.of(value) : texts.of(value);
    }
    text += "}";
    separator = ",";
  }
  return `${text}]`;
}

/** Each field by its own name: the engine finds one that is named by a variable anew in each entry. */
const VALUE_OF: Readonly<Record<ExtraField, (entry: StoredEntry) => string | number | undefined>> = {
  src: (entry) => entry.src,
  level: (entry) => entry.level,
  module: (entry) => entry.module,
  boot: (entry) => entry.boot,
  seq: (entry) => entry.seq,
  uptime: (entry) => entry.uptime,
  received: (entry) => entry.received,
  clock: (entry) => entry.clock,
  clockError: (entry) => entry.clockError,
};

/** The engine writes integers up to here without a look at fractions. */
const SMALL_MAX = 2 ** 31 - 1;
/** The last three digits. */
const THOUSANDTHS: readonly string[] = Array.from({ length: 1_000 }, (_, ms) => String(ms).padStart(3, "0"));

/** Integers of 0 or more as text. Times of one answer are near each other: what is above their seconds is written once. */
class NumberTexts {
  #seconds = 0;
  #text = "0";

  of(value: number): string {
    if (value <= SMALL_MAX) return String(value);
    const seconds = Math.floor(value / 1_000);
    if (seconds !== this.#seconds) {
      this.#seconds = seconds;
      this.#text = String(seconds);
    }
    return this.#text + THOUSANDTHS[value - seconds * 1_000];
  }
}

/** A member of an answer's entries as JSON. Few names come again and again there, and each is quoted once. */
class MemberTexts {
  readonly name: string;
  readonly #end: string;
  readonly #texts = new Map<string, string>();

  constructor(name: string, end: string) {
    this.name = name;
    this.#end = end;
  }

  of(value: string): string {
    let text = this.#texts.get(value);
    if (text === undefined) {
      text = this.name + JSON.stringify(value) + this.#end;
      this.#texts.set(value, text);
    }
    return text;
  }
}

function answerFrameValue(head: Head, answers: readonly Answer[]): object {
  const only = answers[0];
  if (head.v === 2 && answers.length === 1 && only !== undefined) {
    const { id, status, text, payload, result } = only;
    const flat = { ...head, ...(id !== undefined && { id }) };
    if (status !== Status.Ok) return { ...flat, error: { code: status, message: text ?? "" } };
    return payload === undefined
      ? { ...flat, result: result ?? null }
      : { ...flat, result: entriesValue(payload), ...afterValue(payload) };
  }
  return { ...head, resp: answers.map(answerValue) };
}

function afterValue({ after }: AnswerPayload): { readonly after?: string } {
  return after === undefined ? {} : { after };
}

function answerValue({ id, status, text, payload, result }: Answer): object {
  // What nearly every command gets, an entry each.
  if (id !== undefined && text === undefined && payload === undefined && result === undefined)
    return { id, status };
  return {
    ...(id !== undefined && { id }),
    status,
    ...(text !== undefined && { status_msg: text }),
    ...(payload !== undefined && { resp: entriesValue(payload), ...afterValue(payload) }),
    ...(result !== undefined && { resp: result }),
  };
}

/** Clause 9.3. */
function entriesValue(payload: AnswerPayload): object[] {
  if ("text" in payload) throw new TypeError("entries were written as JSON for a frame of CBOR");
  const { entries, fields } = payload;
  return entries.map((entry) => {
    const value: Record<string, unknown> = { stream: entry.stream };
    if (entry.msg.startsWith('"')) value.msg = JSON.parse(entry.msg);
    else value.json = entry.msg;
    value.timestamp = entry.timestamp;
    value.id = entry.id;
    for (const field of fields) if (entry[field] !== undefined) value[field] = entry[field];
    return value;
  });
}
