/**
 * The agent's core: from `console` to frames and back from acks to a free ring. One board, one agent: the state is
 * module-level, since that costs least on Espruino, and `env` is the only free name. The text this file is bundled to is
 * what boards and the simulator both run.
 *
 * The code keeps to what Espruino takes: functions and variables stand above their first use (nothing is hoisted there),
 * no default or rest parameters, no spread, no destructuring. `scripts/espruino-syntax.mjs` checks the finished bundle.
 */
import type { AgentEnv, AgentStats } from "./env.ts";

declare const env: AgentEnv;

const settings = env.settings ?? {};
/** Names of `console`'s methods; the place is the digit an item starts with. `log` has no level. */
const METHODS = ["log", "debug", "info", "warn", "error"] as const;
/** First character of an item that is a drop notice. */
const NOTICE = "5";
/** What an item costs beyond its text: the notice that may take its place, and the engine's own bookkeeping. */
const ITEM_BYTES = 32;
/** Nesting of `msg` at most: the frame and the answer of a list around it must stay within 16 (docs/protocol.md 2.1). */
const DEPTH_MAX = 10;
/** Room left for the mark at the end of a cut line. */
const CUT_BYTES = 40;

const frameBytesMax = settings.frameBytesMax ?? 1024;
const acked = settings.ack !== false;
const ackTimeoutMsMin = settings.ackTimeoutMs ?? 1000;
const windowFrames = settings.windowFrames ?? 4;
const ringBytesMax = settings.ringBytesMax ?? 2048;
/** Lines stop here: one more notice always fits, so that every loss can be told. */
const lineBytesLimit = ringBytesMax - ITEM_BYTES;

const stats: AgentStats = {
  seq: 0,
  acked: 0,
  ringBytes: 0,
  droppedOldest: 0,
  droppedNewest: 0,
  cut: 0,
  reentrant: 0,
  frames: 0,
  resentFrames: 0,
  sendErrors: 0,
  badDownlinks: 0,
};

/**
 * The ring, oldest first. An item is one string: level digit, clock (`t` UTC, `u` uptime), ms, a comma, then the JSON of
 * `msg`; or, for a notice, how many seqs were dropped there. Seqs are implied: the first item starts at `stats.acked + 1`.
 */
const items: string[] = [];
/** Index of the first item never sent. What is before it can no longer be dropped, nor a notice there extended. */
let fresh = 0;
/** Cost of the items before `fresh`. */
let sentBytes = 0;
/** Highest seq ever sent: no true ack is above it. */
let sentSeq = 0;
/** Index of the item to be sent next (below `fresh` after going back), and its first seq. */
let next = 0;
let nextSeq = 1;
/** Last seqs of the frames in flight. */
let flying: number[] = [];
/** 1 until an ack came and after a timeout: nobody may be listening. */
let framesAllowed = 1;
let ackTimeoutMs = ackTimeoutMsMin;
/** The mark of the last `resend` that was obeyed: the frames behind a lost one each bring the same. */
let resentMark = -1;
let busy = false;
let blocked = false;
let stopped = false;
/** Frames are sent; on a shared wire only once somebody was heard (docs/protocol.md 7.7). */
let talking = !settings.shared;
let questions = 3;
/** On a shared wire: something is unanswered, and since when nothing was heard. */
let waiting = false;
let quietSince = 0;
let ackTimer: unknown;
let flushTimer: unknown;

const opening = `{"v":1,${env.src ? `"src":${env.stringify(env.src)},` : ""}"boot":${env.stringify(env.boot)},"ack":${acked},"first":`;

function frameHead(first: number | string, clock: string, now: number | string): string {
  return `${opening}${first}${clock === "u" ? ',"clock":"uptime"' : ""}${now ? `,"now":${now}` : ""},"cmds":[`;
}

/** An item with the last of its seqs as a command (docs/protocol.md 4.1), or as a drop notice (6.4). */
function command(item: string, seq: number | string): string {
  const comma = item.indexOf(",");
  const level = item.charAt(0);
  let msg = item.substr(comma + 1);
  let more = "";
  if (level === NOTICE) {
    msg = `{"where":"agent","first":${+seq - +msg + 1},"last":${seq},"count":${msg},"why":"ring full"}`;
    more = ',"stream":"loss"';
  } else if (level > "0") {
    more = `,"level":"${METHODS[+level]}"`;
  }
  const time = `,"${item.charAt(1) === "u" ? "uptime" : "timestamp"}":${item.substring(2, comma)}`;
  return `{"cmd":"/v1/Log.Log","id":${seq},"args":{"msg":${msg}${time}${more}}}`;
}

