import { expect, test } from "vitest";
import type { WireEvents } from "../../sim/load/device-wire.ts";
import { LatencyTable } from "../../sim/load/latency-table.ts";
import { LoadDevice } from "../../sim/load/load-device.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { builtAgent } from "./agent-program.ts";

test("a delay is over when it is over, however much is logged meanwhile, and frames keep their order", async () => {
  const time = new VirtualTime();
  const sent: { readonly seq: number; readonly atMs: number }[] = [];
  let events: WireEvents | undefined;
  const device = new LoadDevice(
    { clock: time, timers: time, latency: new LatencyTable() },
    await builtAgent(),
    {
      index: 0,
      boot: "b",
      ringBytesMax: 8192,
      message: (seq) => `line ${seq} of this board`,
      level: () => "log",
      openWire: (on) => {
        events = on;
        return {
          isUp: true,
          isRefused: false,
          connectCount: 1,
          start: () => {},
          send: (frame) => {
            for (const [, seq] of frame.matchAll(/line (\d+) of/g)) {
              sent.push({ seq: Number(seq), atMs: time.monotonicMs() });
            }
            const ack = sent.at(-1)?.seq;
            time.after(1, () => events?.onCommand(JSON.stringify({ v: 1, boot: "b-0", ack })));
            return true;
          },
          cut: () => {},
          keepAlive: () => {},
          end: () => {},
        };
      },
    },
  );
  events?.onUp();
  device.fault("delay", 1000);
  const loggedMs = new Map<number, number>();
  for (let seq = 1; seq <= 30; seq++) {
    loggedMs.set(seq, time.monotonicMs());
    device.log(1);
    time.advance(100);
  }
  time.advance(1000);
  const first = [...new Map([...sent].reverse().map((one) => [one.seq, one])).values()].sort(
    (left, right) => left.seq - right.seq,
  );
  expect(first.map(({ seq }) => seq)).toEqual([...loggedMs.keys()]);
  const lateMs = first.map(({ seq, atMs }) => atMs - (loggedMs.get(seq) ?? 0));
  const atMs = first.map((one) => one.atMs);
  expect(atMs).toEqual([...atMs].sort((left, right) => left - right));
  // A frame gathers lines for a while before it is sent.
  for (const ms of lateMs.slice(0, 7)) expect(ms).toBeGreaterThanOrEqual(500);
  // The last frame of the delay is out half a second after its end.
  const after = lateMs.slice(16);
  expect(Math.max(...after)).toBeLessThan(500);
});
