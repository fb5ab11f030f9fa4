import { spawnSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BoardlogProcess, runBoardlog } from "../support/boardlog-process.ts";
import { requires } from "../support/requirements.ts";

const BIN = fileURLToPath(new URL("../../bin/boardlog.js", import.meta.url));
const ZSH = requires("zsh");
const FISH = requires("fish");
/** A board may call itself anything: a shell that expanded this would make the file. */
const HOSTILE = "$(touch expanded)";
const SPACED = "two words; `id` $HOME";

let up: BoardlogProcess;
let folder: string;
const script = (shell: string): string => join(folder, `boardlog.${shell}`);

beforeAll(async () => {
  up = await BoardlogProcess.create(["--quiet"]);
  await up.start();
  const headers = { "x-api-key": await up.key() };
  for (const src of ["alpha", "beta", HOSTILE, SPACED]) {
    const body = JSON.stringify({ src, msg: "here" });
    expect((await fetch(`${up.url}/v1/Log.Log`, { method: "POST", headers, body })).status).toBe(200);
  }
  folder = await mkdtemp(join(tmpdir(), "boardlog-completion-"));
  await writeFile(join(folder, "boardlog"), `#!/bin/sh\nexec "${process.execPath}" "${BIN}" "$@"\n`);
  await chmod(join(folder, "boardlog"), 0o755);
  for (const shell of ["bash", "zsh", "fish"])
    await writeFile(script(shell), (await runBoardlog(["completion", shell])).stdout);
});
afterAll(async () => {
  await up.remove();
  await rm(folder, { recursive: true, force: true });
});

/** Runs a shell's own text on stdin, with the command in its PATH and the service in its environment. */
function run(shell: string, args: readonly string[], input = ""): string {
  const env = {
    ...process.env,
    PATH: `${folder}${delimiter}${process.env.PATH}`,
    HOME: folder,
    XDG_CONFIG_HOME: folder,
    XDG_DATA_HOME: folder,
    BOARDLOG_DATA: up.dataFolder,
  };
  const { stdout, stderr } = spawnSync(shell, args, {
    encoding: "utf8",
    cwd: folder,
    env,
    input,
    timeout: 120_000,
  });
  expect(stderr, shell).toBe("");
  return stdout;
}

/** What TAB offers for a line, by the shell's own means. */
type Complete = (line: string) => readonly string[];

const bash: Complete = (line) => {
  const words = line.split(" ").map((word) => `'${word}'`);
  const text = `source '${script("bash")}'
COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}; _boardlog; printf '%s\n' "\${COMPREPLY[@]}"`;
  return run("bash", ["-c", text])
    .split("\n")
    .filter((one) => one !== "");
};

const fish: Complete = (line) =>
  run(FISH.path ?? "", ["--no-config", "-c", `source '${script("fish")}'; complete -C '${line}'`])
    .split("\n")
    .filter((one) => one !== "")
    .map((one) => one.split("\t")[0] ?? "");

/** A zsh on a terminal of its own, in which the line is typed with TAB and Enter; what it then runs is what was completed. */
const zsh: Complete = (line) => {
  const text = `zmodload zsh/zpty
zpty z ${ZSH.path} -f -i
zpty -w z "PS1=; autoload -Uz compinit; compinit -u -D; source '${script("zsh")}'"
zpty -w z 'boardlog() { if [[ $1 == sources ]]; then command boardlog "$@"; else print -rl -- "GOT" "$@" "END"; fi }; print "REA""DY"'
zpty -r z said '*READY*'
zpty -w z $'${line}\t'
zpty -r z said $'*\nGOT*\nEND*'
print -r -- "$said"
zpty -d z`;
  const said = run(ZSH.path ?? "", ["-f"], text).replaceAll("\r", "");
  const got = said.slice(said.lastIndexOf("\nGOT\n") + 5, said.lastIndexOf("\nEND"));
  return got.split("\n").slice(-1);
};

const shells: readonly (readonly [string, Complete, boolean, string])[] = [
  ["bash", bash, false, ""],
  ["fish", fish, FISH.isMissing, FISH.note],
  ["zsh", zsh, ZSH.isMissing, ZSH.note],
];

for (const [shell, complete, isMissing, note] of shells) {
  describe.skipIf(isMissing)(`completions in a real ${shell}${note}`, () => {
    it("know commands, options, values, and the place of an argument", () => {
      expect(complete("boardlog ta")).toEqual(["tail"]);
      expect(complete("boardlog tail --lev")).toEqual(["--level"]);
      expect(complete("boardlog tail --level w")).toEqual(["warn"]);
      expect(complete("boardlog completion z")).toEqual(["zsh"]);
      expect(complete("boardlog level alpha --for 3m w")).toEqual(["warn"]);
    });

    it("name the sources that there are, and never run what a board calls itself", async () => {
      expect(complete("boardlog tail al")).toEqual(["alpha"]);
      expect(complete("boardlog level be")).toEqual(["beta"]);
      const [spaced] = complete("boardlog tail two");
      // Bash is given the text as it is to be typed.
      expect(shell === "bash" ? run("bash", ["-c", `printf %s ${spaced}`]) : spaced).toBe(SPACED);
      if (shell !== "zsh") expect(complete("boardlog tail ")).toHaveLength(4);
      expect(run("ls", [])).not.toContain("expanded");
    });
  });
}
