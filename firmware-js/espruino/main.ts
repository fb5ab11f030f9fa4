/** The end of every bundle for Espruino: what `start` gives. */
import type { Agent } from "../agent/env.ts";
import { agent } from "../agent/handle.ts";
import "../agent/agent.ts";

// biome-ignore lint/style/useConst: the build declares it
declare let started: Agent;

started = agent;
