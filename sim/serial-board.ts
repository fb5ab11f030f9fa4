import type { Clock, Timers } from "../host/clock.ts";
import type { Pty } from "../host/pty.ts";
import { encodeLine } from "../protocol/serial-line.ts";
import { type AgentProgram, type BoardOptions, SimulatedBoard } from "./board.ts";
import { DownlinkLines } from "./downlink-lines.ts";

/** Longest line the board keeps of what comes down; more is dropped up to the next LF. */
const DOWNLINK_CHARS_MAX = 1024;

/** A simulated board at the far end of a pty: frames and console text share its one wire. */
export function startSerialBoard(
  world: { readonly clock: Clock; readonly timers: Timers },
  program: AgentProgram,
  pty: Pty,
  options: BoardOptions,
): SimulatedBoard {
  const board = new SimulatedBoard(
    world,
    program,
    {
      send: (frame) => {
        pty.write(encodeLine(frame, true));
        return true;
      },
      print: (line) => pty.write(`${line}\r\n`),
    },
    { ...options, settings: { shared: true, ...options.settings } },
  );
  const downlink = new DownlinkLines((json) => board.agent.receive(json), DOWNLINK_CHARS_MAX);
  pty.onData((bytes) => downlink.hear(bytes));
  return board;
}
