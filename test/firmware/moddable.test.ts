import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import { crc32 } from "node:zlib";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";
import { bundleModdablePort } from "../../scripts/build-moddable.mjs";
import { findXs } from "../../scripts/install-xs.mjs";
import { runOnEngine } from "../../scripts/run-on-engine.mjs";
import { frameOf } from "./agent-bench.ts";

const xs = await findXs();
const onXs = "missing" in xs ? `XS (skipped: no engine; ${xs.missing})` : `XS (${xs.kind})`;

/** The scenario with the minified bundle, as one script; the SDK's modules come from the stand-ins. */
async function scenario(
  port: "serial" | "mqtt",
  features: readonly string[],
  name: string = port,
): Promise<string> {
  const agentText = await bundleModdablePort(port, features);
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`moddable/${name}-scenario.ts`, import.meta.url))],
    bundle: true,
    write: false,
    format: "iife",
    target: "es2022",
    charset: "ascii",
    plugins: [
      {
        name: "bundle",
        setup(building) {
          building.onResolve({ filter: /^boardlog$/ }, ({ path }) => ({ path, namespace: "bundle" }));
          building.onResolve({ filter: /^(timer|time|preference)$/ }, ({ path }) => ({
            path,
            namespace: "sdk",
          }));
          building.onLoad({ filter: /.*/, namespace: "bundle" }, () => ({ contents: agentText }));
          building.onLoad({ filter: /.*/, namespace: "sdk" }, ({ path }) => ({
            contents: `import { sdk } from "./stand-ins.ts"; export default sdk.${path};`,
            resolveDir: fileURLToPath(new URL("moddable", import.meta.url)),
          }));
        },
      },
    ],
  });
  return outputFiles[0]?.text ?? "";
}

async function onNode(script: string): Promise<string> {
  let printed = "";
  runInNewContext(script, {
    print: (text: string) => {
      printed += `${text}\n`;
    },
  });
  return printed;
}

async function resultOf(output: string): Promise<Record<string, unknown>> {
  const found = /^RESULT (\S+)$/m.exec(output)?.[1];
  if (found === undefined) throw new Error(`no result:\n${output}`);
  return JSON.parse(decodeURIComponent(found));
}

const serial = await scenario("serial", ["clock", "direct"]);
const mqtt = await scenario("mqtt", []);
const words = await scenario("serial", ["words"], "words");

describe.each([
  { name: "Node", run: onNode, isMissing: false },
  {
    name: onXs,
    run: (script: string) => ("missing" in xs ? Promise.reject() : runOnEngine(xs, script)),
    isMissing: "missing" in xs,
  },
])("the bundles for Moddable on $name", ({ run, isMissing }) => {
  test.skipIf(isMissing)("serial: ASCII frames with a CRC-32, in pieces that the UART takes", async () => {
    const result = await resultOf(await run(serial));
    const lines = (result.written as string).split("\n").slice(0, -1);
    const frames = lines.map((line) => {
      expect(line).toMatch(/^[ -~]+$/);
      expect(line.slice(-8)).toBe(crc32(line.slice(0, -8)).toString(16).padStart(8, "0"));
      expect(line.length + 1).toBeLessThanOrEqual(1024);
      return frameOf(line.slice(0, -8));
    });
    expect(result.sizes).toBeLessThanOrEqual(100);
    expect(frames[0]).toMatchObject({ src: "m", boot: "7-c0ffee", clock: "uptime" });
    const seen = new Map(
      frames.flatMap((frame) => frame.cmds.map(({ id, args }) => [id, [args.msg, args.level]])),
    );
    expect([...seen.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
    expect(seen.get(1)).toEqual(["grüße €😀", undefined]);
    expect(seen.get(2)).toEqual(['several 1 {"a":[true,null]}', "warn"]);
    expect(seen.get(3)).toEqual([{ kind: "object", text: "é" }, "info"]);
    expect(frames.at(-1)?.cmds[0]?.args.timestamp).toBeGreaterThan(1.79e12);
    expect(result.traced).toContain("grüße €😀\n");
    expect(result.traced).toContain('several 1 {"a":[true,null]}\n');
    expect(result).toMatchObject({
      noise: 1,
      badSum: 0,
      look: { seq: 15, acked: 15, badDownlinks: 2 },
      options: [115200, "buffer", 2],
    });
  });

  test.skipIf(isMissing)(
    "words: an unhandled exception is the last line, and the next boot sends what was left",
    async () => {
      const result = await resultOf(await run(words));
      expect(result).toMatchObject({ aborted: ["unhandled exception"], kept: false, left: 0 });
      expect(result.places).toBeGreaterThan(1);
      const frames = (result.frames as string[]).map((line) => frameOf(line.slice(0, -8)));
      const lines = (boot: string) => frames.filter((one) => one.boot === boot).flatMap((one) => one.cmds);
      const old = new Map(lines("1-a").map(({ id, args }) => [id, args.msg as string]));
      expect([...old.keys()]).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
      expect(old.get(20)).toMatch(/^line 19 /);
      expect(old.get(21)).toMatch(/^unhandled exception: Error: boom/);
      expect(lines("2-b").map(({ args }) => args.msg)).toEqual(["born"]);
      expect(frames.at(-1)?.boot).toBe("2-b");
      expect(result.look).toMatchObject({ seq: 1, acked: 1 });
    },
  );

  test.skipIf(isMissing)("MQTT: frames larger than the socket's buffer, acks, and a loss", async () => {
    const result = await resultOf(await run(mqtt));
    expect(result).toMatchObject({
      early: 0,
      other: 0,
      own: 1,
      waiting: 1,
      clients: [
        ["10.0.0.2", 1884, 60000],
        ["10.0.0.2", 1884, 60000],
      ],
      subscribed: [
        { topic: "boardlog/lab/pump-1/cmd", QoS: 1 },
        { topic: "boardlog/lab/pump-1/cmd", QoS: 1 },
      ],
    });
    const published = result.published as { topic: string; text: string; id: number; qos: number }[];
    const frames = published.map(({ topic, text, qos }) => {
      expect([topic, qos]).toEqual(["boardlog/lab/pump-1/log", 1]);
      return frameOf(text);
    });
    expect(published.map((one) => one.id)).toEqual(published.map((_, index) => index + 1));
    expect(Math.max(...published.map((one) => one.text.length))).toBeGreaterThan(400);
    const after = frames.slice(result.whole as number).flatMap((one) => one.cmds);
    expect(after.map((one) => one.id)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(after.at(-1)?.args.msg).toBe("while away");
  });
});
