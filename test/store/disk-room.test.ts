import { expect, it } from "vitest";
import { DiskRoom } from "../../service/store/disk-room.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { memorySpace, quietLog } from "./store-drivers.ts";

it("a full disk is over when there is some room more than what is kept free, not at the first byte, and is said once", async () => {
  const time = new VirtualTime();
  let freeBytes = 2000;
  const said: string[] = [];
  const say = (_fields: object, text: string): void => void said.push(text);
  const space = Object.assign(memorySpace(1), { freeBytes: () => freeBytes });
  const room = new DiskRoom({ space, clock: time, log: { ...quietLog, info: say, error: say } }, 800);
  const isShortAt = async (bytes: number): Promise<boolean> => {
    freeBytes = bytes;
    await time.advance(100);
    return room.isShort;
  };
  expect(await isShortAt(800)).toBe(false);
  expect(await isShortAt(799)).toBe(true);
  // What a seal frees, and takes again.
  for (const bytes of [850, 790, 899]) expect(await isShortAt(bytes)).toBe(true);
  expect(said).toHaveLength(1);
  expect(await isShortAt(900)).toBe(false);
  expect(await isShortAt(801)).toBe(false);
  expect(said).toHaveLength(2);
});
