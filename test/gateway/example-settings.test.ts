import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { GatewaySettingsSchema, gatewaySettings } from "../../cli/gateway-settings.ts";

const EXAMPLE = new URL("../../packaging/gateway.yaml", import.meta.url);

test("the example file is good and names every setting", async () => {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-settings-"));
  try {
    const text = await readFile(EXAMPLE, "utf8");
    for (const name of ["service-key", "mqtt-key"]) await writeFile(join(folder, name), "secret\n");
    const path = join(folder, "gateway.yaml");
    await writeFile(path, text.replaceAll("$CREDENTIALS_DIRECTORY", folder));
    const settings = await gatewaySettings(path);
    expect(settings).toMatchObject({ id: "shelf-pi", project: "default", service: { key: "secret" } });
    expect(settings.serial[1]).toEqual({ path: "/dev/ttyUSB1", baud: 9600, source: "greenhouse" });
    const { properties } = GatewaySettingsSchema;
    for (const name of Object.keys(properties)) expect(text).toMatch(new RegExp(`^${name}:`, "m"));
    for (const inner of [properties.service, properties.spool, properties.mqtt]) {
      for (const name of Object.keys(inner.properties))
        expect(text).toMatch(new RegExp(`^ {2}${name}:`, "m"));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
