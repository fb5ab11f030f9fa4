import type { Checker } from "../evidence.ts";

/** Invariant 19. A store whose head is damaged refuses to open, which is a clean end. */
export const queuesDrain: Checker = {
  invariant: 19,
  promise: "when faults stop, all queues drain",
  check: ({ stuck, plan }) => (stuck === undefined || plan.damagesStore ? [] : [stuck]),
};
