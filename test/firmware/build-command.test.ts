import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { BOARD_COMMANDS } from "../../cli/board-commands.ts";
import { runBuild } from "../../cli/build-command.ts";
import { findPorts } from "../../cli/ports-command.ts";
import { UserError } from "../../cli/user-error.ts";
import { PORTS } from "../../scripts/build-firmware.mjs";
import { MODDABLE_PORTS } from "../../scripts/build-moddable.mjs";
import { findUnsupported } from "../../scripts/espruino-syntax.mjs";
import { frameOf } from "./agent-bench.ts";
import { StandIn } from "./espruino-stand-in.ts";

const example = (name: string) => fileURLToPath(new URL(`../../examples/${name}/app.ts`, import.meta.url));

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "boardlog-build-"));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

async function problemOf(source: string, options: object = {}): Promise<string> {
  const app = join(await folder(), "app.ts");
  await writeFile(app, source);
  try {
    await runBuild(app, { target: "espruino", transport: "serial", out: `${app}.js`, ...options });
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  return "built";
}

describe("boardlog build", () => {
  test("without an app and without options gives the agent alone, within 4 KB", async () => {
    const out = join(await folder(), "agent.js");
    await runBuild(undefined, { target: "espruino", transport: "serial", out });
    const text = await readFile(out, "utf8");
    expect(text.length).toBeLessThanOrEqual(4096);
    expect(findUnsupported(text)).toEqual([]);
  });

  test("says how much RAM the agent takes, and what each option adds to it", async () => {
    const out = join(await folder(), "agent.js");
    const written = vi.spyOn(process.stdout, "write").mockImplementation((_text, done?: unknown) => {
      if (typeof done === "function") done();
      return true;
    });
    onTestFinished(() => written.mockRestore());
    const variablesOf = async (options: string) => {
      written.mockClear();
      await runBuild(undefined, { target: "espruino", transport: "serial", with: options, out });
      return Number(/about (\d+) variables for the agent/.exec(written.mock.calls.join(""))?.[1]);
    };
    const alone = await variablesOf("");
    expect(alone).toBeGreaterThan(400);
    expect(await variablesOf("words,levels")).toBeGreaterThan(alone + 100);
  });

  test("the examples build, and what the serial one logs comes out as frames", async () => {
    const at = await folder();
    const out = join(at, "serial.js");
    await runBuild(example("espruino-mqtt"), {
      target: "espruino",
      transport: "mqtt",
      out: join(at, "mqtt.js"),
    });
    await runBuild(example("espruino-console"), {
      target: "espruino",
      transport: "console",
      with: "clock,words",
      out: join(at, "console.js"),
    });
    await runBuild(example("espruino-serial"), {
      target: "espruino",
      transport: "serial",
      with: "clock,direct",
      out,
    });
    const text = await readFile(out, "utf8");
    expect(findUnsupported(text)).toEqual([]);
    const standIn = new StandIn();
    let written = "";
    let onData = (_: string) => {};
    const globals: Record<string, unknown> = {
      ...standIn.globals,
      D0: 0,
      D1: 1,
      Serial1: {
        setup: () => {},
        write: (piece: string) => {
          written += piece;
          const line = piece.endsWith("\n") ? written.split("\n").at(-2) : undefined;
          if (line === undefined) return;
          const { boot, cmds } = frameOf(line.slice(0, -8));
          const ack = JSON.stringify({ v: 1, boot, ack: cmds.at(-1)?.id ?? 0 });
          standIn.time.after(5, () => onData(`${ack}\n`));
        },
        on: (_: string, action: (text: string) => void) => {
          onData = action;
        },
      },
    };
    new Function(...Object.keys(globals), text)(...Object.values(globals));
    onData('{"v":1,"hello":1}\n');
    standIn.time.advance(20_500);
    const frames = written
      .split("\n")
      .slice(0, -1)
      .map((line) => frameOf(line.slice(0, -8)));
    expect(frames[0]).toMatchObject({
      src: "pump-1",
      cmds: [{ id: 1, args: { msg: "pump: started", level: "info" } }],
    });
    expect(frames.flatMap((one) => one.cmds.map((cmd) => cmd.args.msg))).toContainEqual({
      round: 10,
      current: 910,
    });
  });

  test.each([
    ["a default parameter", "export {};\nfunction f(a = 1) { return a; }\nconsole.log(f());", /app\.ts:2/],
    [
      "a closure in a loop",
      "const list: (() => number)[] = [];\nfor (let i = 0; i < 3; i++) {\n  list.push(() => i);\n}\nconsole.log(list.length);",
      /app\.ts:2: function in a loop/,
    ],
    ["a label", "a: for (;;) {\n  for (;;) continue a;\n}", /app\.ts:1: label/],
    [
      "an import that is not there",
      'import { x } from "nowhere-at-all";\nconsole.log(x);',
      /app\.ts:1: Could not resolve/,
    ],
  ])("refuses %s with file and line", async (_, source, problem) => {
    expect(await problemOf(source)).toMatch(problem);
  });

  test.each(["serial", "mqtt"])("the example for Moddable over %s builds", async (transport) => {
    const out = join(await folder(), "app.js");
    await runBuild(example(`moddable-${transport}`), {
      target: "moddable",
      transport,
      with: "clock,direct",
      out,
    });
    expect(await readFile(out, "utf8")).toContain('from"timer"');
  });

  test("for Moddable gives a module and its manifest, with what the app's own manifest must bring", async () => {
    const at = await folder();
    const out = join(at, "pump.js");
    const app = join(at, "app.ts");
    await writeFile(
      app,
      'import { start } from "boardlog";\nimport WiFi from "wifi";\nimport { rpm } from "./rpm.ts";\nstart({});\nconsole.log(WiFi, rpm);\n',
    );
    await writeFile(join(at, "rpm.ts"), "export const rpm: number = 42;\n");
    await runBuild(app, { target: "moddable", transport: "mqtt", out });
    const text = await readFile(out, "utf8");
    expect([...text.matchAll(/from"([^"]+)"/g)].map((one) => one[1]).sort()).toEqual([
      "preference",
      "timer",
      "wifi",
    ]);
    const manifest = JSON.parse(await readFile(join(at, "pump.manifest.json"), "utf8"));
    expect(manifest.modules).toEqual({ main: "./pump" });
    expect(manifest.include.join()).toContain("manifest_mqttclient.json");
  });

  test("the command line takes every link that there is", () => {
    const { options = [] } = BOARD_COMMANDS.find(({ name }) => name === "build") ?? {};
    const { choices = [] } = options.find(({ flags }) => flags.startsWith("--transport")) ?? {};
    expect([...choices].sort()).toEqual([...new Set([...PORTS, ...MODDABLE_PORTS])].sort());
  });

  test("refuses targets, links and options that are not there, in words", async () => {
    expect(await problemOf("", { target: "mongoose" })).toContain(
      "--target: must be one of espruino, moddable",
    );
    expect(await problemOf("", { transport: "smoke" })).toMatch(
      /--transport: on espruino .* one of serial, console, mqtt/,
    );
    expect(await problemOf("", { with: "clock,wings" })).toContain("there is no option wings");
    expect(await problemOf("", { transport: "console", with: "clock,plain" })).toMatch(
      /--with: there is no option plain for espruino over console, only clock, .*words/,
    );
  });
});

test("ports are listed with the name on the cable, and the path that stays", async () => {
  const root = await folder();
  await mkdir(join(root, "serial/by-id"), { recursive: true });
  for (const name of ["ttyACM0", "ttyACM10", "ttyACM2", "ttyAMA0", "tty1", "null"])
    await writeFile(join(root, name), "");
  await symlink("../../ttyACM2", join(root, "serial/by-id/usb-Raspberry_Pi_Pico_E6614-if00"));
  expect(await findPorts(root)).toEqual([
    { path: join(root, "ttyACM0"), name: "USB serial port" },
    {
      path: join(root, "ttyACM2"),
      stablePath: join(root, "serial/by-id/usb-Raspberry_Pi_Pico_E6614-if00"),
      name: "Raspberry Pi Pico E6614",
    },
    { path: join(root, "ttyACM10"), name: "USB serial port" },
    { path: join(root, "ttyAMA0"), name: "the computer's own serial pins" },
  ]);
  expect(await findPorts(join(root, "nowhere"))).toEqual([]);
});
