/**
 * The console's hook: a call becomes a line of the open chunk, and no more. Nothing is sent from here, so that a call costs
 * the app little and never waits for a link; and whatever goes wrong in here stays in here.
 */
import { now, send, settings } from "board";
import { foldKind, isRepeat, remember, takeRepeats } from "./fold.ts";
import { format, shorten, show } from "./format.ts";
import { agent } from "./handle.ts";
import { leastOf, modules } from "./levels.ts";
import { CHUNK_BYTES, chunkBytesMax, LINE_BYTES, lineBytesMax, METHODS } from "./limits.ts";
import { after, stringify } from "./natives.ts";
import { plainCommand } from "./plain.ts";
import { chunks, gone, makeRoom, push } from "./ring.ts";
import { talking } from "./talk.ts";

export type Print = (...args: unknown[]) => void;

/** How long a lone line waits for company. */
const FLUSH_DELAY_MS = 40;

/** The open chunk: its lines, how many, and the characters that still fit. */
export let text = "";
export let count = 0;
let space = 0;
/** Times of its first and last line, and the last one's level. */
let from = 0;
let last = 0;
let level = 0;
/** The agent or its port is at work: what is logged meanwhile is printed only. */
export let busy = 0;
/** The link did not take the last frame, and will say when it takes one. */
export let blocked = false;
export let reentrant = 0;
export let sendErrors = 0;
export let flushTimer: unknown = 0;

export function onFlushTimer(): void {
  flushTimer = 0;
  // Nothing of the agent is under way in here; but where memory ran out, the interpreter left it in the middle.
  busy = 0;
  agent.flush();
}

export function closeChunk(): void {
  if (count) {
    push(from, last, count, text, level > 2);
    text = "";
    count = 0;
    space = 0;
  }
}

/** Lines taken and dropped so far. */
export function lastSeq(): number {
  return chunks.reduce((sum, one) => sum + one.n, gone + count);
}

/** Starts a chunk with a line, or drops by the rule; its JSON is that of a `msg`, or a plain command. */
function begin(newLevel: number, json: string, time: number): void {
  closeChunk();
  const room = makeRoom(json.length + CHUNK_BYTES + LINE_BYTES, newLevel, time);
  if (room >= 0) {
    space = Math.min(chunkBytesMax - json.length, room);
    text = WITH_PLAIN ? json : `${newLevel},${json}`;
    from = time;
    count = 1;
  }
}

/** Tells of the line that came again, in its place. */
export let unfold: () => void;
/** Prints the agent's own lines where the wire is not the agent's. */
const printInfo = WITH_FOLD || WITH_LEVELS || WITH_WORDS ? console.info : (0 as never);

/** What came to `log` behind its own two arguments. */
function rest(args: IArguments): unknown[] {
  return [].slice.call(args, 2);
}

/**
 * Bound to a level (5 more for a direct call, which prints nothing; 10 times the module on top) and the console's own
 * method. A line that fits the open chunk goes straight through; each word here costs a board some 20 us.
 */
export function log(this: unknown, newLevel: number, print: Print, value: unknown): void {
  const inside = busy;
  busy = 1;
  try {
    // biome-ignore lint/complexity/noArguments: rest parameters do not exist on Espruino
    const args = arguments;
    if (
      WITH_SHARED && settings.shared
        ? !talking
        : !((WITH_DIRECT || WITH_LEVELS || WITH_FOLD || WITH_WORDS) && newLevel % 10 > 4)
    ) {
      try {
        if (args.length < 4) {
          print(value);
        } else {
          print.apply(console, rest(args));
        }
      } catch (_) {}
    }
    if (
      WITH_SHARED || WITH_STOP || WITH_LEVELS
        ? inside ||
          ((WITH_SHARED || WITH_STOP ? talking : true) &&
            (WITH_LEVELS ? (newLevel % 5 || 2) >= leastOf((newLevel / 10) | 0) : true))
        : true
    ) {
      if (inside) {
        reentrant++;
      } else {
        let json =
          args.length < 4 && typeof value === "string"
            ? stringify(value)
            : format(rest(args), WITH_DIRECT && newLevel % 10 > 4 && value);
        if (json.length > lineBytesMax) {
          json = shorten(rest(args).map(show).join(" "), json);
        }
        let time = now();
        if (WITH_FOLD) {
          const isRepeated = isRepeat(json, newLevel, time, unfold);
          if (isRepeated) {
            busy = inside;
            return;
          }
          busy = 0;
          unfold();
          busy = 1;
          time = now();
          remember(json, newLevel);
        }
        if (WITH_PLAIN) {
          json = plainCommand(
            lastSeq() + 1,
            json,
            time,
            (newLevel % 5 ? `,"level":"${METHODS[newLevel % 5]}"` : "") +
              (WITH_LEVELS && newLevel > 9 ? `,"module":${modules[(newLevel / 10) | 0]}` : ""),
          );
        } else if (WITH_LEVELS && newLevel > 9) {
          json = `null,${modules[(newLevel / 10) | 0]},${json}`;
        }
        if (WITH_DIRECT || WITH_LEVELS || WITH_FOLD || WITH_WORDS) {
          newLevel %= 5;
        }
        space -= json.length + LINE_BYTES;
        if (space < 0 || time < last || (WITH_RESERVE && newLevel > 2 !== level > 2)) {
          begin(newLevel, json, time);
        } else {
          text +=
            "," +
            // biome-ignore lint/style/useTemplate: each place of a template is read by a lexer of its own on Espruino
            (WITH_PLAIN || (time === last && newLevel === level) ? "" : 5 * (time - last) + newLevel + ",") +
            json;
          count++;
        }
        last = time;
        level = newLevel;
      }
      if (!flushTimer) {
        flushTimer = after(onFlushTimer, FLUSH_DELAY_MS);
      }
    }
  } catch (_) {}
  busy = inside;
}

/** The agent's own line: `kind` is what `log` takes as a level. */
export function tell(kind: number, line: string): void {
  log.call(console, kind, printInfo, line);
}

if (WITH_FOLD) {
  unfold = (): void => {
    const line = takeRepeats();
    if (line) {
      tell(foldKind % 10 > 4 ? foldKind : foldKind + 5, line);
    }
  };
}

/** @returns whether the link took it. A throw is a frame lost on the link: the ack timeout brings it again. */
export function deliver(frame: string): boolean {
  busy = 1;
  try {
    blocked = !send(frame);
  } catch (_) {
    if (WITH_LAB) {
      sendErrors++;
    }
  }
  busy = 0;
  return !blocked;
}

export function unblock(): void {
  blocked = false;
}
