import { expect, test } from "vitest";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import { SeededRandom, virtualWorld } from "../support/gateway-world.ts";
import { HandByteLink } from "../support/hand-byte-link.ts";
import { consoleText, StandIn } from "./espruino-stand-in.ts";
import { PromptModel } from "./prompt-model.ts";

const LINES = 120;

/** The built agent at a prompt, a wire that loses, damages, cuts and doubles, a person at it, and a real gateway, under one seed. */
function openChain(seed: number) {
  const world = virtualWorld();
  const { time } = world;
  const random = new SeededRandom(seed);
  const chance = (share: number): boolean => random.fraction() < share;
  const upTo = (count: number): number => Math.floor(random.fraction() * count);
  let isHarmless = false;

  const flip = (text: string): string => {
    const at = upTo(text.length);
    return text.slice(0, at) + String.fromCharCode(33 + upTo(90)) + text.slice(at + 1);
  };
  /** Pieces arrive in order, each a little later. */
  const inPieces = (to: (piece: string) => void) => {
    let freeMs = 0;
    return (text: string): void => {
      for (let at = 0; at < text.length; ) {
        const piece = text.slice(at, at + 1 + upTo(60));
        at += piece.length;
        freeMs = Math.max(freeMs, time.monotonicMs()) + random.fraction();
        time.after(freeMs - time.monotonicMs(), () => to(piece));
      }
    };
  };
  const toGateway = inPieces((piece) => link.say(piece));
  const toBoard = inPieces((piece) => prompt.hear(piece));

  const standIn = new StandIn(new Map(), time);
  const { globals } = standIn;
  const prompt = new PromptModel(
    (code) => new Function("global", `with (global) { return (${code || "undefined"}\n) }`)(globals),
    toGateway,
    (action) => time.after(0, action),
  );
  const print = (text: string): void => {
    if (isHarmless || !text.startsWith('["!')) prompt.print(text);
    else if (chance(0.1)) return;
    else prompt.print(chance(0.08) ? flip(text) : chance(0.05) ? text.slice(0, upTo(text.length)) : text);
  };
  Object.assign(globals, { print });
  for (const name of ["log", "info", "warn", "error", "debug"])
    (globals.console as Record<string, unknown>)[name] = print;
  (globals.E as Record<string, unknown>).getConsole = () => "USB";

  const link = new HandByteLink((call) => {
    if (isHarmless) toBoard(call);
    else if (!chance(0.12))
      toBoard(
        chance(0.1)
          ? flip(call)
          : chance(0.06)
            ? call.slice(0, upTo(call.length))
            : chance(0.1)
              ? call + call
              : call,
      );
  });
  const core = new GatewayCore(world);
  core.addSerial(link, { project: "default", source: "esp", isConsole: true });
  return {
    ...{ time, world, random, upTo, standIn, print },
    type: toBoard,
    heal: () => {
      isHarmless = true;
    },
  };
}

test.each(Array.from({ length: 25 }, (_, seed) => seed))(
  "seed %i: each line comes once, as text or as an entry, in order, whatever the wire does to calls and frames",
  async (seed) => {
    const { time, world, upTo, standIn, print, type, heal } = openChain(seed);
    await time.advanceAsync(upTo(1500));
    const agent = standIn.start(consoleText, { ringBytesMax: 65_536 });
    for (let n = 1; n <= LINES; n++) {
      standIn.log(`line ${n} ${"x".repeat(upTo(150))}`);
      if (n % 7 === 0) print(`print ${n}`);
      if (n % 15 === 0) for (const key of "1+1\n") type(key);
      await time.advanceAsync(upTo(n % 20 === 0 ? 8_000 : 120));
    }
    heal();
    await time.advanceAsync(180_000);
    expect(agent.look()).toMatchObject({ ringBytes: 0, dropped: [Array(5).fill(0), Array(5).fill(0)] });

    const numberOf = (text: string): number => Number(/^line (\d+) x*$/.exec(text)?.[1]);
    const sent = world.uplink.texts("esp").map(numberOf);
    const uart = world.uplink.texts("esp", "uart");
    const shown = uart.map(numberOf).filter((n) => n > 0);
    expect(sent).toEqual([...sent].sort((a, b) => a - b));
    expect([...sent, ...shown].sort((a, b) => a - b)).toEqual(Array.from({ length: LINES }, (_, i) => i + 1));
    expect(world.uplink.texts("esp", "loss")).toEqual([]);
    const prints = uart.filter((text) => text.startsWith("print "));
    expect(prints).toEqual(Array.from({ length: Math.floor(LINES / 7) }, (_, i) => `print ${7 * (i + 1)}`));
    for (const text of uart) expect(text).not.toMatch(/^>?$|\r/);

    for (const key of "6*7\n") {
      type(key);
      await time.advanceAsync(50);
    }
    await time.advanceAsync(100);
    expect(world.uplink.texts("esp", "uart").slice(-2)).toEqual(["6*7", "=42"]);
  },
);
