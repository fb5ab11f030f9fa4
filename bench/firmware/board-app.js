// biome-ignore-all lint: it is written for an engine without hoisting, in the words that it reads fastest.
// Runs on an Espruino interpreter: what the agent takes of its time. See budget.mjs.
// A native function, so that only the agent's own words are timed.
console.info = Array.isArray;
var text = "123456789 123456789 123456789 123456789 123456789 123456789 ";
var clock = getTime;
var times = {};
var bursts = 0;
var onData;
var line = "";
var setTimer = setTimeout;
var clearTimer = clearTimeout;
// Of the burst at hand, by kind: time, and how often it was taken.
var spent = {};
var counts = {};
var counted = 0;
function timed(kind, action, value) {
  if (kind == COUNTED) {
    // callgrind counts in here.
    counts[kind] = (counts[kind] || 0) + 1;
    [value].every(action);
    return;
  }
  var start = clock();
  action(value);
  spent[kind] = (spent[kind] || 0) + (clock() - start) * 1e6;
  counts[kind] = (counts[kind] || 0) + 1;
}
function median(list) {
  list.sort((a, b) => a - b);
  return list[list.length >> 1];
}
var plainUs;
// A wire that takes everything and acks every frame: native functions, so that only the agent's own words are timed.
var pieces = [];
var serial = {
  setup: () => {},
  on: (_, action) => {
    onData = action;
  },
  write: pieces.push.bind(pieces),
};
// The agent's timers: what it set, action and delay by turns. What setting one really costs is added below.
var due = [];
var timersSet = 0;
var setTimeoutUs;
global.setTimeout = due.push.bind(due);
global.clearTimeout = isNaN;
function ten() {
  console.info(text);
  console.info(text);
  console.info(text);
  console.info(text);
  console.info(text);
  console.info(text);
  console.info(text);
  console.info(text);
  console.info(text);
  console.info(text);
}
// The unit, in the same rhythm as what it is held against.
function tenStringify() {
  JSON.stringify(entry);
  JSON.stringify(entry);
  JSON.stringify(entry);
  JSON.stringify(entry);
  JSON.stringify(entry);
  JSON.stringify(entry);
  JSON.stringify(entry);
  JSON.stringify(entry);
  JSON.stringify(entry);
  JSON.stringify(entry);
}
function answer(frame) {
  var parts = JSON.parse(frame.substr(0, frame.length - 9));
  var seq = parts[1] + parts[2] - 1;
  for (var i = 5; i < parts.length; i++) if (typeof parts[i] == "string") seq++;
  var json = JSON.stringify({ v: 1, boot: parts[0].substr(1), ack: seq, now: Math.floor(Date.now()) });
  var down = json + (E.CRC32(json) + 4294967296).toString(16).substr(1) + "\n";
  for (var at = 0; at < down.length; at += 32) timed("data", onData, down.substr(at, 32));
}
function runTimers() {
  while (due.length) {
    var action = due.shift();
    var ms = due.shift();
    timersSet++;
    if (ms <= 40) timed(ms == 40 ? "flush" : "piece", action);
    if (pieces.length && pieces[pieces.length - 1].endsWith("\n")) answer(pieces.splice(0).join(""));
  }
}
// The interpreter's own print, measured as an app would meet it without the agent.
function plain() {
  var list = [];
  for (var i = 0; i < 60; i++) {
    var start = clock();
    console.log(text);
    list.push((clock() - start) * 1e6);
  }
  return median(list);
}
var entry = { t: Date.now(), l: 2, m: text, s: 12345 };
var module_ = {};
plainUs = plain();
new Function("exports", AGENT_TEXT)(module_);
var agent = module_.start({ serial: serial, ringBytesMax: 8192, pieceBytes: PIECE_BYTES });
// What a real timer costs above the stand-in for it.
function setTimeoutCost() {
  var real = [];
  var standIn = [];
  for (var i = 0; i < 60; i++) {
    var start = clock();
    var timer = setTimer(burst, 1e6);
    real.push((clock() - start) * 1e6);
    clearTimer(timer);
    start = clock();
    timer = due.push(burst, 1e6);
    standIn.push((clock() - start) * 1e6);
  }
  due.splice(0);
  return median(real) - median(standIn);
}
function burst() {
  timed("nothing", Array.isArray);
  timed("stringify", tenStringify);
  timed("log", ten);
  runTimers();
  // What taking the time takes is left out. Parts differ: only their sum has a median.
  for (var kind in spent) (times[kind] = times[kind] || []).push(spent[kind] - spent.nothing * counts[kind]);
  counted += counts[COUNTED];
  spent = {};
  counts = {};
  if (++bursts < 40) setTimer(burst, 5);
  else setTimer(finish, 5);
}
// Of a line.
function costOf(kind) {
  if (kind == COUNTED) return 0;
  return median(times[kind]) / 10;
}
function finish() {
  setTimeoutUs = (Math.max(0, setTimeoutCost()) * timersSet) / bursts / 10;
  var partsUs = ["flush", "piece", "data"].map(costOf);
  print(
    "RESULT " +
      JSON.stringify({
        stringifyUs: costOf("stringify"),
        plainUs: plainUs,
        setTimeoutUs: setTimeoutUs,
        logUs: costOf("log"),
        partsUs: partsUs,
        pathUs: partsUs.reduce((sum, us) => sum + us, costOf("log") + setTimeoutUs),
        acked: agent.look().acked,
        counted: counted,
      }),
  );
  quit();
}
setTimer(burst, 10);
