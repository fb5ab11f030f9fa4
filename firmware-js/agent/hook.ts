/**
 * The console's hook: a call becomes a line of the open chunk, and no more. Nothing is sent from here, so that a call costs
 * the app little and never waits for a link; and whatever goes wrong in here stays in here.
 */
import { now, send, settings } from "board";
import { foldKind, isRepeat, remember, takeRepeats } from "./fold.ts";
import { format, jsonOf, type Line, shorten } from "./format.ts";
import { agent } from "./handle.ts";
import { leastOf, modules } from "./levels.ts";
import { CHUNK_BYTES, chunkBytesMax, LINE_BYTES, lineBytesMax, METHODS } from "./limits.ts";
import { after } from "./natives.ts";
import { plainCommand } from "./plain.ts";
import { type Chunk, chunks, dropNewest, gone, grow, roomBeside } from "./ring.ts";
import { talking } from "./talk.ts";

export type Print = (...args: unknown[]) => void;

/** How long a lone line waits for company. */
const FLUSH_DELAY_MS = 40;

/** The open chunk, which is the last of all, and its lines. */
let open: Chunk | undefined;
let lines: unknown[] = [];
/** Characters that it still takes; below 0, or none: the next line takes the long way. */
let space = 0;
/** Time of the last line, and the last number of a line; below 0 where the time fell. */
let last = 0;
let mark = 0;
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

/** Lines taken and dropped so far. */
export function lastSeq(): number {
  return chunks.reduce((sum, one) => sum + one.n, gone);
}

/** Lines of the open chunk, which `lastSeq` does not know of, and what it has no need of, both without closing it. */
export function openChunk(): { readonly lines: number; readonly space: number } {
  return open ? { lines: WITH_PLAIN ? 0 : lines.length >> 1, space } : { lines: 0, space: 0 };
}

/** The next line begins another; what this one has no need of is free. */
export function closeChunk(): void {
  if (open) {
    grow(-space);
    open.b -= space;
    if (!WITH_PLAIN) {
      // Where memory ran out between a number and its text, the number stands alone.
      open.n = lines.length >> 1;
    }
  }
  space = 0;
  open = undefined;
}

/** Starts a chunk with room for a line, or none where that is dropped by the rule. */
function begin(level: number, size: number, time: number): void {
  if (open) {
    closeChunk();
  }
  const room = roomBeside(size + CHUNK_BYTES, level);
  if (room < 0) {
    dropNewest(level, time);
  } else {
    let limit = size + room;
    if (limit > chunkBytesMax) {
      limit = size > chunkBytesMax ? size : chunkBytesMax;
    }
    lines = [];
    open = WITH_RESERVE
      ? { a: time, n: 0, b: limit + CHUNK_BYTES, s: lines, e: level > 2 }
      : { a: time, n: 0, b: limit + CHUNK_BYTES, s: lines };
    chunks.push(open);
    grow(open.b);
    last = time;
    // Last, for memory may run out above: lines are kept without looking where there is room.
    space = limit;
  }
}

/** Adds a line. */
function put(level: number, line: Line, time: number): void {
  const size = (WITH_DIRECT || WITH_LEVELS ? `${line}` : line).length + LINE_BYTES;
  if (
    size > space ||
    (!WITH_PLAIN && !WITH_FOLD && mark < 0) ||
    time < last ||
    (WITH_RESERVE && level > 2 !== (open as Chunk).e)
  ) {
    begin(level, size, time);
  }
  if (size <= space) {
    space -= size;
    if (WITH_PLAIN) {
      lines.push(line);
      (open as Chunk).n++;
    } else {
      lines.push(5 * (time - last) + level, line);
    }
    if ((WITH_DIRECT || WITH_LEVELS) && typeof line === "object") {
      (open as Chunk).m = 1;
    }
  }
  last = time;
  if (!WITH_PLAIN && !WITH_FOLD) {
    mark = 0;
  }
}

/** Tells of the line that came again, in its place. */
export let unfold: () => void;
/** Prints the agent's own lines where the wire is not the agent's. */
const printInfo = WITH_FOLD || WITH_LEVELS || WITH_WORDS ? console.info : (0 as never);

/**
 * The long way of a line, bound to a level (5 more for a direct call, which prints nothing; 10 times the module on top) and
 * the console's own method.
 */
