/**
 * The agent's core, put together: from `console` (hook.ts) by way of the ring (ring.ts) to frames (frames.ts, delivery.ts),
 * and back from acks (downlink.ts). One board, one agent: the state is module-level, since that costs least on Espruino;
 * what it needs of a board is the module `board`, which the build chooses. Boards and the simulator run what this file is
 * bundled to.
 *
 * The code keeps to what Espruino takes: functions and variables stand above their first use (nothing is hoisted there),
 * no default or rest parameters, no spread, no destructuring. It is read again from flash each time it runs, so that
 * fewer words are fewer microseconds.
 */
import { acked, ask, ready, restart, stopDelivery, transmit } from "./delivery.ts";
import { badDownlinks, receive } from "./downlink.ts";
import { cut } from "./format.ts";
import { frames, resentFrames } from "./frames.ts";
import { agent } from "./handle.ts";
import {
  closeChunk,
  flushTimer,
  lastSeq,
  log,
  openChunk,
  type Print,
  reentrant,
  sendErrors,
} from "./hook.ts";
import { keep } from "./keep.ts";
import { moduleOf } from "./levels.ts";
import { CHARS_A_BYTE, METHODS } from "./limits.ts";
import { cancel } from "./natives.ts";
import { bytes, droppedNewest, droppedOldest } from "./ring.ts";
import { talk, talking } from "./talk.ts";

/** The console's own methods, by level. */
const originals: Print[] = WITH_LEVELS || WITH_STOP ? METHODS.map((name) => console[name]) : (0 as never);

agent.receive = receive;
agent.ready = ready;
if (WITH_STOP) {
  agent.stop = (): void => {
    stopDelivery();
    if (flushTimer) {
      cancel(flushTimer);
    }
    METHODS.forEach((name, index) => {
      console[name] = originals[index] as Print;
    });
  };
}
agent.restart = restart;
agent.flush = transmit;
agent.look = () => {
  closeChunk();
  return {
    seq: lastSeq(),
    acked,
    ringBytes: bytes / CHARS_A_BYTE,
    dropped: [droppedOldest, droppedNewest],
    cut,
    reentrant,
    badDownlinks,
  };
};
if (WITH_LAB) {
  const sum = (counts: number[]): number => counts.reduce((total, one) => total + one, 0);
  // As `look` has it, but who watches a board at each line must not end its frames.
  Object.defineProperty(agent, "stats", {
    get: () => {
      const waiting = openChunk();
      return {
        seq: lastSeq() + waiting.lines,
        acked,
        ringBytes: (bytes - waiting.space) / CHARS_A_BYTE,
        cut,
        reentrant,
        badDownlinks,
        droppedOldest: sum(droppedOldest),
        droppedNewest: sum(droppedNewest),
        frames,
        resentFrames,
        sendErrors,
      };
    },
  });
}
METHODS.forEach((name, index) => {
  if (WITH_DIRECT) {
    agent[name] = log.bind(console[name], index + 5);
  }
  console[name] = log.bind(console[name], index);
});
if (WITH_LEVELS) {
  agent.module = (name) => {
    const index = Math.max(0, moduleOf(`${name}`));
    const made = {} as Record<string, unknown>;
    METHODS.forEach((method, place) => {
      made[method] = log.bind(originals[place] as Print, 10 * index + place);
    });
    return made as never;
  };
}
if (WITH_WORDS) {
  agent.keep = keep;
}
if (WITH_CONSOLE) {
  agent.mute = () => talk(false);
}
if (WITH_SHARED && !talking) {
  try {
    ask();
  } catch (_) {}
} else if (WITH_WORDS) {
  transmit();
}
