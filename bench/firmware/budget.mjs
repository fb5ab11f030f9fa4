// Writes docs/firmware-budget.md: `node bench/firmware/budget.mjs`. ESPRUINO names an interpreter for the time, and
// ESPRUINO_SMALL one built for 32 bit with a board's number of variables for the memory; without them those rows say so.
// Where valgrind is installed, the interpreter's instructions are counted too: they do not depend on what else the machine does.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundlePort, FEATURES } from "../../scripts/build-firmware.mjs";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const RESULT_TIMEOUT_MS = 60_000;

/** What starts the agent in such an app; on a shared wire it keeps lines once a gateway was heard. */
const STARTS = {
  serial: "{ serial: { setup: function () {}, on: function () {}, write: function () {} } }",
  console: "{}",
};
/** As small as it can be, for its own text is in the board's memory too; what is free counts it in. */
const memoryApp = (agentFile, port) => `
console.info = function () {};
require("Storage").write("boardlog", require("fs").readFileSync(${JSON.stringify(agentFile)}));
function used() { return process.memory(true).usage; }
var before = used();
var agent = require("boardlog").start(${STARTS[port]});
${port === "console" ? `agent.receive('{"v":1,"hello":1}');` : ""}
var started = used();
for (var i = 0; i < 100; i++) console.info("123456789 123456789 123456789 123456789 123456789 123456789 ");
var memory = process.memory(true);
print("RESULT " + JSON.stringify({ started: started - before, full: memory.usage - before, free: memory.free, total: memory.total, block: memory.blocksize }));
`;

/**
 * @param pieceBytes measures time with the app of board-app.js; without, memory.
 * @param counted what callgrind counts the instructions of, which `result.instructions` has.
 */
