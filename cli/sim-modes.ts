import { LOAD_FAULTS, type LoadFaultName, lasts } from "../sim/load/load-faults.ts";
import { UserError } from "./user-error.ts";

/** What an option is for; given in another mode it would silently do nothing. */
const MODES = {
  virtual: "is for virtual time: leave --devices and --record out",
  load: "is for load: give --devices too",
  record: "is for a recording",
} as const;
export type SimMode = keyof typeof MODES;

/** Modes in which each option means something, by its name in commander. */
const OPTION_MODES: Readonly<Record<string, readonly SimMode[]>> = {
  seed: ["virtual"],
  runs: ["virtual"],
  faults: ["virtual"],
  boards: ["virtual"],
  virtualSeconds: ["virtual"],
  trace: ["virtual"],
  devices: ["load"],
  serial: ["load"],
  rate: ["load"],
  burst: ["load"],
  arrival: ["load"],
  messages: ["load"],
  replay: ["load"],
  record: ["record"],
  duration: ["load", "record"],
  broker: ["load"],
  credentials: ["load"],
  service: ["load", "record"],
  key: ["load", "record"],
  apart: ["load"],
  workers: ["load"],
  ring: ["load"],
  fault: ["load"],
  killEvery: ["load"],
  cutEvery: ["load"],
  drain: ["load"],
  live: ["load"],
  html: ["load"],
  json: ["virtual", "load"],
};

/** The faults of a load, a line each, for `--help`. */
export const FAULT_HELP = Object.entries(LOAD_FAULTS)
  .map(
    ([name, what]) => `  ${(lasts(name as LoadFaultName) ? `${name}@S+S` : `${name}@S`).padEnd(14)} ${what}`,
  )
  .join("\n");

/**
 * @param given names and flags of what stands on the command line
 * @throws UserError for an option that would do nothing in the mode that the others ask for
 */
export function simMode(
  { record, devices }: { readonly record?: string; readonly devices?: number },
  given: readonly (readonly [name: string, flag: string])[],
): SimMode {
  const mode = record !== undefined ? "record" : devices === undefined ? "virtual" : "load";
  for (const [name, flag] of given) {
    const modes = OPTION_MODES[name];
    if (modes === undefined || modes.includes(mode)) continue;
    throw new UserError(
      `${flag}: ${mode === "record" ? "means nothing with --record" : MODES[modes[0] ?? "load"]}`,
    );
  }
  return mode;
}
