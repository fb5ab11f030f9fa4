/*
 * Makes objects as a gateway does: each lives until many others are made, and goes.
 * node objects-until-commit [--young]
 */
import { keepObjectsYoung } from "../../host/young-objects.ts";

if (process.argv.includes("--young")) keepObjectsYoung();

const ROUNDS = 60;
const OBJECTS_A_ROUND = 20_000;
const ROUNDS_WAITING_MAX = 20;
const waiting: object[][] = [];

function make(seq: number): object {
  return { seq, at: { uptimeMs: seq } };
}

for (let round = 0; round < ROUNDS; round++) {
  const made: object[] = [];
  for (let seq = 0; seq < OBJECTS_A_ROUND; seq++) made.push(make(seq));
  waiting.push(made);
  if (waiting.length > ROUNDS_WAITING_MAX) waiting.shift();
}
