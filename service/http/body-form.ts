import type { FrameForm } from "../../protocol/frame.ts";
import { type HttpRequest, TYPE_CBOR, TYPE_JSON } from "./exchange.ts";

export type BodyForm =
  | { readonly ok: true; readonly form: FrameForm }
  | { readonly ok: false; readonly reason: string };

/** What senders say that do not think of it: `application/x-www-form-urlencoded` is what `curl -d` says of anything. */
const TYPES_UNSAID: readonly string[] = ["", "text/plain", "application/x-www-form-urlencoded"];

/** How a body is written, by its content type (docs/protocol.md 9.1, 10.1). Where none was chosen it is taken for JSON. */
export function bodyFormOf({ headers }: Pick<HttpRequest, "headers">): BodyForm {
  const header = headers["content-type"];
  const [type = "", ...parameters] = (typeof header === "string" ? header : "")
    .split(";")
    .map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice(8);
  if (charset !== undefined && charset.replaceAll('"', "") !== "utf-8") {
    return { ok: false, reason: "content-type: charset must be utf-8" };
  }
  if (type === TYPE_CBOR) return { ok: true, form: "cbor" };
  if (type === TYPE_JSON || TYPES_UNSAID.includes(type)) return { ok: true, form: "json" };
  return { ok: false, reason: `content-type: must be ${TYPE_JSON} or ${TYPE_CBOR}` };
}
