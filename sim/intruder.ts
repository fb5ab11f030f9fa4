import type { NewEntry } from "../protocol/entry.ts";
import { joinIngestBatch } from "../protocol/ingest.ts";
import { encodeIngestEntry } from "../protocol/ingest-entry.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { BadKey, ProjectName } from "./service-keys.ts";
import type { ServiceProcess } from "./service-process.ts";

/** What one without the right to got to hear; undefined: nobody was there. */
export interface Intrusion {
  readonly what: string;
  readonly httpStatus: number | undefined;
}

/** Stands in every line that an intruder sends. */
export const FORGED = "forged by an intruder";

/** Whose boards and spools an intruder pretends to be. */
export interface Victim {
  readonly project: ProjectName;
  readonly gateway: string;
  readonly src: string;
  readonly boot: string;
  readonly seq: number;
  readonly nowMs: number;
}

/** Sends what a gateway might send, about real boards, with a key that opens nothing. */
export async function intrude(
  service: ServiceProcess,
  badKeys: readonly BadKey[],
  victim: Victim,
  random: SeededRandom,
): Promise<Intrusion> {
  const { what, key } = random.pick(badKeys);
  const { project, gateway, src, boot, nowMs } = victim;
  const entries = [1, 2, 3].map((position) => {
    const entry: NewEntry = {
      src,
      stream: "console",
      msg: JSON.stringify(FORGED),
      timestamp: nowMs,
      received: nowMs,
      clock: "server",
      boot,
      seq: victim.seq + position,
    };
    return { position, payload: encodeIngestEntry(entry) };
  });
  const epoch = Buffer.from(random.bytes(8)).toString("hex");
  const answer = await service.post({ project, gateway, key }, joinIngestBatch({ epoch, after: 0 }, entries));
  return { what, httpStatus: answer?.httpStatus };
}
