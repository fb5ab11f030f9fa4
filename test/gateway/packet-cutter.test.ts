import { expect, test } from "vitest";
import { PacketCutter, PacketFault } from "../../gateway/packet-cutter.ts";

const PUBLISH = 0x30;
const EMPTY = Buffer.alloc(0);

function publish(payload: string): Buffer {
  const size =
    payload.length < 128 ? [payload.length] : [0x80 | (payload.length & 0x7f), payload.length >> 7];
  return Buffer.concat([Buffer.from([PUBLISH, ...size]), Buffer.from(payload)]);
}

/** What packets are handed on, as text; all of them, or `countMax`. */
class Packets {
  readonly texts: string[] = [];
  readonly #cutter = new PacketCutter(100_000);

  keep(bytes: Buffer): void {
    this.#cutter.keep(bytes);
  }

  push(bytes: Buffer, countMax = Number.POSITIVE_INFINITY): void {
    let left = countMax;
    const fault = this.#cutter.push(bytes, (whole, _start, body, end) => {
      this.texts.push(whole.toString("latin1", body, end));
      left -= 1;
      return left > 0;
    });
    expect(fault).toBeUndefined();
  }

  get restBytes(): number {
    return this.#cutter.restBytes;
  }
}

test("packets cut at every byte are the same packets", () => {
  const stream = Buffer.concat([
    Buffer.from([0x10, 2, 0x63, 0x64]),
    publish("x".repeat(200)),
    publish(""),
    publish("y"),
  ]);
  const read = (pieces: readonly Buffer[]): string[] => {
    const cutter = new PacketCutter(1000);
    const packets: string[] = [];
    for (const piece of pieces) {
      const fault = cutter.push(piece, (bytes, start, _body, end) => {
        packets.push(bytes.toString("hex", start, end));
        return true;
      });
      expect(fault).toBeUndefined();
    }
    return packets;
  };
  const whole = read([stream]);
  expect(whole).toHaveLength(4);
  for (let at = 1; at < stream.length; at++) {
    expect(read([stream.subarray(0, at), stream.subarray(at)])).toEqual(whole);
  }
  expect(read(Array.from(stream, (byte) => Buffer.from([byte])))).toEqual(whole);
});

test("a packet that is too large, and a length without end, are told at their heads", () => {
  const never = (): boolean => {
    throw new Error("no packet");
  };
  expect(new PacketCutter(1000).push(Buffer.from([0x30, 0xff, 0x7f]), never)).toBe(PacketFault.TooLarge);
  expect(new PacketCutter(1000).push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff]), never)).toBe(
    PacketFault.BadLength,
  );
});

test("what many connections keep is each its own, however much it is and whoever is done with it first", () => {
  const all = Array.from({ length: 60 }, () => new Packets());
  const expected = all.map((): string[] => []);
  for (let round = 0; round < 40; round++) {
    for (const [index, packets] of all.entries()) {
      const text = `${round} of ${index} `.repeat(1 + ((round * 13 + index * 7) % 90));
      expected[index]?.push(text);
      packets.keep(publish(text));
      if ((round + index) % 9 === 0) packets.push(EMPTY, 1 + (index % 5));
      if ((round * index) % 17 === 3) packets.push(EMPTY);
    }
  }
  for (const packets of all) packets.push(EMPTY);
  expect(all.map(({ texts }) => texts)).toEqual(expected);
  expect(all.map(({ restBytes }) => restBytes)).toEqual(all.map(() => 0));
});

test("who asks for more amid a packet is not told of it twice", () => {
  const cutter = new PacketCutter(100);
  const seen: string[] = [];
  const onPacket = (bytes: Buffer, _start: number, body: number, end: number): boolean => {
    seen.push(bytes.toString("latin1", body, end));
    cutter.push(EMPTY, onPacket);
    return true;
  };
  cutter.keep(Buffer.concat([publish("a"), publish("b")]));
  cutter.push(publish("c"), onPacket);
  expect(seen).toEqual(["a", "b", "c"]);
});
