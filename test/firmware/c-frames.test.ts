import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeLine } from "../../protocol/serial-line.ts";
import { requires } from "../support/requirements.ts";
import acks from "../vectors/acks.json" with { type: "json" };
import vectors from "../vectors/compact-frames.json" with { type: "json" };
import { frameOf } from "./agent-bench.ts";

const gcc = requires("gcc");
const LEVELS = ["none", "debug", "info", "warn", "error"];

interface Entry {
  readonly msg: string;
  readonly level?: string;
  readonly module?: string;
  readonly stream?: string;
  readonly timestamp?: number;
  readonly uptime?: number;
}

describe.skipIf(gcc.isMissing)(`examples/c/boardlog.h, compiled for this machine${gcc.note}`, () => {
  let folder = "";
  let program = "";

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "boardlog-c-"));
    program = join(folder, "frames");
    const source = fileURLToPath(new URL("c-frames.c", import.meta.url));
    const flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "-fsanitize=undefined"];
    execFileSync(gcc.path ?? "", [...flags, "-o", program, source], { stdio: "pipe" });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function run(requests: readonly (readonly (string | number)[])[], ...args: string[]): string[] {
    const input = requests.map((one) => `${one.join("\t")}\n`).join("");
    const { stdout, stderr, status } = spawnSync(program, args, { input, encoding: "utf8" });
    expect([stderr, status]).toEqual(["", 0]);
    return stdout.split("\n").slice(0, -1);
  }

  /** Those that this page of C can say: acked, strings only, nothing dropped, the first level stated. */
  const sayable = vectors.flatMap((vector) => {
    const { id, line, frame, entries } = vector as unknown as {
      id: string;
      line?: string;
      frame?: { ack: boolean; boot: string; src?: string; first: number; now: number };
      entries?: readonly (Entry & { id: number })[];
    };
    if (line === undefined || !frame?.ack || entries === undefined || entries.length === 0) return [];
    const startMs = /^\["@[^"]*",(?:"[^"]*",)?\d+,\d+,(\d+),-?\d+,\d+,"/.exec(line)?.[1];
    const plain = entries.every(
      (one, index) =>
        one.msg.startsWith('"') &&
        one.module === undefined &&
        one.stream === undefined &&
        one.id === (entries[0]?.id ?? 0) + index,
    );
    const times = entries.map((one) => one.timestamp ?? one.uptime ?? 0);
    return plain && Number(startMs) === times[0] ? [{ id, line, frame, entries, times }] : [];
  });

  test("writes the frames of the test vectors byte for byte", () => {
    expect(sayable.length).toBeGreaterThanOrEqual(3);
    for (const { id, line, frame, entries, times } of sayable) {
      const { boot, src = "", first, now } = frame;
      const requests = [
        ["b", boot, src, first, (entries[0]?.id ?? 0) - first, times[0] ?? 0, now],
        ...entries.map((one, index) => [
          "l",
          LEVELS.indexOf(one.level ?? "none"),
          times[index] ?? 0,
          JSON.parse(one.msg),
        ]),
        ["s"],
      ];
      expect([id, ...run(requests)]).toEqual([id, line]);
    }
  });

  test("escapes everything that is not printable ASCII, and takes bytes that are no UTF-8", () => {
    const texts = ['quote " and \\', "grüße €😀", "\u0001\u001b[31mred\u007f", "", "x".repeat(300)];
    const [text = ""] = run([
      ["b", "1-c0ffee", "pump", 5, 2, 1000, 1500],
      ...texts.map((one, index) => ["l", index % 5, 1000 + index, one]),
      ["d", 3],
      ["m"],
    ]);
    expect(text).toMatch(/^[ -~]+$/);
    const frame = frameOf(text);
    expect(frame.cmds.slice(0, texts.length).map((one) => one.args.msg)).toEqual(texts);
    expect(frame.cmds[0]?.id).toBe(7);
    expect(frame.cmds.at(-1)?.args).toMatchObject({ stream: "loss" });
    const { stdout } = spawnSync(program, {
      input: Buffer.from("b\t1\t\t1\t0\t5\t5\nl\t0\t5\t\xe9\xff\x80a\nm\n", "latin1"),
      encoding: "utf8",
    });
    expect(frameOf(stdout.trim()).cmds[0]?.args.msg).toBe("éÿ\u0080a");
  });

  test("never writes beyond the buffer, and a line that does not fit leaves the frame whole", () => {
    for (let size = 80; size < 160; size++) {
      const answers = run(
        [
          ["b", "1-c0ffee", "", 1, 0, 1000, 1500],
          ["l", 0, 1000, "first"],
          ["l", 4, 1001, "é".repeat(12)],
          ["s"],
        ],
        String(size),
      );
      const line = answers.at(-1) ?? "";
      expect(line.length + 2).toBeLessThanOrEqual(size);
      const count = answers.includes("full") ? 1 : 2;
      expect(frameOf(line.slice(0, -8)).cmds.length).toBe(count);
    }
  });

  test("reads the acks of the test vectors, with and without checksum, and nothing else", () => {
    let read = 0;
    for (const { input, expected } of acks as readonly {
      input: { boot: string; seq: number; resend?: boolean };
      expected: { text: string };
    }[]) {
      const boot: unknown = JSON.parse(input.boot);
      if (typeof boot !== "string") continue;
      read++;
      for (const line of [encodeLine(expected.text, false), encodeLine(expected.text, true)]) {
        const expectedAnswer = `ack ${input.seq} ${expected.text.includes('"resend":true') ? 1 : 0}`;
        expect(run([["a", `> ${line.trim()}`, boot]])).toEqual([expectedAnswer]);
        expect(run([["a", line.trim(), `${boot}x`]])).toEqual(["none"]);
      }
      const damaged = encodeLine(expected.text, true).trim().replace('"ack":', '"ack":9');
      expect(run([["a", damaged, boot]])).toEqual(["none"]);
    }
    expect(read).toBeGreaterThan(0);
    expect(
      run([
        ["a", '{"v":1,"hello":1}', "b"],
        ["a", "noise", "b"],
      ]),
    ).toEqual(["none", "none"]);
  });
});
