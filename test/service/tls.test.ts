import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { runBoardlog } from "../support/boardlog-process.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { type RunningService, runServiceOver } from "../support/running-service.ts";

let running: RunningService | undefined;
const folder = mkdtempSync(join(tmpdir(), "boardlog-tls-"));
afterEach(() => running?.stop());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** PEM files of a certificate that signed itself. */
function selfSigned(): { readonly certPath: string; readonly keyPath: string } {
  const [certPath, keyPath] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const subject = "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1";
  const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 ${subject}`;
  execFileSync("openssl", [...args.split(" "), "-keyout", keyPath, "-out", certPath], { stdio: "ignore" });
  return { certPath, keyPath };
}

test("with a certificate, HTTP and live sockets are served over TLS alone", async () => {
  const { certPath, keyPath } = selfSigned();
  const cert = readFileSync(certPath, "utf8");
  running = await runServiceOver(new MemoryStore(), { tls: { cert, key: readFileSync(keyPath, "utf8") } });
  const { url, key, service } = running;
  expect(url).toMatch(/^https:/);
  const body = await new Promise<string>((resolve, reject) => {
    get(`${url}/healthz`, { ca: cert, agent: false }, (response) => {
      response.setEncoding("utf8").on("data", resolve);
    }).on("error", reject);
  });
  expect(body).toBe('{"status":"ok"}');
  const socket = new WebSocket(
    `${url.replace("https", "wss")}/v1/ws/projects/default/logs?x-api-key=${key}`,
    {
      ca: cert,
    },
  );
  const heard = new Promise<string>((resolve, reject) => {
    socket.on("message", (data) => resolve(String(data)));
    socket.on("error", reject);
  });
  await new Promise((resolve) => socket.once("open", resolve));
  const entry = {
    src: "s",
    stream: "console",
    msg: '"m"',
    timestamp: 1,
    received: 1,
    clock: "server",
  } as const;
  await service.append([{ project: "default", entries: [entry] }]);
  expect(JSON.parse(await heard)).toMatchObject({ result: { data: { message: "m" } } });
  socket.terminate();
  await expect(fetch(url.replace("https", "http"))).rejects.toThrow();
});

test("a certificate that is not trusted, and a port without TLS, are said as what they are", async () => {
  const { certPath, keyPath } = selfSigned();
  const tls = { cert: readFileSync(certPath, "utf8"), key: readFileSync(keyPath, "utf8") };
  const listing = async (url: string) => (await runBoardlog(["list", "--url", url, "--key", "k"])).stderr;
  running = await runServiceOver(new MemoryStore(), { tls });
  expect(await listing(running.url)).toMatch(/is not trusted here .*set NODE_EXTRA_CA_CERTS/);
  await running.stop();
  running = await runServiceOver(new MemoryStore());
  expect(await listing(running.url.replace("http:", "https:"))).toMatch(
    /does not speak TLS: try http:\/\/ in place of https/,
  );
});
