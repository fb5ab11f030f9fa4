/**
 * The agent's core: from `console` to frames and back from acks to a free ring. One board, one agent: the state is
 * module-level, since that costs least on Espruino; what it needs of a board is the module `board`, which the build
 * chooses. Boards and the simulator run what this file is bundled to.
 *
 * The code keeps to what Espruino takes: functions and variables stand above their first use (nothing is hoisted there),
 * no default or rest parameters, no spread, no destructuring. It is read again from flash each time it runs, so that
 * fewer words are fewer microseconds: lines are kept as the text that will be sent.
 */
import { ackTimeoutMsMin, boot, frameBytesMax, now, save, saved, send, setClock, settings } from "board";
import type { AgentConsole } from "./env.ts";
import { agent } from "./handle.ts";
import { isPlainMsg, plainCommand, plainHead } from "./plain.ts";

/** Names of `console`'s methods; the place is the level's number (docs/protocol.md 12.5). */
const METHODS = ["log", "debug", "info", "warn", "error"] as const;
/** What a chunk costs beyond its text: the bookkeeping, and that an engine of small variables takes 1.3 bytes a character. */
const CHUNK_BYTES = 160;
/** Lines that wait are joined up to here; it is also what is dropped at a time. */
const CHUNK_TEXT_BYTES = 300;
/** What a line takes beside its JSON at most: commas and a number. */
const LINE_BYTES = 17;
/** Most of what stands around a line in a frame of its own: brackets, five numbers of 16 digits, a boot of 32. */
const HEAD_BYTES = 120;
const PLAIN_HEAD_BYTES = 330;
/** Room left for the mark at the end of a cut line. */
const CUT_BYTES = 40;
const UTC_MS_MIN = 1e12;
/** Longest module that goes with a line, as JSON with what stands around it (docs/protocol.md 12.8). */
const MODULE_BYTES = 40;
/** Modules that a board knows at most: the app's own, and those that a lease names. */
const MODULES_MAX = 24;
/** Longest line that is compared with the one before it: that one is kept beside the ring. */
const FOLD_BYTES_MAX = 200;
const FOLD_MS = 5000;
/** Words for the least level of a lease (docs/protocol.md 14.1). */
const LEAST = WITH_LEVELS ? ["all", "debug", "info", "warn", "error", "none"] : (0 as never);
const LEASE_MS_MAX = 86400000;
/** A step of the time this large is the clock being set: a frame is on one clock, so that it tells how old its lines are. */
const CLOCK_SET_MS = 1e11;
/** How long a lone line waits for company. */
const FLUSH_DELAY_MS = 40;
/** Frames sent and not yet acked, at most, once somebody answered. */
const WINDOW_FRAMES = 4;
const ACK_TIMEOUT_MS_MAX = 30000;
const SILENCE_MS = 15000;

/** Lines side by side, oldest first, as the text that a frame will carry; without text it is a drop notice. */
interface Chunk {
  /** Time of the first and of the last line. */
  readonly a: number;
  readonly z: number;
  /** How many seqs it stands for. */
  n: number;
  readonly s: string;
  /** Holds warnings or errors; with the option `reserve` only. */
  readonly e?: boolean;
}

