import { type ChildProcess, spawn } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { ServiceSettingsSchema, serviceSettings } from "../../cli/service-settings.ts";
import { runBoardlog, until } from "../support/boardlog-process.ts";
import { Certificates } from "../support/certificates.ts";
import { freePort } from "../support/mosquitto.ts";
import { requires } from "../support/requirements.ts";

const BIN = fileURLToPath(new URL("../../bin/boardlog.js", import.meta.url));
const EXAMPLE = new URL("../../packaging/service.yaml", import.meta.url);
const SITE = "https://dashboards.example.org";
let folder = "";
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "boardlog-service-"));
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

async function settingsFile(text: string): Promise<string> {
  const path = join(folder, "service.yaml");
  await writeFile(path, text);
  return path;
}

test("the example file is good as it is, and with every setting on it holds every setting there is", async () => {
  const example = (await readFile(EXAMPLE, "utf8")).replaceAll("/etc/boardlog", folder);
  expect(await serviceSettings(await settingsFile(example), {})).toMatchObject({
    data: "/var/lib/boardlog",
    http: { host: "127.0.0.1", port: 7480 },
    projects: ["default"],
  });
  for (const name of ["nats-password", "nats.creds"]) await writeFile(join(folder, name), "secret\n");
  const certificates = new Certificates(requires("openssl").path ?? "openssl");
  for (const name of ["nats", "tls"]) certificates.sign(name);
  for (const name of ["nats.crt", "nats.key", "tls.crt", "tls.key"])
    await copyFile(certificates.path(name), join(folder, name));
  await copyFile(certificates.path("ca.crt"), join(folder, "nats-ca.crt"));
  certificates.dispose();
  const whole = example.replaceAll(/^#(?! )(?=\w)|^#(?= {2,})/gm, "");
  const settings = await serviceSettings(await settingsFile(whole), {});
  expect(settings).toMatchObject({
    tls: { cert: expect.stringContaining("CERTIFICATE") },
    origins: [SITE],
    keyRate: 500,
  });
  expect(settings.cluster).toMatchObject({ prefix: "boardlog", engine: { replicas: 3, user: "boardlog" } });
  const named = parse(whole) as Record<string, object>;
  for (const [name, member] of Object.entries(ServiceSettingsSchema.properties)) {
    expect(Object.keys(named)).toContain(name);
    const { properties } = member as { properties?: object };
    if (properties !== undefined) expect(Object.keys(named[name] ?? {})).toEqual(Object.keys(properties));
  }
});

test("what is wrong is said with the file and line, or with the variable that gave it", async () => {
  const failed = async (text: string, env = {}) =>
    expect(serviceSettings(await settingsFile(text), env)).rejects;
  await (await failed("data: x\nkeyRate: 0\n")).toThrow(/service\.yaml:2: keyRate: /);
  await (await failed("data: x\nquota:\n  sourcePerKey: 3\n")).toThrow(
    /:3: quota\.sourcePerKey: no such setting/,
  );
  await (await failed("data: x\norigins:\n  - example.org\n")).toThrow(/:3: origins\.0: must be scheme:/);
  await (await failed("data: x\nprojects: [a/b]\n")).toThrow(/:2: projects\.0: must be 1 to 64/);
  await (await failed("data: x\ntls: {cert: /nowhere, key: /nowhere}\n")).toThrow(
    /:2: tls\.cert: cannot read/,
  );
  await (await failed("data: x\n", { BOARDLOG_SERVICE_KEY_RATE: "-1" })).toThrow(
    /^BOARDLOG_SERVICE_KEY_RATE: /,
  );
  await (await failed("data: x\nstore: mqtt://a\n")).toThrow(/:2: store: must be nats:\/\/host1/);
  await (await failed("data: x\nstore: nats://me:secret@a\n")).toThrow(/:2: store: names no user/);
  await (await failed("data: x\ncluster: {replicas: 3}\n")).toThrow(/:2: cluster: needs store/);
  await (await failed("data: x\nstore: nats://a\ncluster: {caFile: /x}\n")).toThrow(
    /:2: store: must be tls:/,
  );
  await (await failed("data: x\nstore: nats://a\ncluster: {replicas: 2}\n")).toThrow(/cluster\.replicas/);
  await (await failed("http: 7480\n")).toThrow(/data: required/);
});

test("a certificate that is none, and a key that is of another one, are said before anything is served", async () => {
  const certificates = new Certificates(requires("openssl").path ?? "openssl");
  for (const name of ["one", "other"]) certificates.sign(name);
  const wordsOf = (cert: string, key: string) =>
    settingsFile(`data: x\ntls: {cert: ${certificates.path(cert)}, key: ${certificates.path(key)}}\n`).then(
      (path) =>
        serviceSettings(path, {}).then(
          () => "good",
          (error: Error) => error.message,
        ),
    );
  expect(await wordsOf("one.crt", "one.key")).toBe("good");
  expect(await wordsOf("one.crt", "other.key")).toMatch(
    /:2: tls\.key: .*other\.key is not the key of the certificate$/,
  );
  expect(await wordsOf("one.key", "one.key")).toMatch(
    /:2: tls\.cert: .* holds no good certificate in PEM form$/,
  );
  expect(await wordsOf("one.crt", "one.crt")).toMatch(/:2: tls\.key: .* holds no key in PEM form/);
  certificates.dispose();
});

test("the service runs alone: a project of the settings has its key, another site's page may ask, a gateway forwards to it, and it stops clean", async () => {
  const port = await freePort();
  const data = join(folder, "data");
  const path = await settingsFile(
    `data: ${data}\nhttp: ${port}\norigins: ["${SITE}"]\nprojects: [default, garden]\nquota: {sourcesPerKey: 2}\n`,
  );
  const child = spawn(process.execPath, [BIN, "service", "--settings", path], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += String(text)));
  const url = `http://127.0.0.1:${port}`;
  await until(`it runs: ${output}`, () =>
    fetch(`${url}/healthz`).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  const key = await readFile(join(data, "api-key-garden"), "utf8");
  const log = (src: string, headers = {}) =>
    fetch(`${url}/v1/Log.Log`, {
      method: "POST",
      headers: { "x-api-key": key, ...headers },
      body: JSON.stringify({ src, msg: "on" }),
    });
  const allowed = await log("pump", { origin: SITE });
  expect(allowed.status).toBe(200);
  expect(allowed.headers.get("access-control-allow-origin")).toBe(SITE);
  expect(
    (await log("pump", { origin: "https://other.example" })).headers.get("access-control-allow-origin"),
  ).toBeNull();
  const preflight = await fetch(`${url}/v1/Log.List`, {
    method: "OPTIONS",
    headers: { origin: SITE, "access-control-request-method": "POST" },
  });
  expect([preflight.status, preflight.headers.get("access-control-allow-methods")]).toEqual([
    204,
    "GET, POST",
  ]);
  expect((await log("valve")).status).toBe(200);
  const third = await log("endless-1");
  expect(third.status).toBe(429);
  expect(((await third.json()) as { status_msg: string }).status_msg).toMatch(
    /^src: this key has logged to 2 sources within a day/,
  );
  expect((await log("valve")).status).toBe(200);

  const keyFile = join(data, "api-key");
  const gatewayYaml = join(folder, "gateway.yaml");
  const statusPort = await freePort();
  await writeFile(
    gatewayYaml,
    `id: pi\ndata: ${folder}/gateway\nservice: {url: "${url}", keyFile: ${keyFile}}\nstatus: ${statusPort}\n`,
  );
  const gateway = spawn(process.execPath, [BIN, "gateway", "--settings", gatewayYaml], { stdio: "ignore" });
  children.push(gateway);
  await until("the gateway is connected", () =>
    fetch(`http://127.0.0.1:${statusPort}/healthz`).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  const second = await runBoardlog(["service", "--settings", path]);
  expect([second.status, second.stderr]).toEqual([2, expect.stringMatching(/is in use by process/)]);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  expect(await ended).toBe(0);
  expect(output).toContain("garden: its first admin key is in");
  expect(output).not.toContain(key);
});
