// Runs many seeds of `boardlog sim` on all cores and shows how far it is: node scripts/sim-seeds.mjs [COUNT] [FIRST_SEED] [WORKERS]
// Needs a build. Exit status 1 when a seed failed.
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const [count = 2000, firstSeed = 1, workers = availableParallelism()] = process.argv.slice(2).map(Number);
const PROGRAM = fileURLToPath(new URL("../bin/boardlog.js", import.meta.url));
/** Seeds of one child: long enough that starting it does not count, short enough to share the work out. */
const SHARE = Math.max(1, Math.min(1000, Math.ceil(count / workers / 4)));

let nextSeed = firstSeed;
const endSeed = firstSeed + count;
let done = 0;
let lineCount = 0;
const failed = [];
const startMs = performance.now();

async function work() {
  while (nextSeed < endSeed) {
    const seed = nextSeed;
    const runs = Math.min(SHARE, endSeed - seed);
    nextSeed += runs;
    const child = spawn(
      process.execPath,
      [PROGRAM, "sim", "--json", "--seed", `${seed}`, "--runs", `${runs}`],
      {
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    let complaint = "";
    child.stderr.on("data", (chunk) => {
      complaint = `${complaint}${chunk}`.slice(-2000);
    });
    let seen = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const result = JSON.parse(line);
      seen++;
      done++;
      lineCount += result.lineCount;
      if (result.violations.length > 0) {
        failed.push(result.seed);
        console.log(
          `\nseed ${result.seed}: ${result.violations.map(({ invariant, text }) => `${invariant}. ${text}`).join("\n  ")}`,
        );
      }
    }
    if (seen < runs) {
      failed.push(seed + seen);
      console.log(`\nseed ${seed + seen}: the process ended: ${complaint}`);
    }
  }
}

function report(end) {
  const minutes = (performance.now() - startMs) / 60_000;
  const text = `${done}/${count} runs, ${lineCount} lines, ${failed.length} failed, ${Math.round(done / minutes)} runs a minute`;
  process.stdout.write(process.stdout.isTTY ? `\r${text}${end}` : `${text}\n`);
}

const timer = setInterval(() => report(""), process.stdout.isTTY ? 500 : 30_000);
await Promise.all(Array.from({ length: workers }, work));
clearInterval(timer);
report("\n");
if (failed.length > 0) {
  console.log(
    `failed seeds: ${failed.slice(0, 50).join(" ")}; see one with: boardlog sim --seed ${failed[0]}`,
  );
  process.exitCode = 1;
}