let text = "";
let count = 0;
/** Characters that still fit the open chunk. */
let space = 0;
let last = 0;
let level = 0;
let bytes = 0;
let busy = 0;
let flushTimer: unknown = 0;
const ringBytesMax = (settings.ringBytesMax ?? 2048) - CHUNK_BYTES;
const src = settings.src ? JSON.stringify(settings.src) : "";
const lineBytesMax = Math.min(
  frameBytesMax -
    (WITH_PLAIN ? PLAIN_HEAD_BYTES : HEAD_BYTES) -
    src.length -
    (WITH_LEVELS ? MODULE_BYTES : 0),
  ringBytesMax - CHUNK_BYTES - LINE_BYTES,
);
let from = 0;
const chunks: Chunk[] = [];
/** Index of the first chunk never sent. What is before it can no longer be dropped, nor a notice there extended. */
let fresh = 0;
let sentBytes = 0;
/** Highest seq ever sent: no true ack is above it. */
let sentSeq = 0;
/** Seqs before the first chunk, and the highest ack, which may be inside of it. */
let gone = 0;
let acked = 0;
/** Index of the chunk to be sent next, and its first seq. */
let next = 0;
let nextSeq = 1;
/** Last seqs of the frames in flight. */
let flying: number[] = [];
/** 1 until an ack came and after a timeout: nobody may be listening. */
let framesAllowed = 1;
let ackTimeoutMs = ackTimeoutMsMin;
let ackTimer: unknown = 0;
/** The mark of the last `resend` that was obeyed: the frames behind a lost one each bring the same. */
let resentMark = -1;
let blocked = false;
/** Frames are sent; on a shared wire only once somebody was heard (docs/protocol.md 7.7). */
let talking = WITH_SHARED ? !settings.shared : true;
/** By level. */
const droppedOldest = [0, 0, 0, 0, 0];
const droppedNewest = [0, 0, 0, 0, 0];
/** UTC less uptime, once the agent itself set the clock. */
let skew = 0;
let questions = 3;
let stopped = false;
let cut = 0;
let reentrant = 0;
/** JSON of the names; a line's module is the place. The first is a line without, the second the agent's own. */
const modules = WITH_LEVELS ? ["", '"boardlog"'] : 0;
/** By module, for all in the first place: the leased level, and the timer that ends it (docs/protocol.md 14.2). */
const leases: ({ readonly l: number; readonly t: unknown } | undefined)[] = WITH_LEVELS ? [] : (0 as never);
/** The line before, as JSON, its level and module, and how often it came again, when first and when last. */
let foldJson = "";
let foldKind = 0;
let repeats = 0;
let repeatedFrom = 0;
let repeatedTo = 0;
let foldTimer: unknown = 0;
/** Frames that an earlier boot left: boot, last seq and text of each, one after the other. */
let old: string[] = [];
/** Where `keep` collects the frames. */
let kept: string[] | undefined;
let frames = 0;
let resentFrames = 0;
let sendErrors = 0;
let badDownlinks = 0;

function closeChunk(): void {
  if (count) {
    bytes += text.length + CHUNK_BYTES;
    chunks.push(
      WITH_RESERVE
        ? { a: from, z: last, n: count, s: text, e: level > 2 }
        : { a: from, z: last, n: count, s: text },
    );
    text = "";
    count = 0;
    space = 0;
  }
}

/** Turns the oldest unsent lines into notices until `more` bytes fit; with the reserve, chatter first. */
function dropOldest(more: number): void {
  let index = fresh;
  while (bytes + more > ringBytesMax && index < chunks.length) {
    const chunk = chunks[index] as Chunk;
    const before = index > fresh ? (chunks[index - 1] as Chunk) : chunk;
    if (!chunk.s || (WITH_RESERVE && chunk.e)) {
      index++;
    } else {
      let droppedLevel = 0;
      if (WITH_PLAIN) {
        droppedOldest[0] = (droppedOldest[0] as number) + chunk.n;
      } else {
        for (const one of JSON.parse(`[${chunk.s}]`) as unknown[]) {
          if (typeof one === "number") {
            droppedLevel = one % 5;
          } else if (WITH_LEVELS && one === null) {
            // A module is no line: it takes one off in advance.
            droppedOldest[droppedLevel] = (droppedOldest[droppedLevel] as number) - 1;
          } else {
            droppedOldest[droppedLevel] = (droppedOldest[droppedLevel] as number) + 1;
          }
        }
      }
      bytes -= chunk.s.length;
      if (before.s || before === chunk) {
        chunks.splice(index++, 1, { a: chunk.a, z: chunk.a, n: chunk.n, s: "" });
      } else {
        before.n += chunk.n;
        chunks.splice(index, 1);
        bytes -= CHUNK_BYTES;
      }
    }
  }
}

