import type { Agent } from "./env.ts";

/** What `start` gives the app; the core fills it, and ports reach the core through it. */
export const agent = {} as Agent;
