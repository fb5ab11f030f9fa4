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
// A wire that takes everything and acks every frame.
var serial = {
  setup: () => {},
  on: (_, action) => {
    onData = action;
  },
  write: (piece) => {
    line += piece;
    if (piece.endsWith("\n")) {
      var whole = line;
      line = "";
      setTimer(() => {
        answer(whole);
      }, 5);
    }
  },
};
function answer(frame) {
  var parts = JSON.parse(frame.substr(0, frame.length - 9));
  var seq = parts[1] + parts[2] - 1;
  for (var i = 5; i < parts.length; i++) if (typeof parts[i] == "string") seq++;
  var json = JSON.stringify({ v: 1, boot: parts[0].substr(1), ack: seq });
  var down = json + (E.CRC32(json) + 4294967296).toString(16).substr(1) + "\n";
  for (var at = 0; at < down.length; at += 32) timed("data", onData, down.substr(at, 32));
}
global.setTimeout = (action, ms) =>
  setTimer(() => {
    timed(ms == 40 ? "flush" : ms < 30 ? "piece" : "timeout", action);
  }, ms);
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
  if (++bursts < 40) setTimer(burst, 200);
  else setTimer(finish, 1000);
}
function finish() {
  var pathUs = median(times.log);
  ["flush", "piece", "data"].forEach((kind) => {
    pathUs += (median(times[kind]) * times[kind].length) / bursts / 10;
  });
  print(
    "RESULT " +
      JSON.stringify({
        stringifyUs: (stringifyBefore + stringify()) / 2,
        plainUs: plainUs,
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
