import { UplinkUnavailable } from "../uplink.ts";

/** The spool takes nothing for now: what came is kept by those who sent it, and offered again. */
export class SpoolUnavailable extends UplinkUnavailable {
  override readonly code: string = "SPOOL_UNAVAILABLE";
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = "SpoolUnavailable";
    this.message = `the spool takes nothing for now: ${reason}`;
  }
}

/** All of its bytes wait for the service. */
export class SpoolFull extends SpoolUnavailable {
  override readonly code: string = "SPOOL_FULL";
  constructor(bytesMax: number) {
    super(`it is full (${bytesMax} bytes), and the service has not taken the oldest yet`);
    this.name = "SpoolFull";
  }
}

export function isDiskFull(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT";
}
