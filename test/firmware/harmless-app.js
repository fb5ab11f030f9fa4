// biome-ignore-all lint: it runs on an engine without hoisting, default parameters and much else.
// An app that is as bad to the agent as an app can be, and a world as bad as a world can be: see harmless.test.ts.
function load(exports, console, setTimeout, clearTimeout, E, require, process, setTime, Date, JSON) {
  AGENT_TEXT;
}
var native = typeof E !== "undefined" ? E.CRC32 : undefined;
function crc32(text) {
  if (native) return native(text);
  var sum = -1;
  for (var i = 0; i < text.length; i++) {
    sum ^= text.charCodeAt(i);
    for (var bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return (sum ^ -1) >>> 0;
}
/** A board with a clock that only moves when told. */
function makeBoard(parts) {
  var board = { uptime: 1000, offset: 0, timers: [], lines: [], seen: {}, printed: 0, sent: 0, line: "" };
  var original =
    parts.print ||
    (() => {
      board.printed++;
    });
  board.console = { log: original, debug: original, info: original, warn: original, error: original };
  board.now = () => board.uptime + board.offset;
  board.advance = (ms) => {
    var end = board.uptime + ms;
    while (board.timers.length) {
      board.timers.sort((a, b) => a.at - b.at);
      if (board.timers[0].at > end) break;
      var timer = board.timers.shift();
      board.uptime = Math.max(board.uptime, timer.at);
      timer.action();
    }
    board.uptime = end;
  };
  var serial = {
    setup: () => {},
    on: (event, action) => {
      board.onData = action;
    },
    write: (text) => {
      if (parts.write) parts.write(text);
      board.sent += text.length;
      board.line += text;
      var end = board.line.indexOf("\n");
      if (end >= 0) {
        board.lines.push(board.line.substr(0, end));
        board.line = board.line.substr(end + 1);
      }
    },
  };
  board.down = (json) => {
    board.onData(json + (crc32(json) + 4294967296).toString(16).substr(1) + "\n");
  };
  var exports = {};
  load(
    exports,
    board.console,
    parts.setTimeout === null
      ? undefined
      : (action, ms) => {
          var timer = { at: board.uptime + ms, action: action };
          board.timers.push(timer);
          return timer;
        },
    (timer) => {
      board.timers = board.timers.filter((one) => one !== timer);
    },
    { CRC32: crc32, hwRand: () => 12345, on: () => {} },
    (name) => {
      if (name !== "Storage") throw new Error("no module " + name);
      return { read: () => undefined, write: () => true, erase: () => {} };
    },
    { on: () => {}, memory: () => ({ free: 4000 }) },
    (seconds) => {
      board.offset = seconds * 1000 - board.uptime;
    },
    { now: () => board.now() },
    { parse: JSON.parse, stringify: JSON.stringify },
  );
  board.agent = exports.start({ serial: serial, boot: "7", src: "a", foldMs: 500 });
  return board;
}
var result = { threw: [] };
function mustNotThrow(name, action) {
  try {
    action();
  } catch (error) {
    result.threw.push(name + ": " + error);
  }
}
/** Texts and drop notices by seq, as a gateway would take them; reads on where it stopped. */
function received(board) {
  var seen = board.seen;
  while (board.lines.length) {
    var line = board.lines.shift();
    var frame = JSON.parse(line.substr(0, line.length - 8));
    var seq = frame[2] + frame[3];
    for (var i = 6; i < frame.length; i++) {
      if (typeof frame[i] === "number" && frame[i] < 0) {
        for (var n = 0; n < -frame[i]; n++) seen[seq++] = "dropped";
      } else if (frame[i] === false) {
        // A part: only the last uses up the seq.
        i += 2;
        if (frame[i - 1] < 0) seen[seq++] = "in parts";
      } else if (typeof frame[i] === "string") seen[seq++] = frame[i];
    }
  }
  return seen;
}
function bigList(count) {
  var list = [];
  for (var i = 0; i < count; i++) list.push(i);
  return list;
}
// Values that bite.
var cyclic = { name: "cyclic" };
cyclic.self = cyclic;
var bites = {
  cyclic: cyclic,
  toString: {
    toString: () => {
      throw new Error("no text");
    },
  },
  toJSON: {
    toJSON: () => {
      throw new Error("no JSON");
    },
  },
  getter: {
    get a() {
      throw new Error("no a");
    },
  },
  stack: {
    get stack() {
      throw new Error("no stack");
    },
  },
  bare: Object.create(null),
  huge: "0123456789".repeat(2000),
  hugeList: [bigList(500), bigList(500)],
  error: new Error("an error"),
  nothing: undefined,
  none: null,
  nan: NaN,
  action: () => 1,
  bytes: new Uint8Array([1, 2, 3]),
  unpaired: "\ud83d",
};
ODD_VALUES;
var board = makeBoard({});
Object.keys(bites).forEach((name) => {
  mustNotThrow(name, () => board.console.warn(bites[name]));
  mustNotThrow(name + " behind a text", () => board.console.log("%s", bites[name], name));
  mustNotThrow(name + " flush", () => board.advance(100));
  board.down('{"v":1,"boot":"7","ack":' + Object.keys(received(board)).length + "}");
  board.advance(100);
});
mustNotThrow("no argument", () => board.console.log());
mustNotThrow("many arguments", () =>
  board.console.log(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
);
mustNotThrow("detached", () => {
  var log = board.console.info;
  log("detached");
});
board.advance(100);
result.bites = Object.keys(bites).length;
result.bitten = {
  printed: board.printed,
  look: board.agent.look(),
  reached: Object.keys(received(board)).length,
};

// Nobody listens, for an hour, with a line every twelve seconds.
board = makeBoard({});
for (var second = 0; second < 300; second++) {
  mustNotThrow("nobody listens", () => board.console.info("line " + second));
  board.advance(12000);
}
result.alone = {
  look: board.agent.look(),
  sentBytes: board.sent,
  printed: board.printed,
  timers: board.timers.length,
};
// Then somebody does.
for (var turn = 0; turn < 30; turn++) {
  var last = Object.keys(received(board)).length;
  board.down('{"v":1,"boot":"7","ack":' + last + "}");
  board.advance(200);
}
var seen = received(board);
var missing = 0;
for (var seq = 1; seq <= 300; seq++) {
  if (seen[seq] === undefined || (seen[seq] !== "dropped" && !seen[seq].startsWith("line ") && seq > 1))
    missing++;
}
result.heard = { missing: missing, acked: board.agent.look().acked };

// A transport that throws, one that logs, a console that throws.
board = makeBoard({
  write: () => {
    throw new Error("wire burnt");
  },
});
for (var i = 0; i < 50; i++) {
  mustNotThrow("a wire that throws", () => board.console.error("line " + i));
  mustNotThrow("a wire that throws, timers", () => board.advance(500));
}
result.burnt = { seq: board.agent.look().seq, ringBytes: board.agent.look().ringBytes };
board = makeBoard({ write: () => board.console.log("sending") });
for (var j = 0; j < 20; j++) {
  mustNotThrow("a wire that logs", () => board.console.info("line " + j));
  board.advance(50);
}
result.echo = { seq: board.agent.look().seq, reentrant: board.agent.look().reentrant > 0 };
board = makeBoard({
  print: () => {
    throw new Error("no console");
  },
});
mustNotThrow("a console that throws", () => board.console.info("hello"));
board.advance(100);
result.mute = received(board);
board = makeBoard({ setTimeout: null });
mustNotThrow("no timers", () => board.console.info("hello"));
["flush", "ready", "restart", "keep"].forEach((name) => {
  if (board.agent[name]) mustNotThrow("no timers, " + name, () => board.agent[name]());
});
mustNotThrow("no timers, an ack", () => board.down('{"v":1,"boot":"7","ack":1}'));
result.timeless = { seq: board.agent.look().seq };

// The wall clock jumps: order and uptime stand.
board = makeBoard({});
var jumps = [0, 5e11, -9e10, 0, 1795e9, 17e11, 9e11, 1795e9, -5];
jumps.forEach((to, index) => {
  board.offset = to;
  mustNotThrow("a clock that jumps", () => board.console.info("jump " + index));
  board.advance(60);
  board.down('{"v":1,"boot":"7","ack":' + board.agent.look().seq + "}");
});
board.advance(5000);
result.jumps = received(board);
result.look = board.agent.look();
print("RESULT " + encodeURIComponent(JSON.stringify(result)));
