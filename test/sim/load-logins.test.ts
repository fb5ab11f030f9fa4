import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import mqtt from "mqtt";
import { describe, expect, test } from "vitest";
import { brokerOf, brokerUrl, keysFor, mosquittoLogins, withCredentials } from "../../cli/sim-logins.ts";
import { deviceName } from "../../sim/load/load-device.ts";
import type { DeviceLogin } from "../../sim/load/load-options.ts";
import { temporaryFolder } from "../store/store-drivers.ts";
import { BIN, BoardlogProcess, pause, runBoardlog } from "../support/boardlog-process.ts";
import { Mosquitto } from "../support/mosquitto.ts";
import { requires } from "../support/requirements.ts";

const need = requires("mosquitto");
const LOAD = ["--duration", "2", "--rate", "2", "--json", "--no-live"];

function names(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => deviceName(index));
}

/** The text of a file of credentials. */
function linesOf(logins: readonly (readonly [name: string, login: DeviceLogin])[]): string {
  return logins.map(([name, { username, password }]) => `${name} ${username} ${password}\n`).join("");
}

/** The second board shows what is the third's. */
function mixedUp(of: readonly string[], loginOf: (name: string) => DeviceLogin): string {
  const others = new Map([["load-1", "load-2"]]);
  return linesOf(
    of.map((name) => {
      const { password = "" } = loginOf(others.get(name) ?? name);
      return [name, { username: name, password }];
    }),
  );
}

describe("a broker's address", () => {
  test("names the board where {device} stands, in user name and password, and percent signs are decoded", () => {
    const broker = brokerOf("mqtt://b%20{device}:s%3A{device}%40{device}%25@[::1]:1999");
    expect([broker.host, broker.port]).toEqual(["::1", 1999]);
    const login = broker.loginOf("load-7");
    expect(login).toEqual({ username: "b load-7", password: "s:load-7@load-7%" });
    const url = brokerUrl(broker, login);
    expect(brokerOf(url).loginOf("load-8")).toEqual(login);
  });

  test("without {device} is one login for all, or none", () => {
    expect(brokerOf("mqtt://anna:secret@host").loginOf("load-7")).toEqual({
      username: "anna",
      password: "secret",
    });
    expect(brokerOf("mqtt://host").loginOf("load-7")).toEqual({});
  });

  test("that is wrong is told without its password", () => {
    expect(() => brokerOf("mqtts://anna:hidden@host")).toThrow("mqtts://anna:[redacted]@host is neither");
    expect(() => brokerOf("mqtt://anna:hidden%4@host")).toThrow(/^(?!.*hidden).*two hex digits/);
  });
});

describe("a file of credentials", () => {
  async function read(text: string, devices = names(2)) {
    const { dir, remove } = await temporaryFolder();
    const file = join(dir, "logins");
    await writeFile(file, text);
    try {
      return await withCredentials(brokerOf("mqtt://common:word@host"), file, devices);
    } finally {
      await remove();
    }
  }

  test("gives each board its line's login, and the gateway its own or that of the address", async () => {
    const broker = await read("# boards\nload-0 anna one\r\n\n  load-1\tbert  two words \n");
    expect(broker.loginOf("load-0")).toEqual({ username: "anna", password: "one" });
    expect(broker.loginOf("load-1")).toEqual({ username: "bert", password: "two words" });
    expect(broker.loginOf("gateway")).toEqual({ username: "common", password: "word" });
    const named = await read("load-0 anna one\nload-1 bert two\ngateway all three\n");
    expect(named.loginOf("gateway")).toEqual({ username: "all", password: "three" });
  });

  test("that is wrong is told with its name and line, and without a secret", async () => {
    await expect(read("load-0 anna one\nload-1 hidden\n")).rejects.toThrow(
      /logins, line 2: must be (?!.*hidden)/,
    );
    await expect(read("load-0 anna one\nload-0 anna two\n")).rejects.toThrow(
      "line 2: load-0 has a line above",
    );
    await expect(read("load-0 anna one\n")).rejects.toThrow("has no line for load-1");
    const nowhere = withCredentials(brokerOf("mqtt://host"), "/nowhere", []);
    await expect(nowhere).rejects.toThrow("--credentials: /nowhere: there is no such file");
    const own = await runBoardlog(["sim", "--devices", "2", "--credentials", "/nowhere"]);
    expect([own.status, own.stderr]).toEqual([2, expect.stringContaining("--credentials: is for a broker")]);
  });
});

test("100 boards on the broker inside have keys of their own, which stand on no command line and in no output", async () => {
  const { files, output, status } = await watchedLoad([], "keys.json");
  const { keys } = JSON.parse(files) as { keys: { src?: string; rights: string[]; hash: string }[] };
  const ofBoards = keys.filter(({ src }) => src !== undefined);
  expect(ofBoards.map(({ src }) => src)).toEqual(names(100));
  expect(new Set(keys.map(({ hash }) => hash)).size).toBe(101);
  expect(new Set(ofBoards.flatMap(({ rights }) => rights))).toEqual(new Set(["write"]));
  expect([status, output]).toEqual([0, expect.stringContaining('"isClean":true')]);
  expect(output).not.toMatch(/blk_/);
});

test.skipIf(need.isMissing)(
  `100 boards on a Mosquitto that is started have passwords of their own${need.note}`,
  async () => {
    const { files, output, status } = await watchedLoad(["--broker", "mosquitto"], "mosquitto.passwords");
    const lines = files.trim().split("\n");
    expect(lines.map((line) => line.split(":")[0])).toEqual([...names(100), "gateway"]);
    expect(new Set(lines.map((line) => line.split(":")[1])).size).toBe(101);
    expect([status, output]).toEqual([0, expect.stringContaining('"isClean":true')]);
  },
);