/** Forgets the chunks up to a seq; all of them were sent. */
function forget(upTo: number): void {
  while (fresh && gone + (chunks[0] as Chunk).n <= upTo) {
    const chunk = chunks.shift() as Chunk;
    const size = chunk.s.length + CHUNK_BYTES;
    gone += chunk.n;
    bytes -= size;
    sentBytes -= size;
    fresh--;
    next--;
  }
  if (next < 0) {
    next = 0;
    nextSeq = gone + 1;
  }
  while (flying.length && (flying[0] as number) <= upTo) {
    flying.shift();
  }
}

function disarm(): void {
  if (ackTimer) {
    clearTimeout(ackTimer);
    ackTimer = 0;
  }
}

function arm(): void {
  disarm();
  ackTimer = setTimeout(onTimeout, ackTimeoutMs);
}

/** Go-back-N: what is not acked is sent again from its start (docs/protocol.md 5.3, 5.6). */
function goBack(): void {
  disarm();
  flying = [];
  next = 0;
  nextSeq = gone + 1;
}

/** A throw is a frame lost on the link: the ack timeout brings it again. */
function deliver(frame: string): void {
  busy = 1;
  try {
    if (WITH_WORDS && kept) {
      kept.push(frame);
    } else {
      blocked = !send(frame);
    }
  } catch (_) {
    if (WITH_LAB) {
      sendErrors++;
    }
  }
  busy = 0;
}

function frameHead(time: number, skipped: number): string {
  let sentAt = now();
  if (WITH_CLOCK && time < UTC_MS_MIN && sentAt > UTC_MS_MIN) {
    sentAt -= skew;
  }
  if (WITH_PLAIN) {
    return plainHead(src, boot, !(WITH_UNACKED && settings.ack === false), gone + 1, sentAt);
  }
  return `["${WITH_UNACKED && settings.ack === false ? "~" : "@"}${boot}",${src && `${src},`}${gone + 1},${skipped},${time},${sentAt - time}`;
}

/** One frame of what waits; false when there is nothing, or the link takes nothing. */
function sendFrame(): boolean {
  closeChunk();
  let index = next;
  let chunk = chunks[index];
  if (!chunk) {
    return false;
  }
  let at = chunk.a;
  let end = nextSeq - 1;
  let frame = frameHead(at, end - gone);
  // The notice that stands in the ring's reserve stays until an ack makes room: until then it counts on.
  while (
    chunk &&
    (chunk.s || index < chunks.length - 1 || bytes <= ringBytesMax || (WITH_WORDS && kept)) &&
    (index === next ||
      (chunk.a >= at &&
        (WITH_CLOCK ? chunk.a - at < CLOCK_SET_MS : true) &&
        frame.length + chunk.s.length + (WITH_PLAIN ? PLAIN_HEAD_BYTES : 40) < frameBytesMax))
  ) {
    end += chunk.n;
    if (WITH_PLAIN) {
      frame +=
        (index > next ? "," : "") +
        (chunk.s ||
          plainCommand(
            end,
            `{"where":"agent","first":${end - chunk.n + 1},"last":${end},"count":${chunk.n},"why":"ring full"}`,
            chunk.a,
            ',"stream":"loss"',
          ));
    } else {
      frame += `${chunk.a > at ? `,${5 * (chunk.a - at)}` : ""},${chunk.s || -chunk.n}`;
    }
    at = chunk.z;
    chunk = chunks[++index];
  }
  if (index === next) {
    return false;
  }
  deliver(frame + (WITH_PLAIN ? "]}" : "]"));
  if (blocked) {
    return false;
  }
  if (WITH_LAB) {
    frames++;
    if (next < fresh) {
      resentFrames++;
    }
  }
  while (fresh < index) {
    sentBytes += (chunks[fresh++] as Chunk).s.length + CHUNK_BYTES;
  }
  next = index;
  nextSeq = end + 1;
  sentSeq = Math.max(sentSeq, end);
  if (WITH_UNACKED && settings.ack === false) {
    acked = end;
    forget(end);
  } else {
    flying.push(end);
    if (!ackTimer) {
      arm();
    }
  }
  return true;
}

