import { SignJWT } from "jose";
import { systemClock } from "../host/system-clock.ts";
import { apiKeyId } from "../service/auth/api-key.ts";
import { type ApiOptions, findApi } from "./api-options.ts";
import { parseRights } from "./keys-command.ts";
import { writeOut } from "./output.ts";
import { UserError } from "./user-error.ts";

export interface TokenOptions extends ApiOptions {
  readonly expires: string;
  readonly rights: string;
}

const UNIT_SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** `boardlog token`: signs one with an API key, on this machine alone. */
export async function runToken(options: TokenOptions): Promise<void> {
  const { key } = findApi(options);
  const id = apiKeyId(key);
  if (id === undefined) throw new UserError("--key: not an API key of boardlog");
  const nowSeconds = Math.floor(systemClock.wallMs() / 1000);
  const token = new SignJWT({ rights: parseRights(options.rights) })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuer(id)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + secondsOf(options.expires));
  await writeOut(`${await token.sign(Buffer.from(key, "utf8"))}\n`);
}

function secondsOf(text: string): number {
  const [, digits, unit] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  if (digits === undefined)
    throw new UserError(`--expires: ${text} is not a time such as 90s, 15m, 12h or 30d`);
  return Number(digits) * UNIT_SECONDS[unit as keyof typeof UNIT_SECONDS];
}
