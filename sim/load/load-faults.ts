/** What can be made to go wrong while a load runs; from the plan, or by a key. */
export const LOAD_FAULTS = {
  kill: "kill -9 of the gateway's process, and started again",
  stall: "the gateway's process stands still",
  service: "kill -9 of the log service, and away",
  broker: "the broker is restarted",
  cut: "a tenth of the connections are cut",
  outage: "nobody has a connection, then all come back at once",
  crash: "a tenth of the boards fall over and start again",
  loss: "a fifth of the frames are lost",
  twice: "every frame is sent twice",
  delay: "every frame is half a second late",
  clock: "the boards' clocks step by up to an hour",
  reader: "a live reader does not read",
} as const;
export type LoadFaultName = keyof typeof LOAD_FAULTS;

/** Those that only who started the processes can make. */
export const TARGET_FAULTS: readonly LoadFaultName[] = ["kill", "stall", "service", "broker"];

/** For a time, where it has a length. */
export interface PlannedFault {
  readonly name: LoadFaultName;
  readonly atS: number;
  readonly forS: number;
}

const FOR_S_DEFAULT = 5;
/** Faults of a moment: nothing lasts. */
const MOMENTS: readonly LoadFaultName[] = ["kill", "broker", "cut", "crash", "clock"];

export function lasts(name: LoadFaultName): boolean {
  return !MOMENTS.includes(name);
}

/** A fault now, by a key. */
export function faultNow(name: LoadFaultName, atS: number): PlannedFault {
  return { name, atS, forS: lasts(name) ? FOR_S_DEFAULT : 0 };
}

/**
 * Reads `kill@10` or `loss@20+5`: what, at which second, for how many (5 unless said).
 * @returns the problem in words where it is none.
 */
export function parseFault(text: string): PlannedFault | string {
  const match = /^([a-z]+)@(\d+(?:\.\d+)?)(?:\+(\d+(?:\.\d+)?))?$/.exec(text);
  const names = Object.keys(LOAD_FAULTS).join(", ");
  if (match === null)
    return `${text}: write it as WHAT@SECOND or WHAT@SECOND+SECONDS; WHAT is one of ${names}`;
  const [, name = "", at, length] = match;
  if (!(name in LOAD_FAULTS)) return `${text}: ${name} is none of ${names}`;
  const known = name as LoadFaultName;
  if (length !== undefined && !lasts(known))
    return `${text}: ${name} is done in a moment; leave +${length} out`;
  return {
    name: known,
    atS: Number(at),
    forS: length === undefined ? faultNow(known, 0).forS : Number(length),
  };
}

/** A fault of a moment again and again. @param everyS 0: never */
export function faultsEvery(name: LoadFaultName, everyS: number, durationS: number): readonly PlannedFault[] {
  if (everyS <= 0) return [];
  const count = Math.ceil(durationS / everyS) - 1;
  return Array.from({ length: count }, (_, index) => ({ name, atS: everyS * (index + 1), forS: 0 }));
}

/** How load comes: device after device, all at the same moment, after an outage, from boards that fall over all the time. */
export const ARRIVALS = ["steady", "together", "outage", "crash-loop"] as const;
export type Arrival = (typeof ARRIVALS)[number];

const CRASH_EVERY_S = 2;

/** The faults that an arrival pattern is made of. */
export function faultsOfArrival(arrival: Arrival, durationS: number): readonly PlannedFault[] {
  const third = durationS / 3;
  if (arrival === "outage") return [{ name: "outage", atS: third, forS: third }];
  if (arrival === "crash-loop") return faultsEvery("crash", CRASH_EVERY_S, durationS);
  return [];
}
