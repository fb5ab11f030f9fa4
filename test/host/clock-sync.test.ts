import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { askSynchronised, machineBootId } from "../../host/clock-sync.ts";

test("the machine's boot is the kernel's, or one of our own in a folder that goes with the machine", async () => {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-boot-"));
  try {
    const file = join(folder, "boot_id");
    await writeFile(file, "kernel\n");
    expect(machineBootId({}, file)).toBe("kernel");
    const none = join(folder, "none");
    const own = machineBootId({ RUNTIME_DIRECTORY: folder }, none);
    expect(own).toMatch(/^[0-9a-f-]{36}$/);
    expect(machineBootId({ RUNTIME_DIRECTORY: folder }, none)).toBe(own);
    expect(machineBootId({ RUNTIME_DIRECTORY: join(folder, "gone") }, none)).not.toBe(own);
    expect(machineBootId({}, none)).not.toBe(machineBootId({}, none));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("whether this machine's clock is synchronised is answered, whatever it is", async () => {
  expect([true, false, undefined]).toContain(await askSynchronised());
});
