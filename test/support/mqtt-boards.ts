import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { compileAgent, type SimulatedBoard } from "../../sim/board.ts";
import { type MqttBoardOptions, startMqttBoard } from "../../sim/mqtt-board.ts";

const AGENT_FILE = fileURLToPath(new URL("../../dist/firmware/agent.js", import.meta.url));

type Connection = Pick<MqttBoardOptions, "brokerUrl" | "username" | "password">;

/**
 * Boards with the agent as it is built, each with a connection of its own; every other one knows UTC.
 * @param name begins their names; the index ends them.
 */
export async function startMqttBoards(
  count: number,
  name: string,
  connection: (index: number) => Connection,
  { ringBytesMax }: { readonly ringBytesMax: number },
): Promise<{ readonly boards: readonly SimulatedBoard[]; stop(): Promise<void> }> {
  const program = compileAgent(await readFile(AGENT_FILE, "utf8"));
  const started = Array.from({ length: count }, (_, index) =>
    startMqttBoard({ clock: systemClock, timers: systemTimers }, program, {
      ...connection(index),
      project: "default",
      device: `${name}-${index}`,
      boot: `boot-${index}`,
      knowsUtc: index % 2 === 0,
      settings: { ringBytesMax, ackTimeoutMsMax: 2_000 },
    }),
  );
  return {
    boards: started.map(({ board }) => board),
    stop: async () => {
      for (const { stop } of started) await stop();
    },
  };
}
