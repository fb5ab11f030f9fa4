import { bundleAgent, SIMULATOR_FEATURES } from "../../scripts/build-firmware.mjs";
import { type AgentProgram, compileAgent } from "../../sim/board.ts";

/** The agent as boards get it: built, minified, compiled once. */
export async function builtAgent(features = SIMULATOR_FEATURES): Promise<AgentProgram> {
  return compileAgent(await bundleAgent(features));
}
