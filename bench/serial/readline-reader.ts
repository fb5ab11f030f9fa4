/* The peer: serialport with its readline parser and nothing else. node readline-reader PATH... ; says how many lines, when asked. */
import { createInterface } from "node:readline";
import { ReadlineParser } from "@serialport/parser-readline";
import { SerialPort } from "serialport";

let lineCount = 0;
for (const path of process.argv.slice(2)) {
  const port = new SerialPort({ path, baudRate: 115_200 });
  port.pipe(new ReadlineParser({ delimiter: "\n" })).on("data", () => {
    lineCount += 1;
  });
}
console.log(JSON.stringify({ open: process.argv.length - 2 }));
createInterface({ input: process.stdin }).on("line", () => console.log(JSON.stringify({ lines: lineCount })));