function transmit(): void {
  if (WITH_WORDS && old[0]) {
    // First what the boot before left, a frame at a time (docs/protocol.md 5.6).
    if (!busy && !blocked && !ackTimer && (WITH_SHARED ? talking : true)) {
      deliver(old[2] as string);
      arm();
    }
  } else if (!busy && (WITH_SHARED || WITH_STOP ? talking : true)) {
    while (!blocked && flying.length < framesAllowed && sendFrame()) {}
  }
}

/**
 * An empty frame is a question (docs/protocol.md 5.5): a gateway already there answers with an ack. While lines wait that
 * were sent and not acked, the agent goes on asking, for nobody else knows of them (7.7).
 */
function ask(): void {
  ackTimer = 0;
  if (!stopped && (questions-- > 0 || count || chunks.length || (WITH_WORDS && old[0]))) {
    deliver(frameHead(now(), 0) + (WITH_PLAIN ? "]}" : "]"));
    blocked = false;
    ackTimer = setTimeout(ask, ackTimeoutMs);
  }
}

/** No ack in time (docs/protocol.md 5.6): from the oldest again, one frame at a time, ever more slowly. */
function onTimeout(): void {
  goBack();
  framesAllowed = 1;
  resentMark = -1;
  if (
    WITH_SHARED &&
    settings.shared &&
    2 * ackTimeoutMs - ackTimeoutMsMin >= ((WITH_LAB && settings.silenceMs) || SILENCE_MS)
  ) {
    talking = false;
  }
  ackTimeoutMs = Math.min(ackTimeoutMs * 2, (WITH_LAB && settings.ackTimeoutMsMax) || ACK_TIMEOUT_MS_MAX);
  if (WITH_SHARED && !talking) {
    ackTimer = setTimeout(ask, ackTimeoutMs);
  }
  transmit();
}

function onFlushTimer(): void {
  flushTimer = 0;
  transmit();
}

/** JSON of a text without its end, which its last words then say; `json` is that of the whole. */
function shorten(message: string, json: string): string {
  let kept = message.length;
  let short = json;
  cut++;
  while (short.length > lineBytesMax && kept) {
    kept = Math.floor((kept * (lineBytesMax - CUT_BYTES)) / short.length);
    short = JSON.stringify(`${message.substr(0, kept)} [cut: ${message.length - kept} more]`);
  }
  return short;
}

/** One value as text. Whatever its getters and its `toString` do stays in here. */
function show(value: unknown): string {
  let shown: unknown;
  try {
    if (typeof value === "object" && value && !(value as { stack?: unknown }).stack) {
      shown = JSON.stringify(value);
    }
    return typeof shown === "string" ? shown : String(value);
  } catch (_) {
    return "[unprintable]";
  }
}

/** JSON of what is no lone string: an object of a direct call as it is, all else as text (docs/protocol.md 12.7). */
function format(direct: unknown, values: unknown[]): string {
  const message = values.map(show).join(" ");
  if (
    WITH_DIRECT &&
    direct &&
    typeof direct === "object" &&
    values.length < 2 &&
    message.length <= lineBytesMax &&
    (WITH_PLAIN ? isPlainMsg(message) : "{[".indexOf(message.charAt(0)) >= 0)
  ) {
    return message;
  }
  return JSON.stringify(message);
}

/** Lines taken and dropped so far. */
function lastSeq(): number {
  return chunks.reduce((sum, one) => sum + one.n, gone + count);
}

