import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startStatusServer } from "../../cli/status-server.ts";
import { CounterTable } from "../../host/counters.ts";
import { openPty } from "../../host/pty.ts";
import { runBoardlog } from "../support/boardlog-process.ts";
import { freePort } from "../support/mosquitto.ts";

test("doctor checks the ports, brokers and service that a gateway's settings name, and says what to do", async () => {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-doctor-"));
  const pty = openPty();
  try {
    const port = await freePort();
    const settings = join(folder, "gateway.yaml");
    await writeFile(join(folder, "key"), "secret\n");
    await writeFile(
      settings,
      `data: ${folder}\nservice:\n  url: http://127.0.0.1:${port}\n  keyFile: ${folder}/key\nserial:\n  - ${pty.path}\n  - /dev/ttyNONE0\n  - usb:dead:beef\nbrokers:\n  - mqtt://u:geheim@127.0.0.1:${port}\n`,
    );
    const { status, stdout, stderr } = await runBoardlog([
      "doctor",
      "--settings",
      settings,
      "--color",
      "never",
    ]);
    expect(status).toBe(1);
    expect(stdout).toContain(`${pty.path} may be opened`);
    expect(stdout).toMatch(/XX serial +\/dev\/ttyNONE0: no such device; is the board plugged in/);
    expect(stdout).toContain("usb:dead:beef finds no port now");
    expect(stdout).toContain(`mqtt://127.0.0.1:${port} does not answer`);
    expect(stdout).toMatch(/XX service/);
    expect(stdout + stderr).not.toContain("geheim");

    const collector = createServer((request, response) => {
      const isKnown = request.headers.authorization === "Bearer good";
      response.writeHead(isKnown ? 200 : 401, { "content-type": "application/json" }).end("{}");
    });
    await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
    const { port: collectorPort } = collector.address() as AddressInfo;
    const outputs = async (header: string): Promise<string> => {
      await writeFile(join(folder, "header"), header);
      await writeFile(
        settings,
        `data: ${folder}\nservice:\n  url: http://127.0.0.1:${port}\n  keyFile: ${folder}/key\noutputs:\n  otlp:\n    url: http://127.0.0.1:${collectorPort}\n    headerFile: ${folder}/header\n  syslog:\n    url: udp://127.0.0.1\n`,
      );
      const said = await runBoardlog(["doctor", "--settings", settings, "--color", "never"]);
      return said.stdout + said.stderr;
    };
    expect(await outputs("Bearer good")).toMatch(/ok otlp +127.*takes logs\n-- syslog +.*UDP says nothing/);
    const refused = await outputs("Bearer wrong");
    expect(refused).toMatch(/XX otlp +127.*HTTP 401/);
    expect(refused).not.toContain("Bearer wrong");
    await new Promise((resolve) => collector.close(resolve));

    await writeFile(settings, "data: 1\n");
    const wrong = await runBoardlog(["doctor", "--settings", settings]);
    expect(wrong.status).toBe(1);
    expect(wrong.stdout).toContain("settings");
  } finally {
    await pty.close();
    await rm(folder, { recursive: true });
  }
});

test("doctor asks the gateway that runs what it complains of, and what its counters tell of the boards", async () => {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-doctor-"));
  const counters = new CounterTable();
  counters.add("gateway_cloned_sources_total", 2);
  counters.add("gateway_over_rate_lost_entries_total", 7);
  const status = await startStatusServer(
    { host: "127.0.0.1", port: 0, isDefault: false },
    { counters, descriptions: {}, gauges: () => ({}), problems: () => ["serial port /dev/ttyUSB0: busy"] },
  );
  try {
    const file = join(folder, "gateway.yaml");
    await writeFile(join(folder, "key"), "secret\n");
    const settings = `data: ${folder}\nservice:\n  url: http://127.0.0.1:${await freePort()}\n  keyFile: ${folder}/key\n`;
    await writeFile(file, `${settings}status: 127.0.0.1:${status.port}\n`);
    const running = await runBoardlog(["doctor", "--settings", file, "--color", "never"]);
    expect(running.stdout).toMatch(/XX gateway +says: serial port \/dev\/ttyUSB0: busy/);
    expect(running.stdout).toMatch(
      /!! gateway +two boards log under one name \(2 since it started\)\n +-> .*--stream notice/,
    );
    expect(running.stdout).toMatch(/!! gateway +lines of boards without acks .* \(7 since it started\)/);
    expect(running.stdout).not.toContain("under seqs that other lines have");
    await writeFile(file, `${settings}status: 127.0.0.1:${await freePort()}\n`);
    const stopped = await runBoardlog(["doctor", "--settings", file, "--color", "never"]);
    expect(stopped.stdout).toMatch(/-- gateway +does not run here/);
  } finally {
    await status.close();
    await rm(folder, { recursive: true });
  }
});
