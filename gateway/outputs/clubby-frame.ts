import { bad, type Decoded, good } from "../../protocol/decoded.ts";
import { type NewEntry, STREAM_DEFAULT } from "../../protocol/entry.ts";
import { type JsonObject, type JsonValue, parseJson } from "../../protocol/json-parser.ts";

export interface ClubbyHead {
  readonly src: string;
  readonly dst?: string | undefined;
  /** Pre-shared key of the frame. */
  readonly key?: string | undefined;
}

export interface ClubbyCommand {
  /** Positive; no other command under way has it. */
  readonly id: number;
  readonly entry: NewEntry;
}

export interface ClubbyAnswer {
  readonly status: number;
  readonly words: string;
}

/** A v1 frame with what the seed knows of `Log.Log` and nothing else (docs/protocol.md 3). The text of `msg` goes in as it is. */
export function encodeClubbyFrame({ src, dst, key }: ClubbyHead, commands: readonly ClubbyCommand[]): string {
  const head = JSON.stringify({ v: 1, src, dst, key }).slice(0, -1);
  return `${head},"cmds":[${commands.map(commandText).join(",")}]}`;
}

function commandText({ id, entry }: ClubbyCommand): string {
  const { msg, timestamp, stream } = entry;
  const streamText = stream === STREAM_DEFAULT ? "" : `,"stream":${JSON.stringify(stream)}`;
  return `{"cmd":"/v1/Log.Log","id":${id},"args":{"msg":${msg},"timestamp":${timestamp}${streamText}}}`;
}

/** The answers in a frame, by id. What else the frame holds is not ours. */
export function decodeClubbyAnswers(text: string): Decoded<ReadonlyMap<number, ClubbyAnswer>> {
  // What a command gave back beside its status is not looked at.
  const parsed = parseJson(text, { verbatim: (name, parent) => name === "resp" && parent === "resp" });
  if (!parsed.ok) return bad(`frame: not JSON: ${parsed.reason} at character ${parsed.index}`);
  if (!isObject(parsed.value)) return bad("frame: must be an object");
  const { v, resp } = parsed.value;
  if (v !== undefined && v !== 1) return bad("v: must be 1");
  const answers = new Map<number, ClubbyAnswer>();
  if (resp === undefined) return good(answers);
  if (!Array.isArray(resp)) return bad("resp: must be an array");
  for (const [index, answer] of (resp as readonly JsonValue[]).entries()) {
    if (!isObject(answer)) return bad(`resp ${index}: must be an object`);
    const { id, status, status_msg } = answer;
    if (typeof id !== "number" || typeof status !== "number")
      return bad(`resp ${index}: id and status: must be numbers`);
    answers.set(id, { status, words: typeof status_msg === "string" ? status_msg.slice(0, 300) : "" });
  }
  return good(answers);
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !("text" in value);
}
