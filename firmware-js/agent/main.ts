/** The text for the simulator and the tests: a function body with `env` as its parameter. */
import type { AgentEnv } from "./env.ts";
import { agent } from "./handle.ts";
import "./agent.ts";

declare const env: AgentEnv;

env.agent = agent;
