/*
 * The peer: aedes as it is, with a listener and nothing else; with --file each publish is also appended to a file, as a line.
 * node aedes-server --port N [--file PATH]
 */
import { createWriteStream } from "node:fs";
import { createServer } from "node:net";
import { parseArgs } from "node:util";
import { Aedes } from "aedes";

const { values } = parseArgs({ options: { port: { type: "string" }, file: { type: "string" } } });
const aedes = new Aedes();
await aedes.listen();
if (values.file !== undefined) {
  const file = createWriteStream(values.file, { flags: "a" });
  aedes.on("publish", (packet, client) => {
    if (client !== null) file.write(`${packet.topic} ${packet.payload.toString()}\n`);
  });
}
createServer({ noDelay: true }, (socket) => aedes.handle(socket)).listen(
  Number(values.port),
  "127.0.0.1",
  () => console.log(JSON.stringify({ listening: Number(values.port) })),
);
