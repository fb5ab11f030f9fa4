import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { ZSTDDecoder } from "zstddec";
import type { RequestHeaders } from "../auth/credentials.ts";
import { ZSTD_MAGIC, zstdSizeMax } from "./zstd-frame.ts";

const unzip = promisify(gunzip);

/** Taken when the first such body comes: it is half a megabyte of memory that most services never need. */
let zstd: Promise<ZSTDDecoder> | undefined;

export type InflatedBody =
  | { readonly ok: true; readonly body: Uint8Array }
  | { readonly ok: false; readonly httpStatus: 400 | 413 | 415; readonly reason: string };

/** The body as it was before its `content-encoding` (docs/protocol.md 10.1); inflation ends where it would grow beyond `bytesMax`. */
export async function inflatedBody(
  headers: RequestHeaders,
  body: Uint8Array,
  bytesMax: number,
): Promise<InflatedBody> {
  const header = headers["content-encoding"];
  if (header === undefined) return { ok: true, body };
  // Names of codings have no case (RFC 9110, 8.4.1).
  const encoding = String(header).trim().toLowerCase();
  if (encoding === "" || encoding === "identity") return { ok: true, body };
  if (encoding === "zstd") return await unpackZstd(body, bytesMax);
  if (encoding !== "gzip" && encoding !== "x-gzip")
    return { ok: false, httpStatus: 415, reason: "content-encoding: must be gzip, zstd or identity" };
  try {
    return { ok: true, body: await unzip(body, { maxOutputLength: bytesMax }) };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE")
      return tooLarge(bytesMax);
    return notWhole("gzip");
  }
}

async function unpackZstd(body: Uint8Array, bytesMax: number): Promise<InflatedBody> {
  if (!ZSTD_MAGIC.every((byte, index) => body[index] === byte)) {
    return { ok: false, httpStatus: 400, reason: "body: not zstd data, as content-encoding says" };
  }
  zstd ??= loadZstd();
  // It writes into that many bytes and no more, and gives nothing where it fails, whatever the reason.
  const inflated = (await zstd).decode(body, bytesMax);
  if (inflated.length > 0) return { ok: true, body: inflated };
  return (zstdSizeMax(body) ?? 0) > bytesMax ? tooLarge(bytesMax) : notWhole("zstd");
}

async function loadZstd(): Promise<ZSTDDecoder> {
  const decoder = new (await import("zstddec")).ZSTDDecoder();
  await decoder.init();
  return decoder;
}

function tooLarge(bytesMax: number): InflatedBody {
  return { ok: false, httpStatus: 413, reason: `body: larger than ${bytesMax} bytes once inflated` };
}

function notWhole(what: string): InflatedBody {
  return { ok: false, httpStatus: 400, reason: `body: not whole ${what} data, as content-encoding says` };
}
