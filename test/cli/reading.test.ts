import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BoardlogProcess, runBoardlog, until } from "../support/boardlog-process.ts";

const BIN = fileURLToPath(new URL("../../bin/boardlog.js", import.meta.url));
const T0 = 1_763_784_000_000;

let up: BoardlogProcess;

async function logLines(src: string, texts: readonly string[], more: object = {}): Promise<void> {
  const cmds = texts.map((msg, index) => ({
    cmd: "/v1/Log.Log",
    id: index,
    args: { src, msg, ...more },
  }));
  for (let at = 0; at < cmds.length; at += 1000) {
    const body = JSON.stringify({ v: 1, cmds: cmds.slice(at, at + 1000) });
    const response = await fetch(up.url, { method: "POST", body, headers: { "x-api-key": await up.key() } });
    expect(response.status).toBe(200);
  }
}

const run = (...args: string[]): ReturnType<typeof runBoardlog> =>
  runBoardlog([...args, "--data", up.dataFolder]);
const texts = (first: number, last: number): string[] =>
  Array.from({ length: last - first + 1 }, (_, index) => `line ${first + index}`);

beforeAll(async () => {
  up = await BoardlogProcess.create(["--quiet"]);
  await up.start();
  await logLines("alpha", texts(1, 2500));
  await logLines("beta", ["hot", "cold"], { level: "error", module: "pump" });
  await logLines("old", ["from the past"], { timestamp: T0 });
});
afterAll(() => up.remove());

describe("boardlog list", () => {
  it("pages through everything, oldest first, and takes the newest, a limit, and more than one source", async () => {
    const all = await run("list", "alpha", "--fields", "text");
    expect(all.stdout.trimEnd().split("\n")).toEqual(texts(1, 2500));
    expect((await run("list", "alpha", "--last", "1200", "--fields", "text")).stdout).toBe(
      `${texts(1301, 2500).join("\n")}\n`,
    );
    expect((await run("list", "--limit", "2", "--fields", "src,text")).stdout).toBe(
      "alpha\tline 1\nalpha\tline 2\n",
    );
    const two = await run("list", "beta", "old", "--fields", "text");
    expect(two.stdout).toBe("hot\ncold\nfrom the past\n");
  });

  it("filters by level, text, module and time", async () => {
    expect((await run("list", "--level", "WARN", "--fields", "text")).stdout).toBe("hot\ncold\n");
    expect((await run("list", "--grep", "^line 1[0-2]$", "--fields", "text")).stdout).toBe(
      "line 10\nline 11\nline 12\n",
    );
    expect((await run("list", "--grep", "^line 2", "--last", "2", "--fields", "text")).stdout).toBe(
      "line 2499\nline 2500\n",
    );
    expect((await run("list", "--module", "pump", "--fields", "text")).stdout).toBe("hot\ncold\n");
    expect((await run("list", "--until", "2025-11-23", "--fields", "text")).stdout).toBe("from the past\n");
    const recent = await run("list", "--since", "10m", "--fields", "text");
    expect(recent.stdout.split("\n")).toHaveLength(2503);
    expect(
      (await run("list", "--since", "2025-11-22T04:00:00Z", "--limit", "1", "--fields", "text")).stdout,
    ).toBe("line 1\n");
  });

  it("ends quietly when its reader has seen enough", () => {
    const command = `"${process.execPath}" "${BIN}" list --data "${up.dataFolder}" | head -2 | wc -l; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync("bash", ["-c", command], { encoding: "utf8" });
    expect(stdout.trim().split(/\s+/)).toEqual(["2", "0"]);
    expect(stderr).toBe("");
  });
});

describe("what is wrong is said plainly", () => {
  it("names the nearest sources", async () => {
    const { status, stderr } = await run("list", "alhpa");
    expect(stderr).toBe('boardlog: no source is called "alhpa": did you mean alpha?\n');
    expect(status).toBe(1);
  });

  it("tells a wrong key, a wrong project and a service that is away apart", async () => {
    const wrongKey = await runBoardlog(["tail", "--url", up.url, "--key", "wrong"]);
    expect(wrongKey).toMatchObject({ status: 1, stdout: "" });
    expect(wrongKey.stderr).toContain("does not know this key");
    const project = await run("list", "--project", "other");
    expect(project.stderr).toContain('refuses project "other"');
    const away = await run("list", "--url", `http://127.0.0.1:${up.mqttPort + 0}`);
    expect(away.status).toBe(1);
    expect(away.stderr).toContain("no log service answers");
  });

  it("answers wrong usage with status 2 and the option's name", async () => {
    for (const [args, words] of [
      [["list", "--since", "soon"], "--since: soon is no time"],
      [["list", "--level", "loud"], "--level: loud is not one of"],
      [["list", "--grep", "("], "--grep: "],
      [["list", "--fields", "nope"], "--fields: "],
      [["list", "--since", "1m", "--until", "2m"], "--until: must be later"],
      [["export", "--format", "xml"], "jsonl, csv, otlp"],
    ] as const) {
      const { status, stderr } = await run(...args);
      expect(stderr, args.join(" ")).toContain(words);
      expect(status, args.join(" ")).toBe(2);
    }
  });
});