/** Longest JSON of a `msg` that fits a frame of its own, whatever the numbers grow to. */
const msgBytesMax =
  frameBytesMax -
  frameHead("9007199254740991", "u", "9007199254740991").length -
  command("4t9007199254740991,", "9007199254740991").length -
  2;

/** How many seqs an item stands for. */
function span(item: string): number {
  return item.charAt(0) === NOTICE ? +item.substr(item.indexOf(",") + 1) : 1;
}

function cost(item: string): number {
  return item.charAt(0) === NOTICE ? ITEM_BYTES : ITEM_BYTES + item.length;
}

/** The notice that takes a line's place, with its time. */
function notice(line: string, count: number): string {
  return NOTICE + line.substring(1, line.indexOf(",") + 1) + count;
}

function push(item: string): void {
  items.push(item);
  stats.ringBytes += cost(item);
}

/** Turns the oldest unsent lines into one notice until `bytes` more fit; the caller knows that they will. */
function dropOldest(bytes: number): void {
  while (stats.ringBytes + bytes > lineBytesLimit) {
    const oldest = items[fresh] as string;
    const merge = oldest.charAt(0) === NOTICE;
    const line = merge ? (items[fresh + 1] as string) : oldest;
    if (line.charAt(0) !== NOTICE) {
      stats.droppedOldest++;
    }
    items.splice(fresh, merge ? 2 : 1, notice(line, span(line) + (merge ? span(oldest) : 0)));
    stats.ringBytes -= cost(line) - (merge ? 0 : ITEM_BYTES);
  }
}

/** The line becomes a notice at the end of the ring, or extends the one there if it was never sent. */
function dropNewest(line: string): void {
  const last = items.length - 1;
  const tail = items[last] as string;
  stats.droppedNewest++;
  if (last >= fresh && tail.charAt(0) === NOTICE) {
    items[last] = notice(line, span(tail) + 1);
  } else {
    push(notice(line, 1));
  }
}

/** Forgets the items up to a seq; all of them were sent. */
function forget(seq: number): void {
  let count = 0;
  while (count < fresh) {
    const item = items[count] as string;
    const last = stats.acked + span(item);
    if (last > seq) {
      break;
    }
    stats.acked = last;
    stats.ringBytes -= cost(item);
    sentBytes -= cost(item);
    count++;
  }
  items.splice(0, count);
  fresh -= count;
  next -= count;
  if (next < 0) {
    next = 0;
    nextSeq = stats.acked + 1;
  }
  while (flying.length && (flying[0] as number) <= seq) {
    flying.shift();
  }
}

/** Espruino refuses to clear a timer that is undefined. */
function disarm(): void {
  if (ackTimer !== undefined) {
    env.clearTimeout(ackTimer);
    ackTimer = undefined;
  }
}

/** Go-back-N: what is not acked is sent again from its start (docs/protocol.md 5.3, 5.6). */
function goBack(): void {
  disarm();
  flying = [];
  next = 0;
  nextSeq = stats.acked + 1;
}

/** A throw is a frame lost on the link: the ack timeout brings it again. */
function deliver(frame: string): boolean {
  let taken = true;
  busy = true;
  try {
    taken = env.send(frame);
  } catch (_) {
    stats.sendErrors++;
  }
  busy = false;
  if (!taken) {
    blocked = true;
  }
  return taken;
}

/**
 * One frame of what waits, on one clock; false when there is nothing, or the link takes nothing. The notice that stands
 * in the ring's reserve stays until an ack makes room for another: until then the next dropped line extends it.
 */
