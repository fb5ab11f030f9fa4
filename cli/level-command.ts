import { LEASE_MS_MAX, type LeaseLevel } from "../protocol/level-lease.ts";
import { PROJECT_DEFAULT } from "../protocol/names.ts";
import { nearestNames } from "../protocol/nearest-names.ts";
import { ApiClient } from "./api-client.ts";
import { type ApiOptions, findApi } from "./api-options.ts";
import { writeOut } from "./output.ts";
import { parseDuration } from "./time-argument.ts";
import { UserError } from "./user-error.ts";
import { visibleText } from "./visible-text.ts";

export interface LevelOptions extends ApiOptions {
  readonly project?: string;
  readonly for: string;
  readonly module?: string;
  readonly json?: boolean;
}

/** `boardlog level`: how much a board logs, for a time (docs/protocol.md 14.5). */
export async function runLevel(
  src: string,
  level: LeaseLevel | "default",
  options: LevelOptions,
): Promise<void> {
  const forMs = level === "default" ? 0 : parseDuration(options.for);
  if (forMs === undefined || forMs > LEASE_MS_MAX)
    throw new UserError(`--for: ${options.for} is not a time such as 90s, 10m or 2h; a day at most`);
  const client = new ApiClient(findApi(options), options.project ?? PROJECT_DEFAULT);
  const { module } = options;
  const lease = {
    level: level === "default" ? "all" : level,
    forMs,
    ...(module !== undefined && { module }),
  };
  const gateways = await client.setLevel(src, lease);
  if (gateways === undefined) {
    const near = nearestNames(
      src,
      (await client.sources()).map((source) => source.src),
    );
    const hint = near.length === 0 ? "" : `; did you mean ${near.map(visibleText).join(", ")}?`;
    throw new UserError(`no gateway that is connected knows the board ${visibleText(src)}${hint}`, 1);
  }
  if (options.json) return void (await writeOut(`${JSON.stringify({ src, ...lease, gateways })}\n`));
  const isReached = gateways.some((gateway) => gateway.isReached);
  const what = level === "default" ? "its own setting" : `${level} for ${options.for}`;
  const state = isReached ? "sent" : "kept: the board is not on a link now and gets it when it comes";
  await writeOut(`${visibleText(src)}: ${what}; ${state}\n`);
}
