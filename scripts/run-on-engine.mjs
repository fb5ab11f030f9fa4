/** Runs a script on a JavaScript engine of a board and gives what it printed. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const RUN_TIMEOUT_MS = 30_000;

/**
 * @param engine what `findXs` gives, or `{ kind: "espruino", path }`.
 * @param script may use `print`.
 * @param isDone where the engine does not end by itself: whether the output so far is all.
 */
export async function runOnEngine(engine, script, isDone = () => false) {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-engine-"));
  try {
    const file = join(folder, "script.js");
    await writeFile(file, script);
    const args = { xsnap: ["boardlog"], xst: ["-s", file], espruino: [file] }[engine.kind];
    const child = spawn(engine.path, args, {
      cwd: folder,
      stdio: ["pipe", "pipe", "pipe", "pipe", "pipe"],
    });
    return await outputOf(child, engine.kind === "xsnap" ? script : undefined, isDone);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function outputOf(child, evaluated, isDone) {
  return new Promise((resolve, reject) => {
    let printed = "";
    let answered = "";
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`no end after ${RUN_TIMEOUT_MS} ms:\n${printed}`));
    }, RUN_TIMEOUT_MS);
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("latin1").on("data", (text) => {
        printed += text;
        if (isDone(printed)) child.kill("SIGKILL");
      });
    // An engine that ends early closes these first.
    for (const stream of child.stdio) stream?.on("error", () => undefined);
    child.stdio[4].setEncoding("utf8").on("data", (text) => {
      answered += text;
    });
    if (evaluated !== undefined) {
      const bytes = Buffer.from(`e${evaluated}`);
      child.stdio[3].end(Buffer.concat([Buffer.from(`${bytes.length}:`), bytes, Buffer.from(",")]));
    }
    child.once("error", reject);
    child.once("close", () => {
      clearTimeout(timer);
      const failure = /^\d+:!(.*),$/s.exec(answered)?.[1];
      resolve(Buffer.from(printed, "latin1").toString("utf8") + (failure ? `Uncaught ${failure}\n` : ""));
    });
  });
}
