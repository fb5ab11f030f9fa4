import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import descriptions from "../../cli/gateway-metrics.json" with { type: "json" };

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COUNTER =
  /["'`]((?:gateway|udp|forwarder|clubby|otlp|syslog|serial|mqtt|spool|uplink)_[a-z_]+_total)["'`]/g;
const doc = readFileSync(join(ROOT, "docs/metrics.md"), "utf8");
const documented = new Set(Array.from(doc.matchAll(/^\| `(\w+)` \|/gm), ([, name = ""]) => name));

/** Every counter that the sources name. */
function counted(): Set<string> {
  const names = new Set<string>();
  for (const folder of ["gateway", "protocol", "cli", "host"]) {
    for (const file of readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".ts")) continue;
      const text = readFileSync(join(ROOT, folder, file), "utf8");
      for (const [, name = ""] of text.matchAll(COUNTER)) names.add(name);
    }
  }
  return names;
}

test("every counter of the gateway is documented, and every documented one counts", () => {
  const counters = [...documented].filter((name) => name.endsWith("_total"));
  expect(counters.sort()).toEqual([...counted()].sort());
});

test("what /metrics says of each is what the document says", () => {
  const rows = Array.from(doc.matchAll(/^\| `(\w+)` \| (.*) \|$/gm), ([, name, what]) => [name, what]);
  expect(rows).toEqual(Object.entries(descriptions));
});

test("every gauge of the gateway is documented", () => {
  const command = readFileSync(join(ROOT, "cli/gateway-command.ts"), "utf8");
  const [, gauges = ""] = /gauges: \(\) => \(\{(.*?)\n {4}\}\)/s.exec(command) ?? [];
  const names = Array.from(gauges.matchAll(/^\s+(\w+):/gm), ([, name = ""]) => name);
  expect(names.length).toBeGreaterThan(3);
  expect([...documented].filter((name) => !name.endsWith("_total")).sort()).toEqual(names.sort());
});

test("the Grafana dashboard asks for metrics that there are", () => {
  const dashboard = readFileSync(join(ROOT, "docs/grafana-gateway.json"), "utf8");
  JSON.parse(dashboard);
  const asked = new Set(Array.from(dashboard.matchAll(/boardlog_(\w+)/g), ([, name = ""]) => name));
  expect(asked.size).toBeGreaterThan(20);
  for (const name of asked) expect(documented, name).toContain(name);
});