function sendFrame(): boolean {
  if (next >= items.length) {
    return false;
  }
  const clock = (items[next] as string).charAt(1);
  const now = clock === "u" ? env.uptime() : env.utc();
  let frame = frameHead(stats.acked + 1, clock, now);
  let index = next;
  let seq = nextSeq - 1;
  while (index < items.length) {
    const item = items[index] as string;
    const reserve =
      index === items.length - 1 && item.charAt(0) === NOTICE && stats.ringBytes > lineBytesLimit;
    if (reserve || item.charAt(1) !== clock) {
      break;
    }
    const text = (index > next ? "," : "") + command(item, seq + span(item));
    if (frame.length + text.length + 2 > frameBytesMax) {
      break;
    }
    frame += text;
    seq += span(item);
    index++;
  }
  if (index === next || !deliver(`${frame}]}`)) {
    return false;
  }
  stats.frames++;
  if (next < fresh) {
    stats.resentFrames++;
  }
  while (fresh < index) {
    sentBytes += cost(items[fresh] as string);
    fresh++;
  }
  next = index;
  nextSeq = seq + 1;
  if (seq > sentSeq) {
    sentSeq = seq;
  }
  if (acked) {
    flying.push(seq);
    if (!waiting) {
      waiting = true;
      quietSince = env.uptime();
    }
    if (ackTimer === undefined) {
      ackTimer = env.setTimeout(onTimeout, ackTimeoutMs);
    }
  } else {
    forget(seq);
  }
  return true;
}

function transmit(): void {
  while (talking && !blocked && !busy && flying.length < framesAllowed && sendFrame()) {}
}

/**
 * An empty frame is a question (docs/protocol.md 5.5): a gateway already there answers with an ack. While lines wait that
 * were sent and not acked, the agent goes on asking, for nobody else knows of them (7.7).
 */
function ask(): void {
  ackTimer = undefined;
  if (!stopped && (questions-- > 0 || items.length)) {
    deliver(`${frameHead(stats.acked + 1, "u", env.uptime())}]}`);
    ackTimer = env.setTimeout(ask, ackTimeoutMs);
  }
}

/** No ack in time (docs/protocol.md 5.6): from the oldest again, one frame at a time, ever more slowly. */
function onTimeout(): void {
  ackTimer = undefined;
  goBack();
  framesAllowed = 1;
  resentMark = -1;
  ackTimeoutMs = Math.min(ackTimeoutMs * 2, settings.ackTimeoutMsMax ?? 30000);
  if (settings.shared && env.uptime() - quietSince >= (settings.silenceMs ?? 15000)) {
    talking = false;
    ackTimer = env.setTimeout(ask, ackTimeoutMs);
  }
  transmit();
}

function flush(): void {
  if (flushTimer !== undefined) {
    env.clearTimeout(flushTimer);
    flushTimer = undefined;
  }
  transmit();
}

function onFlushTimer(): void {
  flushTimer = undefined;
  transmit();
}

/** One argument as text. Whatever its getters and its `toString` do stays in here. */
function show(value: unknown): string {
  if (typeof value === "string") {
    return value;
  }
  try {
    if (typeof value === "object" && value && typeof (value as { stack?: unknown }).stack !== "string") {
      const json = env.stringify(value);
      if (typeof json === "string") {
        return json;
      }
    }
    return String(value);
  } catch (_) {
    return "[unprintable]";
  }
}

function shallow(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || !value) {
    return true;
  }
  if (!depth) {
    return false;
  }
  for (const key in value) {
    if (!shallow((value as Record<string, unknown>)[key], depth - 1)) {
      return false;
    }
  }
  return true;
}

/** Whether a text is JSON of an object or array that may go as it is. Espruino writes `...` for a circular value. */
function isMsg(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && !!value && shallow(value, DEPTH_MAX);
  } catch (_) {
    return false;
  }
}

/** JSON of a text; one too long for a frame loses its end, and says so in its last words. */
function quote(text: string): string {
  let kept = text.substr(0, msgBytesMax);
  let json = env.stringify(kept) as string;
  if (kept.length === text.length && json.length <= msgBytesMax) {
    return json;
  }
  stats.cut++;
  kept = text.substr(0, msgBytesMax - CUT_BYTES);
  do {
    const code = kept.charCodeAt(kept.length - 1);
    if (code >= 0xd800 && code < 0xdc00) {
      kept = kept.substr(0, kept.length - 1);
    }
    json = env.stringify(`${kept} [cut: ${text.length - kept.length} more]`) as string;
    kept = kept.substr(0, Math.floor((kept.length * (msgBytesMax - CUT_BYTES)) / json.length));
  } while (json.length > msgBytesMax && kept);
  return json;
}

