import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { until } from "../support/boardlog-process.ts";
import { freePort } from "../support/mosquitto.ts";

const BIN = fileURLToPath(new URL("../../bin/boardlog.js", import.meta.url));

/** A datagram socket of a file, which Node does not have: prints each message on a line. */
const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True: print(s.recv(4096).decode().replace("\\n", " "), flush=True)
`;

test("the service manager hears READY, STATUS, WATCHDOG, RELOADING and STOPPING; SIGHUP rereads the settings, wrong ones and such as do not go here change nothing", async () => {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-notify-"));
  const socket = join(folder, "socket");
  const listener = spawn("python3", ["-c", LISTENER, socket], { stdio: ["ignore", "pipe", "inherit"] });
  let heard = "";
  listener.stdout.on("data", (data) => {
    heard += String(data);
  });
  await once(listener.stdout, "data");
  const [before, after] = [await freePort(), await freePort()];
  const settings = join(folder, "gateway.yaml");
  await writeFile(join(folder, "key"), "secret\n");
  const text = (port: number): string =>
    `id: notify\ndata: ${folder}/data\nservice:\n  url: http://127.0.0.1:1\n  keyFile: ${folder}/key\nstatus: ${port}\n`;
  await writeFile(settings, text(before));
  const env = { ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: "400000" };
  const child = spawn(process.execPath, [BIN, "gateway", "--settings", settings], { env });
  let said = "";
  child.stderr.on("data", (data) => {
    said += String(data);
  });
  const count = (word: string): number => heard.split(word).length - 1;
  const answers = (port: number): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/metrics`).then(
      ({ ok }) => ok,
      () => false,
    );
  try {
    await until("ready", () => count("READY=1") === 1);
    await until("fed", () => count("WATCHDOG=1") >= 2);
    expect(await answers(before)).toBe(true);

    await writeFile(settings, "nonsense: 1\n");
    child.kill("SIGHUP");
    await until("ready again", () => count("READY=1") === 2);
    expect(count("RELOADING=1 MONOTONIC_USEC=")).toBe(1);
    await until("it is said", () => said.includes("not reloaded, it goes on as before"));
    expect(await answers(before)).toBe(true);

    // Good settings that do not go here: the port is taken.
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    await writeFile(settings, text(port));
    child.kill("SIGHUP");
    await until("it is said too", () => said.includes(`cannot listen on 127.0.0.1:${port}`));
    await until("ready as before", () => count("READY=1") === 3);
    expect(await answers(before)).toBe(true);
    taken.close();

    await until("how it is", () => count("STATUS=the log service does not answer, 0 entries wait") >= 1);
    await writeFile(settings, text(after));
    child.kill("SIGHUP");
    await until("ready with the new ones", () => count("READY=1") === 4);
    expect(await answers(after)).toBe(true);
    expect(await answers(before)).toBe(false);

    const exited = once(child, "exit");
    child.kill("SIGTERM");
    expect((await exited)[0]).toBe(0);
    await until("stopping", () => count("STOPPING=1") === 1);
  } finally {
    child.kill("SIGKILL");
    listener.kill();
    await rm(folder, { recursive: true });
  }
});
