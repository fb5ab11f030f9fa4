import { LineProcess } from "../harness/line-process.ts";
import type { Target } from "./targets.ts";

/** What `load.ts` says of a phase. */
export interface Phase {
  readonly ms: number;
  readonly entries: number;
  readonly ackMsP50: number;
  readonly ackMsP99: number;
  /** Of all publishes, with topic and head. */
  readonly sentBytes: number;
}

/**
 * Starts `load.ts` against a target; its boards are connected when it resolves.
 * @param options of `load.ts`, by name.
 */
export async function startLoad(
  { port, login }: Pick<Target, "port" | "login">,
  options: Readonly<Record<string, string | number | true>>,
): Promise<LineProcess> {
  const args = Object.entries<string | number | true>({ port, ...options }).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, String(value)],
  );
  const load = await LineProcess.start("bench/mqtt/load.ts", [...args, ...login]);
  await load.next();
  return load;
}