/** Starts a chunk with a line, or drops by the rule; its JSON is that of a `msg`, or a plain command. */
function begin(newLevel: number, json: string, time: number): void {
  closeChunk();
  const limit = WITH_RESERVE && newLevel < 3 ? ringBytesMax * 0.75 : ringBytesMax;
  const more = json.length + CHUNK_BYTES + LINE_BYTES;
  if (bytes + more > limit && settings.drop !== "newest" && sentBytes + CHUNK_BYTES + more <= limit) {
    dropOldest(more + ringBytesMax - limit);
  }
  if (bytes + more > limit) {
    droppedNewest[newLevel] = (droppedNewest[newLevel] as number) + 1;
    const tail = chunks[chunks.length - 1];
    if (tail && chunks.length > fresh && !tail.s) {
      tail.n++;
    } else {
      bytes += CHUNK_BYTES;
      chunks.push({ a: time, z: time, n: 1, s: "" });
    }
  } else {
    space = Math.min(CHUNK_TEXT_BYTES - json.length, limit - bytes - more);
    text = WITH_PLAIN ? json : `${newLevel},${json}`;
    from = time;
    count = 1;
  }
}

type Print = (...args: unknown[]) => void;

/** The console's own methods, for the modules' consoles. */
const originalOf: Print[] = WITH_LEVELS ? [] : (0 as never);

/** The least level that goes, by the lease of the module, of all, or the setting; no level counts as info (docs/protocol.md 14.1). */
function leastOf(module: number): number {
  const lease = leases[module] ?? leases[0];
  return module === 1 ? 0 : lease ? lease.l : (settings.level ?? 0);
}

/** Tells of the line that came again, in its place; and prints the agent's own lines where the wire is not the agent's. */
let unfold: () => void;
const printInfo = WITH_FOLD || WITH_LEVELS || WITH_WORDS ? console.info : (0 as never);

/** What came to `log` behind its own two arguments. */
function rest(args: IArguments): unknown[] {
  return [].slice.call(args, 2);
}

/**
 * The hook, bound to a level (5 more for a direct call, which prints nothing) and the console's own method. Nothing is sent
 * from here, so that a call costs the app little and never waits for a link. A line that fits the open chunk goes
 * straight through; each word here costs a board some 20 us.
 */
function log(this: unknown, newLevel: number, print: Print, value: unknown): void {
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
    if (inside) {
      reentrant++;
    } else if (
      (WITH_SHARED || WITH_STOP ? talking : true) &&
      (WITH_LEVELS ? (newLevel % 5 || 2) >= leastOf((newLevel / 10) | 0) : true)
    ) {
      let json =
        args.length < 4 && typeof value === "string"
          ? JSON.stringify(value)
          : format(WITH_DIRECT && newLevel % 10 > 4 && value, rest(args));
      if (json.length > lineBytesMax) {
        json = shorten(rest(args).map(show).join(" "), json);
      }
      let time = now();
      if (WITH_FOLD) {
        if (json === foldJson && newLevel === foldKind) {
          if (!repeats++) {
            repeatedFrom = time;
            foldTimer = setTimeout(unfold, settings.foldMs ?? FOLD_MS);
          }
          repeatedTo = time;
          busy = inside;
          return;
        }
        busy = 0;
        unfold();
        busy = 1;
        time = now();
        foldJson = json.length > FOLD_BYTES_MAX ? "" : json;
        foldKind = newLevel;
      }
      const module = WITH_LEVELS && (modules as string[])[(newLevel / 10) | 0];
      if (WITH_DIRECT || WITH_LEVELS || WITH_FOLD || WITH_WORDS) {
        newLevel %= 5;
      }
      if (WITH_PLAIN) {
        json = plainCommand(
          lastSeq() + 1,
          json,
          time,
          (newLevel ? `,"level":"${METHODS[newLevel]}"` : "") +
            (WITH_LEVELS && module ? `,"module":${module}` : ""),
        );
      } else if (WITH_LEVELS && module) {
        json = `null,${module},${json}`;
      }
      space -= json.length + LINE_BYTES;
      if (space < 0 || time < last || (WITH_RESERVE && newLevel > 2 !== level > 2)) {
        begin(newLevel, json, time);
      } else {
        text +=
          WITH_PLAIN || (time === last && newLevel === level)
            ? `,${json}`
            : `,${5 * (time - last) + newLevel},${json}`;
        count++;
      }
      last = time;
      level = newLevel;
      if (!flushTimer) {
        flushTimer = setTimeout(onFlushTimer, FLUSH_DELAY_MS);
      }
    }
  } catch (_) {}
  busy = inside;
}