describe("sources, losses, export, doctor", () => {
  it("lists who has logged", async () => {
    expect((await run("sources", "--names")).stdout.trim().split("\n").sort()).toEqual([
      "alpha",
      "beta",
      "old",
    ]);
    expect((await run("sources", "--json")).stdout).toContain('"src":"alpha"');
    expect((await run("sources")).stdout).toMatch(/^SOURCE .*\n(.*\n)*alpha +\d{4}-.* 2500 +0 +0 +server\n/);
  });

  it("says what is missing, and by its exit status with --check", async () => {
    expect(await run("losses", "alpha", "--check")).toMatchObject({
      status: 0,
      stdout: "nothing is missing\n",
    });
    const frame = {
      v: 1,
      src: "gappy",
      boot: "b1",
      first: 5,
      ack: true,
      cmds: [{ cmd: "/v1/Log.Log", id: 5, args: { msg: "five" } }],
    };
    await fetch(up.url, {
      method: "POST",
      body: JSON.stringify(frame),
      headers: { "x-api-key": await up.key() },
    });
    const { status, stdout } = await run("losses", "--check");
    expect(stdout).toContain("lines 1 to 4 (4) are missing of boot b1, lost at the link");
    expect(stdout).toContain("gappy: 4 lines missing in 1 place");
    expect(status).toBe(1);
  });

  it("exports every entry once, to a file that was not there", async () => {
    const output = join(up.dataFolder, "export.jsonl");
    const first = await run("export", "alpha", "--output", output);
    expect(first.stderr).toContain("2500 entries exported to");
    const lines = (await readFile(output, "utf8")).trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(texts(1, 2500));
    expect((await run("export", "alpha", "--output", output)).stderr).toContain("is there already");
    const nowhere = await run("export", "alpha", "--output", join(up.dataFolder, "none", "export.jsonl"));
    expect([nowhere.status, nowhere.stderr]).toEqual([1, expect.stringContaining("there is no such folder")]);
    await rm(output);
    const csv = await run("export", "beta", "--format", "csv", "--quiet");
    expect(csv.stdout.split("\r\n")).toHaveLength(4);
    expect(csv.stderr).toBe("");
    const otlp = await run("export", "beta", "--format", "otlp");
    expect(JSON.parse(otlp.stdout).resourceLogs[0].scopeLogs[0].logRecords).toHaveLength(2);
  });

  it("leaves whole pages behind when it is stopped on the way, and says how to get the rest", async () => {
    const output = join(up.dataFolder, "part.jsonl");
    const rest = join(up.dataFolder, "rest.jsonl");
    const key = await up.key();
    // Answers the first page, and nothing after it.
    let pageCount = 0;
    const stalling = createServer((request, response) => {
      if (request.url?.includes("/entries") && ++pageCount > 1) {
        child.kill("SIGINT");
        return;
      }
      void fetch(`${up.url}${request.url}`, { headers: { "x-api-key": key } }).then(async (answer) => {
        response.writeHead(answer.status, { "content-type": "application/json" });
        response.end(await answer.text());
      });
    });
    await new Promise<void>((resolve) => void stalling.listen(0, "127.0.0.1", resolve));
    const { port } = stalling.address() as AddressInfo;
    const args = ["export", "alpha", "--output", output, "--url", `http://127.0.0.1:${port}`, "--key", key];
    const child = spawn(process.execPath, [BIN, ...args], { stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const [status] = await once(child, "close");
    stalling.closeAllConnections();
    stalling.close();
    expect(status).toBe(130);
    expect(stderr).toContain(`stopped: 1000 entries are in ${output}; the rest: the same with --after `);
    const [, after = ""] = /--after (\S+)/.exec(stderr) ?? [];
    expect((await run("export", "alpha", "--after", after, "--output", rest)).status).toBe(0);
    const lines = ((await readFile(output, "utf8")) + (await readFile(rest, "utf8"))).trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(texts(1, 2500));
  });

  it("finds a sound machine sound, and says what to do about what is not", async () => {
    const key = await up.key();
    const good = await run("doctor", "--broker", `mqtt://default:${key}@127.0.0.1:${up.mqttPort}`);
    expect(good.stdout).toContain("takes this client");
    expect(good.stdout).toContain("the service knows it");
    expect(good.stdout).not.toContain(key);
    expect(good.status).toBe(0);
    const bad = await run(
      "doctor",
      "--broker",
      `mqtt://default:wrong@127.0.0.1:${up.mqttPort}`,
      "--key",
      "wrong",
    );
    expect(bad.stdout).toContain("refuses this user name and password");
    expect(bad.stdout).toContain("does not know this key");
    expect(bad.status).toBe(1);
    const notMqtt = await run("doctor", "--broker", `mqtt://127.0.0.1:${up.httpPort}`);
    expect(notMqtt.stdout).toContain("does not answer as an MQTT broker does");
  });
});

describe("the manual page", () => {
  it("prints a manual page with every command and option, without a request made of text", async () => {
    const { stdout } = await runBoardlog(["man"]);
    for (const words of [".SH NAME", "boardlog tail", "\\-\\-since <time>", ".SH EXIT STATUS"])
      expect(stdout).toContain(words);
    for (const line of stdout.split("\n").filter((one) => one.startsWith("."))) {
      expect(line).toMatch(/^\.(TH|SH|SS|TP|B|BR|I|IR)\b/);
    }
  });
});

describe("boardlog tail", () => {
  it("gives every line once, in order, across a service that is killed and started again, twice", async () => {
    const args = [
      "tail",
      "follow-me",
      "--last",
      "0",
      "--fields",
      "text",
      "--data",
      up.dataFolder,
      "--url",
      up.url,
    ];
    const child = spawn(process.execPath, [BIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    try {
      await until("it waits", () => said.includes("Waiting for it to log"));
      let next = 1;
      for (const signal of ["SIGKILL", "SIGTERM"] as const) {
        await logLines("follow-me", texts(next, next + 299));
        await up.end(signal);
        await up.start();
        await logLines("follow-me", texts(next + 300, next + 599));
        next += 600;
      }
      await until("all lines are there", () => out.split("\n").length > 1200);
      expect(out.trimEnd().split("\n")).toEqual(texts(1, 1200));
      expect(said).toContain("is away (");
      expect(said).toContain("the log service is back");
    } finally {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGINT");
      expect(await ended).toBe(0);
    }
  });

  it("ends by itself at --until, with what came before", async () => {
    const past = await run("tail", "beta", "--last", "9", "--until", "now", "--fields", "text");
    expect(past).toMatchObject({ status: 0, stdout: "hot\ncold\n" });
    const ahead = new Date(Date.now() + 3000).toISOString();
    expect(await run("tail", "beta", "-n", "1", "--until", ahead, "--fields", "text")).toMatchObject({
      status: 0,
      stdout: "cold\n",
    });
  });

  it("begins with history and runs on into live", async () => {
    const args = [
      "tail",
      "alpha",
      "--since",
      "1h",
      "--grep",
      "[05]$",
      "--fields",
      "text",
      "--data",
      up.dataFolder,
    ];
    const child = spawn(process.execPath, [BIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    try {
      await until("history is there", () => out.split("\n").length > 500);
      await logLines("alpha", texts(2501, 2510));
      await until("live is there", () => out.includes("line 2510"));
      expect(out.trimEnd().split("\n")).toEqual(texts(1, 2510).filter((text) => /[05]$/.test(text)));
    } finally {
      child.kill("SIGTERM");
    }
  });
});
