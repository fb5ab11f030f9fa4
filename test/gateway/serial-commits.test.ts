import { expect, test } from "vitest";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import { encodeLine } from "../../protocol/serial-line.ts";
import { logLine } from "../support/frames.ts";
import { virtualWorld } from "../support/gateway-world.ts";
import { HandByteLink } from "../support/hand-byte-link.ts";

test("frames and text of one read go into one commit, in their order, and get one ack", async () => {
  const world = virtualWorld();
  const link = new HandByteLink();
  new GatewayCore(world).addSerial(link, { project: "default", source: "pump" });
  const frame = (id: number): string => logLine({ boot: "b", ack: true }, [{ id, msg: `line ${id}` }]);
  link.say(frame(1));
  await world.time.advanceAsync(100);
  link.down.length = 0;
  const before = world.uplink.commits.length;
  link.say(`before\n${frame(2)}${frame(3)}between\n${frame(4)}after\n`);
  await world.time.advanceAsync(100);
  expect(world.uplink.commits.length - before).toBe(1);
  expect(world.uplink.entries.slice(1).map(({ msg }) => JSON.parse(msg))).toEqual([
    "before",
    "line 2",
    "line 3",
    "between",
    "line 4",
    "after",
  ]);
  expect(link.down.filter((line) => line.includes('"ack":'))).toEqual([expect.stringContaining('"ack":4,')]);
});

test("frames are taken once and in their order, wherever reads cut them, whatever stands between them and however long they wait", async () => {
  const compact = (seq: number, src: string): string =>
    encodeLine(
      JSON.stringify([
        `@b-${src}`,
        src,
        seq,
        0,
        1_763_784_000_000 + seq,
        0,
        `line ${seq}`,
        5,
        `line ${seq + 1}`,
      ]),
      true,
    );
  const said = (src: string): string =>
    [1, 3, 5, 7, 9, 11].map((seq) => `${compact(seq, src)}text behind ${seq}\n`).join("");
  for (const readBytes of [1, 7, 100, 150, 1_000]) {
    const { links, time, uplink, commit, freeDisk } = slowGateway(2);
    const wires = [said("pump-0"), said("pump-1")];
    for (let start = 0; start < Math.max(...wires.map(({ length }) => length)); start += readBytes) {
      for (const [index, wire] of wires.entries()) links[index]?.say(wire.slice(start, start + readBytes));
      if (start % 3 === 0) await time.advanceAsync(1);
    }
    await time.advanceAsync(1);
    freeDisk();
    commit();
    await time.advanceAsync(100);
    for (const src of ["pump-0", "pump-1"]) {
      expect(uplink.texts(src)).toEqual(Array.from({ length: 12 }, (_, index) => `line ${index + 1}`));
      expect(uplink.texts(src, "uart")).toEqual([1, 3, 5, 7, 9, 11].map((seq) => `text behind ${seq}`));
    }
  }
});

/** Ports with one source each, of which a commit takes ten entries, and a disk that takes what it is told. */
function slowGateway(portCount: number) {
  const world = virtualWorld();
  let commit = (): void => {};
  world.uplink.gate = () => new Promise((resolve) => (commit = resolve));
  const core = new GatewayCore(world, { readAheadEntries: 10, commitEntriesMax: 50 });
  const links = Array.from({ length: portCount }, () => new HandByteLink());
  for (const [index, link] of links.entries())
    core.addSerial(link, { project: "default", source: `pump-${index}` });
  return {
    ...world,
    core,
    links,
    commit: () => commit(),
    freeDisk: () => (world.uplink.gate = async () => {}),
  };
}

const numbered = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `line ${from + index}`);
const say = (link: HandByteLink | undefined, lines: readonly string[]): void =>
  link?.say(lines.map((line) => `${line}\n`).join(""));

test("what ports bring while a commit is under way is taken as far as the next one wants it; the rest waits as it came", async () => {
  const { core, links, time, uplink, commit, freeDisk } = slowGateway(20);
  say(links[0], ["first"]);
  await time.advanceAsync(1);
  for (const from of [0, 10]) for (const link of links) say(link, numbered(from, 10));
  await time.advanceAsync(1);
  // The first, and as many more as are wanted, cut where a read ends.
  expect(core.queuedEntries).toBe(1 + 20);
  commit();
  await time.advanceAsync(1);
  expect(core.queuedEntries).toBe(20 + 20);
  freeDisk();
  commit();
  await time.advanceAsync(100);
  expect(uplink.texts("pump-0", "uart")).toEqual(["first", ...numbered(0, 20)]);
  for (let port = 1; port < links.length; port++)
    expect(uplink.texts(`pump-${port}`, "uart")).toEqual(numbered(0, 20));
});

test("a disk that takes long lets ports be read on, up to what a commit can take", async () => {
  const { core, links, time } = slowGateway(20);
  say(links[0], ["first"]);
  await time.advanceAsync(1);
  for (const link of links) say(link, numbered(0, 10));
  await time.advanceAsync(1);
  expect(core.queuedEntries).toBe(1 + 20);
  await time.advanceAsync(1_000);
  expect(core.queuedEntries).toBeGreaterThanOrEqual(50);
});

test("a line that is cut while it waits ends where the wire went, and a stop takes all that was read", async () => {
  const { core, links, time, uplink, commit, freeDisk } = slowGateway(2);
  const [pump, other] = links;
  say(other, ["first"]);
  await time.advanceAsync(1);
  say(other, numbered(0, 40));
  say(pump, ["whole"]);
  pump?.say("cut off in the midd");
  pump?.replug();
  say(pump, ["new", "wire"]);
  expect(core.queuedEntries).toBe(1 + 40);
  const stopped = core.stop();
  freeDisk();
  commit();
  await time.advanceAsync(3_000);
  await stopped;
  expect(uplink.texts("pump-0", "uart")).toEqual(["whole", "cut off in the midd", "new", "wire"]);
});
