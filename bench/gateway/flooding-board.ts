/*
 * A board that says all it can: frames with acks, publishes under way as many as the wire takes.
 * node flooding-board --port N --username NAME --password SECRET
 */
import { connect } from "node:net";
import { parseArgs } from "node:util";
import { connectPacket, publishPacket, readPackets, topicBytes } from "../../sim/load/mqtt-wire.ts";

const LINES_A_FRAME = 50;
const SRC = "flood";

const { values } = parseArgs({
  options: { port: { type: "string" }, username: { type: "string" }, password: { type: "string" } },
});
const { username = "", password = "" } = values;
const topic = topicBytes(`boardlog/default/${SRC}/log`);
const socket = connect(Number(values.port), "127.0.0.1");
let seq = 0;
let packetId = 0;

function frame(): string {
  const lines: string[] = [];
  const first = seq + 1;
  for (let count = 0; count < LINES_A_FRAME; count++) lines.push(`"flood line ${++seq}"`);
  // It forgets what it sent: nothing is ever missing, and all of it is new.
  return `["@f",${first},0,${Math.floor(performance.now())},0,${lines.join(",")}]`;
}

function pour(): void {
  for (;;) {
    packetId = (packetId % 65_535) + 1;
    if (!socket.write(publishPacket(topic, packetId, frame()))) return;
  }
}

socket.write(connectPacket({ clientId: SRC, username, password }));
let rest: Buffer | undefined;
socket.on("data", (chunk) => {
  rest = readPackets(rest === undefined ? chunk : Buffer.concat([rest, chunk]), {
    onConnack: (code) => {
      console.log(JSON.stringify({ connected: code }));
      if (code === 0) pour();
    },
    onSuback: () => {},
    onPuback: () => {},
    onPublish: () => {},
  });
});
socket.on("drain", pour);
socket.on("error", () => process.exit(1));