if (WITH_FOLD) {
  const showTime = (time: number): string =>
    time < UTC_MS_MIN ? `${time} ms` : new Date(time).toISOString();
  unfold = (): void => {
    const times = repeats;
    foldJson = "";
    if (times) {
      repeats = 0;
      clearTimeout(foldTimer);
      log.call(
        console as never,
        foldKind % 10 > 4 ? foldKind : foldKind + 5,
        printInfo,
        `last line repeated ${times > 1 ? `${times} times` : "once"}, ${showTime(repeatedFrom)}${times > 1 ? ` to ${showTime(repeatedTo)}` : ""}`,
      );
    }
  };
}

/** The agent's own line. */
function tell(line: string): void {
  log.call(console as never, 17, printInfo, line);
}

/** The place of a module's name among all; -1 where it is one too many. */
function moduleOf(name: string): number {
  let json = JSON.stringify(name);
  while (json.length > MODULE_BYTES - 6) {
    name = name.substr(0, name.length - 1);
    json = JSON.stringify(name);
  }
  const list = modules as string[];
  let index = list.indexOf(json);
  if (index < 0 && list.length < MODULES_MAX) {
    index = list.length;
    list.push(json);
  }
  return index;
}

/** A lease begins or ends, and the log says so, here as at the gateway (docs/protocol.md 14.1 to 14.3). */
function lease(newLeast: number, forMs: number, name: string | undefined): void {
  const index = name ? moduleOf(name) : 0;
  const before = leases[index];
  if (index >= 0 && LEAST[newLeast] && (forMs ? forMs <= LEASE_MS_MAX : before)) {
    const whose = name ? `level of ${name}` : "level";
    const end = (): void => {
      leases[index] = undefined;
      tell(`${whose} as set`);
    };
    if (before) {
      clearTimeout(before.t);
    }
    if (forMs > 0) {
      leases[index] = { l: newLeast, t: setTimeout(end, forMs) };
      tell(`${whose} ${LEAST[newLeast]} for ${Math.ceil(forMs / 1000)} s`);
    } else {
      end();
    }
  } else if (forMs) {
    badDownlinks++;
  }
}

/** A boot before has its answer up to a seq. */
function forgetOld(oldBoot: unknown, upTo: number): void {
  while (old[0] === oldBoot && Number(old[1]) <= upTo) {
    old.splice(0, 3);
  }
  if (!old[0]) {
    save("");
  }
  disarm();
}

/** Somebody is there: full window, shortest timeout, and on a shared wire frames from now on (docs/protocol.md 7.7). */
function hear(): void {
  ackTimeoutMs = ackTimeoutMsMin;
  framesAllowed = (WITH_LAB && settings.windowFrames) || WINDOW_FRAMES;
  if ((WITH_SHARED || WITH_STOP) && !talking) {
    disarm();
    talking = !stopped;
  }
}

function restart(): void {
  hear();
  goBack();
  resentMark = -1;
  blocked = false;
  transmit();
}

function onAck(mark: number, resend: unknown): void {
  hear();
  if (mark > acked) {
    acked = mark;
    forget(mark);
    resentMark = -1;
    if (flying.length) {
      arm();
    } else {
      disarm();
    }
  }
  if (resend && mark === acked && mark !== resentMark) {
    resentMark = mark;
    goBack();
  }
  transmit();
}