test("a board with another's key is refused by the broker inside, and the load says so", async () => {
  const up = await BoardlogProcess.create(["--quiet"]);
  const loginOf = await keysFor(up.dataFolder, names(3), true);
  await up.start();
  const file = join(up.dataFolder, "logins");
  const service = ["--service", up.url, "--key", await up.key()];
  const broker = ["--broker", `mqtt://127.0.0.1:${up.mqttPort}`, "--credentials", file];
  const args = ["sim", "--devices", "3", ...LOAD, ...broker, ...service];
  await writeFile(file, linesOf(names(3).map((name) => [name, loginOf(name)])));
  const good = await runBoardlog(args);
  expect([good.status, good.stdout]).toEqual([0, expect.stringContaining('"isClean":true')]);
  await writeFile(file, mixedUp(names(3), loginOf));
  const wrong = await runBoardlog(args);
  expect([wrong.status, wrong.stderr]).toEqual([
    1,
    expect.stringContaining("refuses the credentials of boards (so far of 1;"),
  ]);
  expect(wrong.stderr).not.toMatch(/blk_/);
  await up.end("SIGTERM");
  await up.remove();
});

describe.skipIf(need.isMissing)(`a Mosquitto that knows the boards by name${need.note}`, () => {
  async function start(count: number) {
    const { dir, remove } = await temporaryFolder();
    const { loginOf, passwordFile, aclFile } = mosquittoLogins(names(count));
    await writeFile(join(dir, "passwords"), passwordFile);
    await writeFile(join(dir, "acl"), aclFile);
    const mosquitto = new Mosquitto(need.path ?? "", [
      "allow_anonymous false",
      `password_file ${join(dir, "passwords")}`,
      `acl_file ${join(dir, "acl")}`,
    ]);
    await mosquitto.start();
    return {
      url: mosquitto.url,
      loginOf,
      file: join(dir, "logins"),
      end: async () => {
        await mosquitto.dispose();
        await remove();
      },
    };
  }

  test("takes a load whose boards and gateway have their own lines in --credentials, and refuses one whose boards are mixed up", async () => {
    const { url, loginOf, file, end } = await start(3);
    const all = [...names(3), "gateway"];
    const args = ["sim", "--devices", "3", ...LOAD, "--broker", url, "--credentials", file];
    await writeFile(file, linesOf(all.map((name) => [name, loginOf(name)])));
    const good = await runBoardlog(args);
    expect([good.status, good.stdout]).toEqual([0, expect.stringContaining('"isClean":true')]);
    await writeFile(file, mixedUp(all, loginOf));
    const wrong = await runBoardlog(args);
    expect([wrong.status, wrong.stderr]).toEqual([
      1,
      expect.stringContaining("refuses the credentials of boards"),
    ]);
    const none = await runBoardlog(["sim", "--devices", "3", ...LOAD, "--broker", url]);
    expect([none.status, none.stderr]).toEqual([
      1,
      expect.stringContaining("refuses the login of load-0; does it want"),
    ]);
    await end();
  });

  test("takes from a board what is its own, and nothing in another's name", async () => {
    const { url, loginOf, end } = await start(2);
    const gateway = await mqtt.connectAsync(url, loginOf("gateway"));
    const heard: string[] = [];
    gateway.on("message", (topic) => heard.push(topic));
    await gateway.subscribeAsync("boardlog/default/+/log", { qos: 1 });
    const board = await mqtt.connectAsync(url, loginOf("load-0"));
    await board.publishAsync("boardlog/default/load-1/log", "not mine", { qos: 1 });
    await board.publishAsync("boardlog/default/load-0/log", "mine", { qos: 1 });
    await expect.poll(() => heard, { timeout: 60_000 }).toEqual(["boardlog/default/load-0/log"]);
    await board.endAsync();
    await gateway.endAsync();
    await end();
  });
});

/** A load of 100 boards: what it said, and a file of its folder as it was while the load ran. */
async function watchedLoad(
  args: readonly string[],
  wanted: string,
): Promise<{ readonly files: string; readonly output: string; readonly status: number }> {
  const { dir, remove } = await temporaryFolder();
  const sim = spawn(process.execPath, [BIN, "sim", "--devices", "100", ...LOAD, ...args], {
    env: { ...process.env, TMPDIR: dir },
  });
  const gone = once(sim, "exit");
  let output = "";
  for (const stream of [sim.stdout, sim.stderr]) stream.on("data", (bytes: Buffer) => (output += bytes));
  let files = "";
  while (sim.exitCode === null) {
    for (const line of commandLines()) {
      if (line.includes(dir)) expect(line).not.toMatch(/blk_|mqtt:\/\/[^/]*@/);
    }
    files = readWithin(dir, wanted) ?? files;
    await pause(50);
  }
  const [status] = (await gone) as [number];
  await remove();
  return { files, output, status };
}

function readWithin(dir: string, wanted: string): string | undefined {
  try {
    const path = readdirSync(dir, { recursive: true, encoding: "utf8" }).find((name) =>
      name.endsWith(wanted),
    );
    return path === undefined ? undefined : readFileSync(join(dir, path), "utf8");
  } catch {
    return undefined; // It was removed meanwhile.
  }
}

function commandLines(): readonly string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      return [readFileSync(`/proc/${pid}/cmdline`, "utf8")];
    } catch {
      return []; // It ended meanwhile.
    }
  });
}
