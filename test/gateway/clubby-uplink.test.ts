import { afterEach, describe, expect, test } from "vitest";
import { ClubbyHttp } from "../../gateway/outputs/clubby-http.ts";
import { ClubbySink, type ClubbySinkOptions } from "../../gateway/outputs/clubby-sink.ts";
import { ClubbySocket } from "../../gateway/outputs/clubby-socket.ts";
import type { GiveUp } from "../../gateway/outputs/sink.ts";
import type { Spool } from "../../gateway/spool/spool.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { SeededRandom, until } from "../support/gateway-world.ts";
import {
  type BenchWorld,
  type Haste,
  line,
  type Opened,
  OutputBench,
  rewindsIn,
} from "../support/output-bench.ts";
import { SeedFault, SeedService } from "../support/seed-service.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function started(scheme: string, options: Partial<ClubbySinkOptions> = {}, haste: Partial<Haste> = {}) {
  const service = new SeedService();
  await service.start();
  ends.push(() => service.stop());
  const refused: { entries: readonly NewEntry[]; reason: string }[] = [];
  const sinkOf = (world: BenchWorld, spool: () => Spool): ClubbySink => {
    const url = `${scheme}://127.0.0.1:${service.port}/`;
    const transport =
      scheme === "ws"
        ? new ClubbySocket(world, { url, at: "service" })
        : new ClubbyHttp(world, { url, at: "service", connectionsMax: 8 });
    const giveUp: GiveUp = async (entries, reason) => {
      refused.push({ entries, reason });
      await spool().giveUp(entries, reason);
    };
    return new ClubbySink(transport, giveUp, { name: "seed", frameCommandsMax: 1, ...options });
  };
  const bench = new OutputBench(sinkOf, {}, haste);
  ends.push(() => bench.stop());
  return { service, bench, refused, counters: bench.world.counters, ...(await bench.open()) };
}