interface Downlink {
  readonly level?: number;
  readonly forMs?: number;
  readonly module?: string;
  readonly hello?: unknown;
  readonly boot?: unknown;
  readonly ack?: unknown;
  readonly now?: number;
  readonly resend?: unknown;
}

agent.receive = (json: string): void => {
  try {
    const down = JSON.parse(json) as Downlink;
    const mark = down.ack;
    const isMine = typeof mark === "number" && mark <= sentSeq && down.boot === boot;
    if (WITH_LEVELS && !busy && typeof down.level === "number") {
      lease(down.level, down.forMs as number, down.module);
    } else if (WITH_WORDS && !busy && old[0] && typeof mark === "number" && down.boot === old[0]) {
      hear();
      forgetOld(down.boot, mark);
      transmit();
    } else if (busy || !(isMine || down.hello)) {
      badDownlinks++;
    } else {
      if (WITH_CLOCK && down.now && settings.setClock !== false && now() < UTC_MS_MIN) {
        closeChunk();
        skew = now();
        setClock(down.now);
        skew = now() - skew;
      }
      if (isMine) {
        onAck(mark, down.resend);
      } else {
        restart();
      }
    }
  } catch (_) {
    badDownlinks++;
  }
};
agent.ready = (): void => {
  blocked = false;
  transmit();
};
if (WITH_STOP) {
  const originals = METHODS.map((name) => console[name]);
  agent.stop = (): void => {
    stopped = true;
    talking = false;
    goBack();
    clearTimeout(flushTimer || setTimeout(onFlushTimer, 0));
    METHODS.forEach((name, index) => {
      console[name] = originals[index] as () => void;
    });
  };
}
agent.restart = restart;
agent.flush = transmit;
agent.look = () => ({
  seq: lastSeq(),
  acked,
  ringBytes: bytes + text.length,
  dropped: [droppedOldest, droppedNewest],
  cut,
  reentrant,
  badDownlinks,
});
if (WITH_LAB) {
  const sum = (counts: number[]): number => counts.reduce((total, one) => total + one, 0);
  Object.defineProperty(agent, "stats", {
    get: () =>
      Object.assign(agent.look(), {
        droppedOldest: sum(droppedOldest),
        droppedNewest: sum(droppedNewest),
        frames,
        resentFrames,
        sendErrors,
      }),
  });
}
["log", "debug", "info", "warn", "error"].forEach((method, index) => {
  const name = method as keyof AgentConsole;
  if (WITH_LEVELS) {
    originalOf.push(console[name]);
  }
  if (WITH_DIRECT) {
    agent[name] = log.bind(0, index + 5, console[name]);
  }
  console[name] = log.bind(0, index, console[name]);
});
if (WITH_LEVELS) {
  agent.module = (name) => {
    const index = Math.max(0, moduleOf(`${name}`));
    const made = {} as Record<string, unknown>;
    METHODS.forEach((method, place) => {
      made[method] = log.bind(0 as never, 10 * index + place, originalOf[place] as Print);
    });
    return made as never;
  };
}
if (WITH_WORDS) {
  agent.keep = (): void => {
    if (WITH_FOLD) {
      unfold();
    }
    if (old.join().length > ringBytesMax) {
      log.call(console as never, 8, printInfo, `what boot ${old[0]} left is given up`);
      old = [];
    }
    const collected: string[] = [];
    kept = [];
    goBack();
    blocked = false;
    let hasMore = !busy && !(WITH_SHARED && !talking);
    while (hasMore) {
      hasMore = sendFrame();
      if (hasMore) {
        collected.push(boot, `${nextSeq - 1}`, kept.pop() as string);
      }
    }
    kept = undefined;
    goBack();
    if (collected.length) {
      try {
        save(old.concat(collected).join("\n"));
      } catch (_) {}
    }
  };
  try {
    const left = saved();
    if (left) {
      old = left.split("\n");
    }
  } catch (_) {}
}
if (WITH_SHARED && !talking) {
  ask();
} else if (WITH_WORDS) {
  transmit();
}