export function logOther(newLevel: number, print: Print, value: unknown, args: IArguments): void {
  /** None: the value is a text, alone. */
  const values: unknown[] =
    !WITH_PLAIN && !WITH_FOLD && args.length < 3 && typeof value === "string"
      ? (0 as never)
      : [].slice.call(args, 1);
  if (!WITH_PLAIN && !WITH_FOLD && space < 0) {
    // Taken off for a text that does not fit.
    space += (value as string).length + LINE_BYTES;
  }
  try {
    flushTimer = flushTimer || after(onFlushTimer, FLUSH_DELAY_MS);
    if (
      WITH_SHARED && settings.shared
        ? !talking
        : WITH_DIRECT || WITH_LEVELS || WITH_FOLD || WITH_WORDS
          ? newLevel % 10 < 5
          : true
    ) {
      if (WITH_PLAIN || WITH_FOLD || values) {
        print.apply(console, values);
      } else {
        print(value);
      }
    }
  } catch (_) {}
  if (busy) {
    reentrant++;
  } else if (
    (WITH_SHARED || WITH_STOP ? talking : true) &&
    (WITH_LEVELS ? (newLevel % 5 || 2) >= leastOf((newLevel / 10) | 0) : true)
  ) {
    busy = 1;
    try {
      let line: Line =
        WITH_PLAIN || WITH_FOLD
          ? format(values, WITH_DIRECT && newLevel % 10 > 4 && value)
          : (value as string);
      if (!WITH_PLAIN && !WITH_FOLD && values) {
        // What a getter logs takes the long way, and ends above; it may also have closed the chunk.
        const room = space;
        space = 0;
        line = format(values, WITH_DIRECT && newLevel % 10 > 4 && value);
        space = open ? room : 0;
      }
      // That of a list is 1. A line in parts is bounded as JSON: no frame bounds it later.
      if (line.length > (WITH_PARTS ? 99 : lineBytesMax)) {
        line = shorten(line as string);
      }
      let time = now();
      if (WITH_FOLD) {
        const key = `${line}`;
        const isRepeated = isRepeat(key, newLevel, time, unfold);
        if (isRepeated) {
          busy = 0;
          return;
        }
        busy = 0;
        unfold();
        busy = 1;
        time = now();
        remember(key, newLevel);
      }
      if (WITH_PLAIN) {
        line = plainCommand(
          lastSeq() + 1,
          jsonOf(typeof line === "string" ? shorten(line) : line),
          time,
          (newLevel % 5 ? `,"level":"${METHODS[newLevel % 5]}"` : "") +
            (WITH_LEVELS && newLevel > 9 ? `,"module":${modules[(newLevel / 10) | 0]}` : ""),
        );
      } else if (WITH_LEVELS && newLevel > 9) {
        line = [`null,${modules[(newLevel / 10) | 0]},${jsonOf(line)}`];
      }
      put(WITH_DIRECT || WITH_LEVELS || WITH_FOLD || WITH_WORDS ? newLevel % 5 : newLevel, line, time);
    } catch (_) {}
    busy = 0;
  }
}

/**
 * Bound to the console's own method, which is quicker to call as `this` than as a parameter, and to a level (5 more for a
 * direct call, which prints nothing; 10 times the module on top). A text that fits the open chunk goes straight through; each word here costs a board some 20 us.
 */
export function log(this: Print, newLevel: number, value: unknown): void {
  if (
    !WITH_PLAIN &&
    !WITH_FOLD &&
    (WITH_DIRECT || WITH_LEVELS || WITH_WORDS ? newLevel < 5 : true) &&
    (WITH_LEVELS ? (newLevel || 2) >= leastOf(0) : true) &&
    (WITH_RESERVE ? open && newLevel > 2 === open.e : true) &&
    // biome-ignore lint/complexity/noArguments: rest parameters do not exist on Espruino
    arguments.length < 3 &&
    typeof value === "string" &&
    // biome-ignore lint/suspicious/noAssignInExpressions: a statement more would be read at each line
    (space -= value.length + LINE_BYTES) >= 0 &&
    // biome-ignore lint/suspicious/noAssignInExpressions: as above
    (mark = newLevel - 5 * (last - (last = now()))) >= 0
  ) {
    lines.push(mark, value);
    if (!(WITH_SHARED && settings.shared)) {
      try {
        this(value);
      } catch (_) {}
    }
  } else {
    // biome-ignore lint/complexity/noArguments: as above
    logOther(newLevel, this, value, arguments);
  }
}

/** The agent's own line: `kind` is what `log` takes as a level. */
export function tell(kind: number, line: string): void {
  log.call(printInfo, kind, line);
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
