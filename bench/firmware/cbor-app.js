// biome-ignore-all lint: it is written for an engine without hoisting, in the words that it reads fastest.
// Runs on an Espruino interpreter: a line's share of a frame as JSON and as CBOR (docs/decisions/0016-json-over-mqtt.md).
// `$ESPRUINO bench/firmware/cbor-app.js < /dev/null`
var text = "123456789 123456789 123456789 123456789 123456789 123456789 ";
var stringify = JSON.stringify;
var chr = String.fromCharCode;
function json(line, n) {
  return "," + n + "," + stringify(line);
}
function number(n) {
  return n < 24
    ? chr(n)
    : n < 256
      ? chr(24, n)
      : n < 65536
        ? chr(25, n >> 8, n)
        : chr(26, n >> 24, n >> 16, n >> 8, n);
}
function cbor(line, n) {
  var size = line.length;
  return (
    number(n) + (size < 24 ? chr(64 + size) : size < 256 ? chr(88, size) : chr(89, size >> 8, size)) + line
  );
}
function nothing(line, n) {}
function each(action) {
  var list = [];
  for (var i = 0; i < 200; i++) {
    var start = getTime();
    action(text, 5002);
    action(text, 5002);
    action(text, 5002);
    action(text, 5002);
    action(text, 5002);
    list.push((getTime() - start) * 2e5);
  }
  list.sort((a, b) => a - b);
  return list[list.length >> 1];
}
var callUs = each(nothing);
print(
  "RESULT " +
    JSON.stringify({
      jsonUs: each(json) - callUs,
      cborUs: each(cbor) - callUs,
      jsonBytes: json(text, 5002).length,
      cborBytes: cbor(text, 5002).length,
    }),
);
quit();
