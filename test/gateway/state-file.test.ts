import { describe, expect, test } from "vitest";
import { StateFile } from "../../gateway/state-file.ts";
import { FaultyDisk } from "../../sim/faulty-disk.ts";
import { SeededRandom, virtualWorld } from "../support/gateway-world.ts";

function setUp(stateOf: () => number | undefined) {
  const { log } = virtualWorld();
  const disk = new FaultyDisk(new SeededRandom(1));
  const written: string[] = [];
  const waiting: (() => void)[] = [];
  let isFull = false;
  const replace = disk.replace.bind(disk);
  disk.replace = async (name, content) => {
    written.push(Buffer.from(content).toString("utf8"));
    await new Promise<void>((resolve) => waiting.push(resolve));
    if (isFull) throw new Error("disk full");
    await replace(name, content);
  };
  const file = new StateFile<number>(
    { disk, log },
    {
      name: "state.json",
      decode: (value) => ({ ok: true, value: Number(value) }),
      state: stateOf,
      unreadable: "it is forgotten",
      unwritable: "it is forgotten",
    },
  );
  return {
    file,
    log,
    written,
    fill: () => {
      isFull = true;
    },
    /** Lets the write that is under way end. */
    end: async () => {
      await turn();
      waiting.shift()?.();
      await turn();
    },
  };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("what a gateway remembers over a restart", () => {
  test("all who ask while a write is under way share the next, which has what stood last", async () => {
    let state = 1;
    const { file, written, end } = setUp(() => state);
    const done: string[] = [];
    const save = (name: string) => void file.save().then(() => done.push(name));
    save("first");
    await turn();
    state = 2;
    save("second");
    save("third");
    state = 3;
    save("fourth");
    await turn();
    expect([written, done]).toEqual([["1\n"], []]);
    await end();
    expect([written, done]).toEqual([["1\n", "3\n"], ["first"]]);
    await end();
    expect(done).toEqual(["first", "second", "third", "fourth"]);
    expect(await file.read()).toBe(3);
    save("fifth");
    await end();
    expect(written.length).toBe(3);
  });

  test("nothing is written where nothing has to be", async () => {
    const { file, written } = setUp(() => undefined);
    await file.save();
    expect(written).toEqual([]);
  });

  test("what cannot be written is told of, and the next save tries again", async () => {
    const { file, log, written, fill, end } = setUp(() => 7);
    fill();
    for (let index = 0; index < 2; index++) {
      const saved = file.save();
      await end();
      await saved;
    }
    expect(written.length).toBe(2);
    expect(log.lines.map(({ text }) => text)).toEqual([
      "could not be written; after a restart it is forgotten",
      "could not be written; after a restart it is forgotten",
    ]);
  });
});
