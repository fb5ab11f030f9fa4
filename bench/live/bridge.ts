/*
 * The peer: Mosquitto's subscriber in MQTT.js, which sends what comes to every WebSocket at once, and keeps nothing.
 * node bridge --mqtt PORT --port PORT
 */
import { parseArgs } from "node:util";
import { connect } from "mqtt";
import { WebSocketServer } from "ws";

const { values } = parseArgs({ options: { mqtt: { type: "string" }, port: { type: "string" } } });
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(values.port) });
const client = connect(`mqtt://127.0.0.1:${values.mqtt}`, { protocolVersion: 4 });
client.on("message", (topic, payload) => {
  const text = JSON.stringify({ topic, message: payload.toString("utf8") });
  for (const socket of server.clients) socket.send(text);
});
client.subscribe("boardlog/+/+/log", { qos: 1 }, () =>
  console.log(JSON.stringify({ listening: Number(values.port) })),
);
