import type { Disk } from "../host/disk.ts";
import type { Random } from "../host/random.ts";

const ID_FILE = "gateway-id";
const ID = /^[0-9a-f]{16}$/;

/** The gateway's name towards brokers: made once, so that a session there outlives a restart. */
export async function stableGatewayId(disk: Disk, random: Random): Promise<string> {
  const kept = Buffer.from((await disk.read(ID_FILE)) ?? [])
    .toString("utf8")
    .trim();
  if (ID.test(kept)) return `boardlog-${kept}`;
  const id = Buffer.from(random.bytes(8)).toString("hex");
  await disk.replace(ID_FILE, Buffer.from(`${id}\n`));
  return `boardlog-${id}`;
}
