import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { bad, type Decoded, good, Status } from "../../protocol/decoded.ts";
import type { RequestHeaders } from "../auth/credentials.ts";

const unzip = promisify(gunzip);

/** The body as it was before `content-encoding: gzip`; inflation ends where it would grow beyond `bytesMax`. */
export async function inflatedBody(
  headers: RequestHeaders,
  body: Uint8Array,
  bytesMax: number,
): Promise<Decoded<Uint8Array>> {
  const encoding = headers["content-encoding"];
  if (encoding !== "gzip" && encoding !== "x-gzip") return good(body);
  try {
    return good(await unzip(body, { maxOutputLength: bytesMax }));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE")
      return bad(`body: larger than ${bytesMax} bytes once inflated`, Status.TooLarge);
    return bad("body: not whole gzip data, as content-encoding says");
  }
}