describe.each(["http", "ws"])("a service written from the seed alone, over %s", (scheme) => {
  test("gets every line once, in order, in frames that the seed knows, and msg byte for byte", async () => {
    const { service, spool, sender } = await started(scheme, { dst: "//api.cesanta.com", key: "psk" });
    const odd = '{"big":12345678901234567890,"one":1.0,"b":"\\u00e9"}';
    for (let number = 1; number <= 40; number++)
      await spool.commit([line("a", number), line("//host/b", number)]);
    await spool.commit([line("a", 41, { msg: odd, stream: "uart", level: "warn", module: "m" })]);
    await until("all is sent", () => spool.waitingEntries === 0);
    expect(service.complaints).toEqual([]);
    for (const src of ["a", "//host/b"])
      expect(service.texts(src).slice(0, 40)).toEqual(
        Array.from({ length: 40 }, (_, index) => `${src} ${index + 1}`),
      );
    expect(service.logs.get("a")?.at(-1)).toMatchObject({ stream: "uart", timestamp: 1_700_000_000_041 });
    expect(service.logs.get("a")?.[0]).toMatchObject({ stream: "console" });
    expect(service.bodies.some((body) => body.includes(odd))).toBe(true);
    expect(service.keys).toEqual(new Set(["psk"]));
    expect(sender.problem).toBeUndefined();
  });

  test.each(Object.values(SeedFault))(
    "that shows the fault %s loses nothing and keeps the order",
    async (fault) => {
      const isHang = fault === SeedFault.Hang;
      const { service, spool, counters } = await started(scheme, {}, isHang ? { answerMs: 300 } : {});
      const random = new SeededRandom(7);
      let faults = 0;
      service.fault = () => {
        if (faults >= (isHang ? 5 : 12) || random.fraction() > 0.2) return SeedFault.None;
        faults += 1;
        return fault;
      };
      for (let number = 1; number <= 60; number++)
        await spool.commit(["a", "b", "c"].map((src) => line(src, number)));
      await until("all is sent", () => spool.waitingEntries === 0);
      const rewinds = ["a", "b", "c"].reduce((sum, src) => sum + rewindsIn(service.texts(src), 60), 0);
      // Only an answer that is lost makes an entry twice.
      const loses = fault === SeedFault.CloseAfter || fault === SeedFault.CutAnswer;
      expect(rewinds).toBeLessThanOrEqual(
        loses ? faults * 3 : fault === SeedFault.Hang || fault === SeedFault.CloseBefore ? faults * 3 : 0,
      );
      expect(counters.values().sent_total).toBe(180);
      expect(service.complaints).toEqual([]);
    },
  );

  test("that is restarted again and again, with a gateway that is killed, gets all of it", async () => {
    const { service, bench, ...first } = await started(scheme);
    let present: Opened = first;
    let number = 0;
    for (let round = 1; round <= 6; round++) {
      for (let count = 0; count < 30; count++) {
        number += 1;
        await present.spool.commit([line("a", number)]);
      }
      if (round % 2 === 0) {
        await service.stop();
        await service.start();
      } else {
        bench.kill(present);
        present = await bench.open();
      }
    }
    await until("all is sent", () => present.spool.waitingEntries === 0);
    expect(rewindsIn(service.texts("a"), number)).toBeLessThanOrEqual(6);
  });

  test("that refuses one line for good and takes others loses that one alone, with a loss record", async () => {
    const { service, spool, refused } = await started(scheme);
    service.statusOf = (_, msg) => (msg === "a 3" ? 400 : 0);
    for (let number = 1; number <= 5; number++) await spool.commit([line("a", number)]);
    await until("all is sent", () => spool.waitingEntries === 0);
    expect(refused).toMatchObject([{ entries: [{ seq: 3 }], reason: "status 400: told to refuse" }]);
    const texts = service.texts("a");
    expect(texts.slice(0, 4)).toEqual(["a 1", "a 2", "a 4", "a 5"]);
    expect(texts[4]).toMatchObject({
      first: 3,
      last: 3,
      where: "gateway",
      why: expect.stringMatching(/400/),
    });
  });

  test("that refuses everything loses nothing, however long, and says why", async () => {
    const { service, spool, sender, refused, counters } = await started(scheme);
    service.statusOf = () => 403;
    await spool.commit([line("a", 1), line("b", 1)]);
    await until("many tries", () => (counters.values().failures_total ?? 0) > 12);
    expect(sender.problem).toMatch(/a line of [ab] is refused for now: status 403/);
    service.statusOf = () => 0;
    await until("all is sent", () => spool.waitingEntries === 0);
    expect(refused).toEqual([]);
    expect([...service.texts("a"), ...service.texts("b")]).toEqual(["a 1", "b 1"]);
    expect(sender.problem).toBeUndefined();
  });
});

test("a frame that is slow while another fails is over before anything is sent again: the order is kept", async () => {
  const { service, spool } = await started("http");
  let calls = 0;
  // b fails at once, a is answered late: its next line must not come before that.
  service.fault = ({ src }) => {
    calls += 1;
    if (src === "b" && calls < 20) return SeedFault.CloseBefore;
    return src === "a" ? SeedFault.OutOfOrder : SeedFault.None;
  };
  for (let number = 1; number <= 30; number++) await spool.commit([line("a", number), line("b", number)]);
  await until("all is sent", () => spool.waitingEntries === 0);
  expect(rewindsIn(service.texts("a"), 30)).toBe(0);
  expect(rewindsIn(service.texts("b"), 30)).toBe(0);
});

test("a source that is no address gets the prefix that the service wants", async () => {
  const { service, spool } = await started("http", { srcPrefix: "//api.cesanta.com/" });
  await spool.commit([line("device_123", 1), line("//other/b", 1)]);
  await until("all is sent", () => spool.waitingEntries === 0);
  expect([...service.logs.keys()].sort()).toEqual(["//api.cesanta.com/device_123", "//other/b"]);
});

test("many commands in a frame go out together where the settings say so", async () => {
  const { service, spool } = await started("http", { frameCommandsMax: 25 });
  await spool.commit(Array.from({ length: 50 }, (_, index) => line("a", index + 1)));
  await until("all is sent", () => spool.waitingEntries === 0);
  expect(service.frameCount).toBeLessThanOrEqual(3);
  expect(rewindsIn(service.texts("a"), 50)).toBe(0);
});