async function runOn(interpreter, agentText, port, pieceBytes, counted = "") {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-budget-"));
  const app = pieceBytes
    ? (await readFile(path("board-app.js"), "utf8"))
        .replace("AGENT_TEXT", () => JSON.stringify(agentText))
        .replace("PIECE_BYTES", pieceBytes)
        .replaceAll("COUNTED", JSON.stringify(counted))
    : memoryApp(join(folder, "agent.js"), port);
  await writeFile(join(folder, "agent.js"), agentText);
  await writeFile(join(folder, "app.js"), app);
  const callgrind = [
    "--tool=callgrind",
    "--toggle-collect=jswrap_array_every",
    "--callgrind-out-file=counts",
  ];
  const [command, ...args] = counted ? ["valgrind", ...callgrind, interpreter] : [interpreter];
  const board = spawn(command, [...args, "app.js"], {
    cwd: folder,
    stdio: ["pipe", "pipe", counted ? "ignore" : "inherit"],
  });
  try {
    const result = await new Promise((resolve, reject) => {
      let printed = "";
      setTimeout(() => reject(new Error(`no result:\n${printed}`)), RESULT_TIMEOUT_MS).unref();
      board.once("error", reject);
      board.once("close", () => reject(new Error(`the interpreter ended:\n${printed}`)));
      board.stdout.on("data", (bytes) => {
        printed += bytes.toString("latin1");
        const found = /RESULT (\{.*\})/.exec(printed)?.[1];
        if (found) resolve(JSON.parse(found));
      });
    });
    if (counted) {
      if (board.exitCode === null) await once(board, "exit");
      const counts = await readFile(join(folder, "counts"), "latin1");
      result.instructions = Number(/^(?:summary|totals): (\d+)/m.exec(counts)[1]);
    }
    return result;
  } finally {
    board.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
}

/** Bytes over the text of a frame of ten lines of 60 characters, a second apart, as docs/protocol.md 12 writes it. */
function wireBytesOverText(endBytes) {
  const lines = Array.from({ length: 10 }, (_, i) => `,${i === 0 ? 2 : 5002},"${"x".repeat(60)}"`).join("");
  const frame = `["@12-deadbeef",1001,0,1795334316708,9041${lines}]`;
  return (frame.length + endBytes - 600) / 10;
}

const verdict = (isMet) => (isMet ? "met" : "**not met**");
const rows = [];
const serial = await bundlePort("serial");
const ports = { console: await bundlePort("console"), mqtt: await bundlePort("mqtt") };
const everything = await bundlePort(
  "serial",
  FEATURES.filter((one) => one !== "plain" && one !== "lab"),
);
const row = (what, budget, measured, isMet) =>
  rows.push(
    `| ${what} | ${budget} | ${measured} | ${isMet === undefined ? "not measured" : verdict(isMet)} |`,
  );
row("core and serial port, minified", "4,096 bytes", `${serial.length} bytes`, serial.length <= 4096);
row("core and port for the console", "none set", `${ports.console.length} bytes`, true);
row("core and port for MQTT", "4,096 bytes", `${ports.mqtt.length} bytes`, ports.mqtt.length <= 4096);
row(
  "core and serial port with every option of a board that there is",
  "7,168 bytes",
  `${everything.length} bytes`,
  everything.length <= 7168,
);
/** On a serial line a CRC-32 and LF end the frame; over MQTT, nothing. */
for (const [link, endBytes] of [
  ["serial", 9],
  ["MQTT", 0],
]) {
  const bytes = wireBytesOverText(endBytes);
  row(`bytes a line over its text, compact ${link} frame of 10 lines`, "14", bytes.toFixed(1), bytes <= 14);
}
/** The instructions of the interpreter for a line, by part, in those of one JSON.stringify. */
async function countInstructions(interpreter, agentText, pieceBytes) {
  const nothing = await runOn(interpreter, agentText, "serial", pieceBytes, "nothing");
  const parts = {};
  for (const kind of ["stringify", "log", "flush", "piece", "data"]) {
    const { instructions, counted } = await runOn(interpreter, agentText, "serial", pieceBytes, kind);
    parts[kind] = instructions - (nothing.instructions / nothing.counted) * counted;
  }
  const { stringify, ...path } = parts;
  return Object.values(path).map((one) => one / stringify);
}

/** Where the time goes; only with an interpreter. */
let costs = "";
const hasValgrind = spawnSync("valgrind", ["--version"]).status === 0;
const { ESPRUINO, ESPRUINO_SMALL } = process.env;
if (ESPRUINO_SMALL) {
  for (const [port, text] of [
    ["serial", serial],
    ["console", ports.console],
  ]) {
    const { started, full, free, total, block } = await runOn(ESPRUINO_SMALL, text, port);
    row(
      `variables free with the ${port} port, started from Storage, 2 KB ring full`,
      `more than ${total / 2} of ${total}`,
      `${free} (agent ${started}, with the ring ${full}; variables of ${block} bytes)`,
      free > total / 2,
    );
  }
} else
  row(
    "variables free with the serial port, started from Storage, 2 KB ring full",
    "more than half of 1,600",
    "no ESPRUINO_SMALL",
  );
const PATH = "a line of 60 characters, sending and ack included, in JSON.stringify of its entry";
if (ESPRUINO) {
  for (const [pieceBytes, ringBytes] of [
    [192, 256],
    [126, 128],
  ]) {
    const { stringifyUs, plainUs, logUs, pathUs, partsUs, setTimeoutUs } = await runOn(
      ESPRUINO,
      serial,
      "serial",
      pieceBytes,
    );
    row(
      `${PATH}; transmit ring of ${ringBytes} bytes`,
      "6",
      `${(pathUs / stringifyUs).toFixed(1)} (${pathUs.toFixed(0)} us to ${stringifyUs.toFixed(0)} us; the call alone ${logUs.toFixed(0)} us)`,
      pathUs / stringifyUs <= 6,
    );
    if (hasValgrind) {
      const [log, ...parts] = await countInstructions(ESPRUINO, serial, pieceBytes);
      const all = parts.reduce((sum, one) => sum + one, log);
      row(
        `the same in instructions of the interpreter, counted by callgrind; transmit ring of ${ringBytes} bytes`,
        "6",
        `${all.toFixed(1)} (call ${log.toFixed(1)}, frame ${parts[0].toFixed(1)}, pieces ${parts[1].toFixed(1)}, ack ${parts[2].toFixed(1)})`,
        all <= 6,
      );
    }
    costs ||= `

Of the ${pathUs.toFixed(0)} us of such a line, the call of \`console.info\` takes ${logUs.toFixed(0)}, building its share of a frame ${partsUs[0].toFixed(0)}, writing that in pieces ${partsUs[1].toFixed(0)}, setting the timers ${setTimeoutUs.toFixed(0)}, and reading the ack ${partsUs[2].toFixed(0)}. Lines come ten at a time, and each frame is acked at once. What was tried: decisions/0015-the-time-of-a-line.md. The interpreter's own \`console.log\` of the text takes ${plainUs.toFixed(0)} us (to a pipe): a call costs ${(logUs / plainUs).toFixed(1)} times that beside the print, the whole path ${(pathUs / plainUs).toFixed(1)} times.`;
  }
} else row(PATH, "6", "no ESPRUINO");

const text = `# The firmware's budget

Written by \`node bench/firmware/budget.mjs\`; do not edit. Times are medians on the Linux port of Espruino (code in RAM, the UART's own work left out), memory is that of its 32-bit build with a board's number of variables and size of a variable. No real board was at hand.

| what | budget | measured | |
|---|---|---|---|
${rows.join("\n")}${costs}
`;
await writeFile(path("../../docs/firmware-budget.md"), text);
process.stdout.write(text);
