import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { ZSTDDecoder } from "zstddec";
import { bad, type Decoded, good, Status } from "../../protocol/decoded.ts";
import type { RequestHeaders } from "../auth/credentials.ts";

const unzip = promisify(gunzip);
/** Little-endian 0xFD2FB528 (RFC 8878, 3.1.1). */
const ZSTD_MAGIC = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);

/** Taken when the first such body comes: it is half a megabyte of memory that most services never need. */
let zstd: Promise<ZSTDDecoder> | undefined;

/** The body as it was before `content-encoding: gzip` or `zstd`; inflation ends where it would grow beyond `bytesMax`. */
export async function inflatedBody(
  headers: RequestHeaders,
  body: Uint8Array,
  bytesMax: number,
): Promise<Decoded<Uint8Array>> {
  const encoding = headers["content-encoding"];
  if (encoding === "zstd") return await zstdBody(body, bytesMax);
  if (encoding !== "gzip" && encoding !== "x-gzip") return good(body);
  try {
    return good(await unzip(body, { maxOutputLength: bytesMax }));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE")
      return bad(`body: larger than ${bytesMax} bytes once inflated`, Status.TooLarge);
    return bad("body: not whole gzip data, as content-encoding says");
  }
}

async function zstdBody(body: Uint8Array, bytesMax: number): Promise<Decoded<Uint8Array>> {
  if (!ZSTD_MAGIC.every((byte, index) => body[index] === byte)) {
    return bad("body: not zstd data, as content-encoding says");
  }
  zstd ??= loadZstd();
  // It writes into that many bytes and no more, and gives nothing where it fails.
  const inflated = (await zstd).decode(body, bytesMax);
  if (inflated.length > 0) return good(inflated);
  return bad(`body: not whole zstd data, or larger than ${bytesMax} bytes once inflated`);
}

async function loadZstd(): Promise<ZSTDDecoder> {
  const decoder = new (await import("zstddec")).ZSTDDecoder();
  await decoder.init();
  return decoder;
}
