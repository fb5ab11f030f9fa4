import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
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
}, 60_000);
