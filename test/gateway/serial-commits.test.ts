import { expect, test } from "vitest";
import { GatewayCore } from "../../gateway/gateway-core.ts";
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
