import { decodeArgs } from "../../protocol/frame-decoder.ts";
import { decodeLeaseAsked } from "../../protocol/level-lease.ts";
import { checkSrc } from "../../protocol/names.ts";
import { callerOf, mayDo } from "../auth/caller.ts";
import { NO_GOOD_KEY, shownKey } from "../auth/credentials.ts";
import type { LevelControl, LevelDelivery } from "../level-control.ts";
import { slowDownText } from "../rate-limiter.ts";
import { StoreUnavailable } from "../store/log-store.ts";
import {
  GoliothError,
  goliothErrorAnswer,
  type HttpAnswer,
  type HttpRequest,
  jsonAnswer,
  refusalAnswer,
} from "./exchange.ts";
import type { Gate } from "./live-request.ts";

/** `POST /v1/projects/{projectId}/devices/{deviceId}/level` (docs/protocol.md 14.5): how much a board logs, for a time. */
export async function postLevel(
  request: HttpRequest,
  { keys, limiter, levels }: Gate & { readonly levels: LevelControl },
): Promise<HttpAnswer> {
  const { projectId, deviceId = "" } = request.params;
  const caller = await callerOf(shownKey(request.headers), keys);
  if (caller === undefined) return goliothErrorAnswer(GoliothError.Unauthenticated, NO_GOOD_KEY);
  if (caller.project !== projectId)
    return goliothErrorAnswer(GoliothError.PermissionDenied, "this key is not for this project");
  if (!mayDo(caller, "admin"))
    return goliothErrorAnswer(
      GoliothError.PermissionDenied,
      "this key has no right to set levels: admin is needed",
    );
  const waitMs = limiter.take(caller, 1);
  if (waitMs > 0) return goliothErrorAnswer(GoliothError.ResourceExhausted, slowDownText(waitMs), waitMs);
  const wrong = (text: string): HttpAnswer => goliothErrorAnswer(GoliothError.InvalidArgument, text);
  const src = checkSrc(deviceId);
  if (!src.ok) return wrong(src.problem.text);
  const body = decodeArgs(request.body, "json");
  if (!body.ok) return wrong(body.problem.text);
  const lease = decodeLeaseAsked(body.value);
  if (!lease.ok) return wrong(lease.problem.text);
  let gateways: readonly LevelDelivery[];
  try {
    gateways = await levels.setLevel(caller.project, deviceId, lease.value);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    return goliothErrorAnswer(
      GoliothError.Unavailable,
      "the other processes of the service cannot be asked; try again",
    );
  }
  if (gateways.length === 0)
    return refusalAnswer(404, `no gateway that is connected knows the board ${deviceId}`);
  return jsonAnswer(200, { gateways });
}
