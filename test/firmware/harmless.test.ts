import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { bundlePort } from "../../scripts/build-firmware.mjs";
import { findXs } from "../../scripts/install-xs.mjs";
import { runOnEngine } from "../../scripts/run-on-engine.mjs";
import { runAsEspruino } from "./espruino-engine.ts";

const app = await readFile(fileURLToPath(new URL("harmless-app.js", import.meta.url)), "utf8");
const BUILDS: Record<string, readonly string[]> = {
  "the default": ["clock"],
  "every option": ["clock", "direct", "fold", "levels", "reserve", "words", "parts", "unacked"],
};
/** What an engine may have that Espruino has not. */
const ODD_VALUES = `
if (typeof Symbol !== "undefined") bites.symbol = Symbol("odd");
if (typeof BigInt !== "undefined") bites.big = BigInt(12);
if (typeof Proxy !== "undefined") bites.trap = new Proxy({}, { get() { throw new Error("trapped"); } });`;
const scripts: { readonly name: string; readonly script: string; readonly own: number }[] = [];
for (const [name, features] of Object.entries(BUILDS)) {
  const bundle = await bundlePort("serial", features);
  scripts.push({
    name,
    script: app.replace("AGENT_TEXT", () => bundle),
    // With last words, the start is a line too.
    own: features.includes("words") ? 1 : 0,
  });
}

const xs = await findXs();
const espruino = process.env.ESPRUINO;
const ENGINES = [
  {
    engine: "a stand-in for Espruino",
    isMissing: false,
    run: async (script: string) => {
      let printed = "";
      runAsEspruino(script.replace("ODD_VALUES;", ""), (text) => {
        printed += `${text}\n`;
      });
      return printed;
    },
  },
  {
    engine: "missing" in xs ? `XS (skipped: no engine; ${xs.missing})` : `XS (${xs.kind})`,
    isMissing: "missing" in xs,
    run: (script: string) =>
      "missing" in xs ? Promise.reject() : runOnEngine(xs, script.replace("ODD_VALUES;", ODD_VALUES)),
  },
  {
    engine: espruino
      ? "a real Espruino"
      : "a real Espruino (skipped: build Espruino's Linux port and set ESPRUINO to its bin/espruino)",
    isMissing: espruino === undefined,
    run: (script: string) =>
      runOnEngine({ kind: "espruino", path: espruino ?? "" }, script.replace("ODD_VALUES;", ""), (printed) =>
        /RESULT \S+\n|Uncaught/.test(printed),
      ),
  },
];

interface Look {
  readonly seq: number;
  readonly acked: number;
  readonly ringBytes: number;
  readonly reentrant: number;
  readonly cut: number;
}
interface Result {
  readonly threw: readonly string[];
  readonly bites: number;
  readonly bitten: { readonly printed: number; readonly look: Look; readonly reached: number };
  readonly alone: {
    readonly look: Look;
    readonly sentBytes: number;
    readonly printed: number;
    readonly timers: number;
  };
  readonly heard: { readonly missing: number; readonly acked: number };
  readonly burnt: { readonly seq: number; readonly ringBytes: number };
  readonly echo: { readonly seq: number; readonly reentrant: boolean };
  readonly mute: Record<string, string>;
  readonly timeless: { readonly seq: number };
  readonly jumps: Record<string, string>;
}

describe.each(ENGINES)("the agent never harms the app, on $engine", ({ run, isMissing }) => {
  test.skipIf(isMissing).each(scripts)(
    "$name: values that bite, nobody listening, broken wires, clocks that jump",
    async ({ script, own }) => {
      const output = await run(script);
      const found = /^RESULT (\S+)$/m.exec(output)?.[1];
      if (found === undefined) throw new Error(`no result:\n${output.slice(-2000)}`);
      const result = JSON.parse(decodeURIComponent(found)) as Result;
      expect(result.threw).toEqual([]);
      // Every call was printed and is a line of its own; nothing is lost, whatever it holds.
      const calls = 2 * result.bites + 3;
      expect(result.bitten.printed).toBe(calls + own);
      expect(result.bitten.look).toMatchObject({ seq: calls + own, reentrant: 0 });
      expect(result.bitten.reached).toBe(calls + own);
      // An hour alone: bounded memory, and ever fewer tries.
      expect(result.alone.look.seq).toBe(300 + own);
      expect(result.alone.look.ringBytes).toBeLessThanOrEqual(2048);
      expect(result.alone.printed).toBe(300 + own);
      expect(result.alone.sentBytes).toBeLessThan(60_000);
      expect(result.alone.timers).toBeLessThanOrEqual(3);
      expect(result.heard).toEqual({ missing: 0, acked: 300 + own });
      expect(result.burnt.seq).toBe(50 + own);
      expect(result.burnt.ringBytes).toBeLessThanOrEqual(2048);
      // The end of a frame is written from a timer, where what the wire logs is a line.
      expect(result.echo).toEqual({ seq: 21 + own, reentrant: true });
      expect(result.mute).toEqual(own === 0 ? { 1: "hello" } : { 1: "boardlog: boot 7", 2: "hello" });
      expect(result.timeless.seq).toBe(1 + own);
      expect(result.jumps).toEqual({
        ...(own === 1 && { 1: "boardlog: boot 7" }),
        ...Object.fromEntries(Array.from({ length: 9 }, (_value, at) => [at + 1 + own, `jump ${at}`])),
      });
    },
  );
});
