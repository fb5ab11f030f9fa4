// biome-ignore-all lint: it is written for an engine without hoisting, in the words that it reads fastest.
// Runs on an Espruino interpreter: what the agent takes of its time. See budget.mjs.
console.info = () => {};
var text = "123456789 123456789 123456789 123456789 123456789 123456789 ";
var clock = getTime;
var times = {};
var bursts = 0;
var onData;
var line = "";
var setTimer = setTimeout;
var clearTimer = clearTimeout;
function note(kind, us) {
  (times[kind] = times[kind] || []).push(us);
}
function timed(kind, action, value) {
  var start = clock();
  action(value);
  note(kind, (clock() - start) * 1e6);
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
function answer(frame) {
  var parts = JSON.parse(frame.substr(0, frame.length - 9));
  var seq = parts[1] + parts[2] - 1;
  for (var i = 5; i < parts.length; i++) if (typeof parts[i] == "string") seq++;
  var json = JSON.stringify({ v: 1, boot: parts[0].substr(1), ack: seq });
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
function each(action) {
  var list = [];
  for (var i = 0; i < 60; i++) {
    var start = clock();
    action();
    action();
    action();
    action();
    action();
    action();
    action();
    action();
    action();
    action();
    list.push((clock() - start) * 1e5);
  }
  return median(list);
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
var agent = module_.start({ serial: serial, ringBytesMax: 8192 });
function stringify() {
  return (
    each(() => {
      JSON.stringify(entry);
    }) - each(() => {})
  );
}
var stringifyBefore;
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
  var start = clock();
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
  note("log", (clock() - start) * 1e5);
  runTimers();
  if (++bursts < 40) setTimer(burst, 5);
  else setTimer(finish, 5);
}
function finish() {
  setTimeoutUs = (Math.max(0, setTimeoutCost()) * timersSet) / bursts / 10;
  var pathUs = median(times.log) + setTimeoutUs;
  ["flush", "piece", "data"].forEach((kind) => {
    pathUs += (median(times[kind]) * times[kind].length) / bursts / 10;
  });
  print(
    "RESULT " +
      JSON.stringify({
        stringifyUs: (stringifyBefore + stringify()) / 2,
        plainUs: plainUs,
        setTimeoutUs: setTimeoutUs,
        logUs: median(times.log),
        partsUs: ["flush", "piece", "data"].map(
          (kind) => (median(times[kind]) * times[kind].length) / bursts / 10,
        ),
        pathUs: pathUs,
        acked: agent.look().acked,
      }),
  );
}
stringifyBefore = stringify();
setTimer(burst, 10);
