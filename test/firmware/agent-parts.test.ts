import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AgentSettings } from "../../firmware-js/agent/env.ts";
import type { Frame } from "../../protocol/frame.ts";
import { decodeFrameText } from "../../protocol/frame-decoder.ts";
import { PartJoiner } from "../../protocol/part-joiner.ts";
import { sequence } from "../../protocol/sequencing.ts";
import { bundleAgent, SIMULATOR_FEATURES } from "../../scripts/build-firmware.mjs";
import { compileAgent } from "../../sim/board.ts";
import { Bench } from "./agent-bench.ts";

const program = compileAgent(
  await bundleAgent([...SIMULATOR_FEATURES, "parts", "levels", "reserve", "words"]),
);

/** The gateway's way with frames, everything durable at once, over a link that loses what `loses` says. */
class Chain {
  readonly msgs: string[] = [];
  readonly verdicts: string[] = [];
  readonly frameBytes: number[] = [];
  readonly bench: Bench;
  #joiner = new PartJoiner();
  #mark = 0;

  constructor(settings: AgentSettings, loses: () => boolean = () => false) {
    this.bench = new Bench({
      program,
      settings,
      send: (text) => {
        this.frameBytes.push(text.length);
        if (!loses()) this.bench.time.after(5, () => this.#take(text, loses));
        return true;
      },
    });
  }

  restartGateway(): void {
    this.#joiner = new PartJoiner();
  }

  #take(text: string, loses: () => boolean): void {
    const decoded = decodeFrameText(text);
    if (!decoded.ok) throw new Error(`${decoded.problem.text}: ${text}`);
    const frame: Frame = decoded.value;
    const { boot } = frame;
    if (boot === undefined) throw new Error(text);
    const { verdicts, mark, resend } = sequence(boot, this.#joiner.join(frame), this.#mark);
    for (const verdict of verdicts) {
      this.verdicts.push(verdict.type);
      if (verdict.type === "entry") this.msgs.push(verdict.args.msg);
    }
    this.#mark = mark;
    if (!loses()) this.bench.ack(mark, resend ? { resend } : {});
  }
}

const long = (chars: number): string => "0123456789".repeat(Math.ceil(chars / 10)).slice(0, chars);

describe("a line longer than a frame", () => {
  test("goes in numbered parts, no frame larger than the link takes, and comes out whole, in its place", () => {
    const chain = new Chain({ ringBytesMax: 8192, frameBytesMax: 512 });
    chain.bench.console.info("before");
    chain.bench.console.warn(long(3000));
    chain.bench.console.info("behind");
    chain.bench.time.advance(1000);
    expect(chain.msgs.map((msg) => JSON.parse(msg))).toEqual(["before", long(3000), "behind"]);
    expect(Math.max(...chain.frameBytes)).toBeLessThanOrEqual(512);
    expect(chain.bench.agent.stats).toMatchObject({ cut: 0, acked: 3, ringBytes: 0, resentFrames: 0 });
  });

  test("an object of a direct call comes out as an object, with its module", () => {
    const chain = new Chain({ ringBytesMax: 4096, frameBytesMax: 400 });
    const value = { list: Array.from({ length: 200 }, (_, index) => index), text: 'quote " and \\' };
    chain.bench.agent.error(value);
    chain.bench.agent.module("wifi").warn(long(900));
    chain.bench.time.advance(1000);
    expect(chain.msgs.map((msg) => JSON.parse(msg))).toEqual([value, long(900)]);
  });

  test("a line that the ring does not hold is cut, says so, and goes in parts all the same", () => {
    const chain = new Chain({ ringBytesMax: 2048, frameBytesMax: 400 });
    chain.bench.console.info(long(5000));
    chain.bench.time.advance(1000);
    const text = JSON.parse(chain.msgs[0] ?? "") as string;
    const [, kept, missing] = /^(\d*) \[cut: (\d+) more\]$/.exec(text) ?? [];
    expect((kept?.length ?? 0) + Number(missing)).toBe(5000);
    expect(kept?.length).toBeGreaterThan(900);
    expect(chain.bench.agent.look().cut).toBe(1);
  });

  test("uses up one seq, and one drop notice when the ring is full", () => {
    const chain = new Chain({ ringBytesMax: 2800, frameBytesMax: 400 }, () => true);
    for (let line = 0; line < 5; line++) chain.bench.console.info(long(1000));
    expect(chain.bench.agent.stats).toMatchObject({ seq: 5, droppedOldest: 4, droppedNewest: 0 });
    expect(chain.bench.agent.look().dropped[0]).toEqual([0, 0, 4, 0, 0]);
  });

  test("is put together after the gateway forgot the first parts", () => {
    const chain = new Chain({ ringBytesMax: 8192, frameBytesMax: 300 });
    chain.bench.console.info(long(2000));
    chain.bench.time.advance(42);
    chain.restartGateway();
    chain.bench.time.advance(60_000);
    expect(chain.msgs.map((msg) => JSON.parse(msg))).toEqual([long(2000)]);
  });

  test("with surrogates split between parts it is whole", () => {
    const chain = new Chain({ ringBytesMax: 8192, frameBytesMax: 300 });
    const text = "\u{1f980}".repeat(300);
    chain.bench.console.log(text);
    chain.bench.time.advance(1000);
    expect(chain.msgs.map((msg) => JSON.parse(msg))).toEqual([text]);
  });

  test("whatever is lost on the way, each line comes once, whole and in order", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 900 }), fc.constantFrom("a", '"', "\u{1f980}", "\\")), {
          minLength: 1,
          maxLength: 5,
        }),
        fc.integer({ min: 300, max: 600 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
        (lines, frameBytesMax, dice) => {
          let isNoisy = true;
          const chain = new Chain(
            { ringBytesMax: 60_000, frameBytesMax },
            () => isNoisy && (dice.next().value ?? 0) < 3,
          );
          const texts = lines.map(([length, unit], index) => `${index} ${unit.repeat(length)}`);
          for (const text of texts) {
            chain.bench.console.info(text);
            chain.bench.time.advance(30);
          }
          chain.bench.time.advance(20_000);
          isNoisy = false;
          chain.bench.time.advance(120_000);
          expect(chain.msgs.map((msg) => JSON.parse(msg))).toEqual(texts);
          expect(Math.max(...chain.frameBytes)).toBeLessThanOrEqual(frameBytesMax);
          expect(chain.bench.agent.stats).toMatchObject({ cut: 0, acked: texts.length, ringBytes: 0 });
        },
      ),
      { numRuns: 25, endOnFailure: true },
    );
  });

  test("kept over a reset it comes in parts again", () => {
    const stored: (string | undefined)[] = [];
    const storage = {
      read: (index: number) => stored[index],
      write: (index: number, text: string) => {
        stored[index] = text || undefined;
      },
    };
    const first = new Bench({ program, storage, settings: { ringBytesMax: 4096, frameBytesMax: 400 } });
    first.console.info("short");
    first.console.info(long(1000));
    first.console.info("last");
    first.agent.keep();
    const joiner = new PartJoiner();
    const boot = { text: first.boot, json: JSON.stringify(first.boot) };
    const msgs: unknown[] = [];
    let mark = 0;
    const second = new Bench({
      program,
      storage,
      boot: "8",
      settings: { frameBytesMax: 400 },
      send: (text) => {
        const decoded = decodeFrameText(text);
        if (!decoded.ok) throw new Error(text);
        if (decoded.value.boot?.text === first.boot) {
          const sequenced = sequence(boot, joiner.join(decoded.value), mark);
          mark = sequenced.mark;
          for (const one of sequenced.verdicts) if (one.type === "entry") msgs.push(JSON.parse(one.args.msg));
          second.time.after(5, () =>
            second.agent.receive(JSON.stringify({ v: 1, boot: first.boot, ack: mark })),
          );
        }
        return true;
      },
    });
    second.time.advance(20_000);
    expect(msgs).toEqual(["short", long(1000), "last"]);
    expect(stored.join("")).toBe("");
  });
});