function format(args: IArguments): string {
  let text = args.length ? show(args[0]) : "";
  if (args.length === 1 && typeof args[0] === "object" && text.length <= msgBytesMax && isMsg(text)) {
    return text;
  }
  for (let i = 1; i < args.length; i++) {
    text += ` ${show(args[i])}`;
  }
  return quote(text);
}

function take(item: string): void {
  stats.seq++;
  const bytes = cost(item);
  if (settings.drop !== "newest" && sentBytes + ITEM_BYTES + bytes <= lineBytesLimit) {
    dropOldest(bytes);
  }
  if (stats.ringBytes + bytes <= lineBytesLimit) {
    push(item);
  } else {
    dropNewest(item);
  }
  if (flushTimer === undefined) {
    flushTimer = env.setTimeout(onFlushTimer, settings.flushDelayMs ?? 40);
  }
}

function print(original: unknown, args: IArguments): void {
  try {
    (original as () => void).apply(env.console, args as unknown as []);
  } catch (_) {}
}

/** The hook. Nothing is sent from here, so that a call costs the app little and never waits for a link. */
function log(level: number, original: unknown, args: IArguments): void {
  const inside = busy;
  busy = true;
  try {
    const utc = env.utc();
    const item = `${level}${utc ? `t${utc}` : `u${env.uptime()}`},`;
    if (!(settings.shared && talking)) {
      print(original, args);
    }
    if (talking) {
      if (inside) {
        stats.reentrant++;
      } else {
        take(item + format(args));
      }
    }
  } catch (_) {}
  busy = inside;
}

const originals: ((...args: unknown[]) => void)[] = [];

function hook(level: number): void {
  const method = METHODS[level] as (typeof METHODS)[number];
  const original = env.console[method];
  originals.push(original);
  env.console[method] = function () {
    // biome-ignore lint/complexity/noArguments: rest parameters do not exist on Espruino
    log(level, original, arguments);
  };
}

/** Somebody is there: full window, shortest timeout, and on a shared wire frames from now on (docs/protocol.md 7.7). */
function hear(): void {
  quietSince = env.uptime();
  ackTimeoutMs = ackTimeoutMsMin;
  framesAllowed = windowFrames;
  if (!talking) {
    disarm();
    talking = !stopped;
  }
}

function onAck(mark: number, resend: unknown): void {
  hear();
  if (mark > stats.acked) {
    forget(mark);
    resentMark = -1;
    disarm();
    if (flying.length) {
      ackTimer = env.setTimeout(onTimeout, ackTimeoutMs);
    }
  }
  if (resend && mark === stats.acked && mark !== resentMark) {
    resentMark = mark;
    goBack();
  }
  waiting = flying.length > 0;
}

function restart(): void {
  hear();
  goBack();
  resentMark = -1;
  waiting = blocked = false;
  transmit();
}

function receive(text: string): void {
  try {
    const frame = JSON.parse(text) as {
      hello?: unknown;
      boot?: unknown;
      ack?: unknown;
      now?: unknown;
      resend?: unknown;
    };
    const mark = frame.ack as number;
    const mine = typeof mark === "number" && mark <= sentSeq && String(frame.boot) === env.boot;
    if (busy || !(mine || frame.hello)) {
      stats.badDownlinks++;
      return;
    }
    if (typeof frame.now === "number" && env.setClock && !env.utc()) {
      env.setClock(frame.now);
    }
    if (mine) {
      onAck(mark, frame.resend);
      transmit();
    } else {
      restart();
    }
  } catch (_) {
    stats.badDownlinks++;
  }
}

function ready(): void {
  blocked = false;
  transmit();
}

function stop(): void {
  stopped = true;
  talking = false;
  goBack();
  flush();
  for (let level = 0; level < METHODS.length; level++) {
    env.console[METHODS[level] as (typeof METHODS)[number]] = originals[level] as () => void;
  }
}

for (let level = 0; level < METHODS.length; level++) {
  hook(level);
}
env.agent = { receive, ready, restart, flush, stop, stats };
if (!talking) {
  ask();
}
