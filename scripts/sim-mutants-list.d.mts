import type { FaultName } from "../sim/fault-plan.ts";

/** A small change of one source file that makes our own code wrong. */
export interface Mutant {
  /** Path in the repository. */
  readonly file: string;
  readonly name: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Seeds whose swarm lacks one of these faults cannot show it. */
  readonly needs: readonly FaultName[];
}

export const MUTANTS: readonly Mutant[];

/** The file's text with the mistake in it. @throws Error where it cannot be planted any more. */
export function plant(mutant: Mutant, text: string): string;
