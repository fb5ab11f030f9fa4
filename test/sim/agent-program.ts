import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildFirmware } from "../../scripts/build-firmware.mjs";
import { type AgentProgram, compileAgent } from "../../sim/board.ts";

/** The agent as boards get it: built, minified, compiled once. */
export async function builtAgent(file = "agent.js"): Promise<AgentProgram> {
  const outDir = await mkdtemp(join(tmpdir(), "boardlog-sim-"));
  try {
    await buildFirmware({ outDir });
    return compileAgent(await readFile(join(outDir, file), "utf8"));
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
}
