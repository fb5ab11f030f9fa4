/** The end of every bundle for Espruino: what `start` gives. */
import { boot } from "board";
import type { Agent } from "../agent/env.ts";
import { agent } from "../agent/handle.ts";
import "../agent/agent.ts";

// biome-ignore lint/style/useConst: the build declares it
declare let started: Agent;

if (WITH_WORDS) {
  // The interpreter no longer prints what somebody listens for, so that the console does (docs/agent.md, "Last words").
  process.on("uncaughtException", (error) => {
    console.error(`Uncaught ${error}`, error ? (error.stack ?? "") : "");
  });
  E.on("errorFlag", (flags) => {
    console.error(`Interpreter error: ${flags}`);
  });
  E.on("kill", agent.keep);
  let why = "";
  try {
    why = `, reset by ${require("ESP8266").getResetInfo().reason}`;
  } catch (_) {}
  console.info(`boardlog: boot ${boot}${why}`);
}

started = agent;
