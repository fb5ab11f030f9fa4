import { createHmac } from "node:crypto";
import { SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { apiKeyId } from "../../service/auth/api-key.ts";
import { type RunningService, runService } from "../support/running-service.ts";
import { connect, UpgradeRefused } from "../support/web-socket-client.ts";

let running: RunningService;
beforeEach(async () => {
  running = await runService();
});
afterEach(() => running.stop());

type Json = Readonly<Record<string, unknown>>;
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const nowSeconds = (): number => Math.floor(Date.now() / 1000);

/** Signed as any JWT library does: HMAC-SHA256 with the text of the key. */
function signed(claims: Json, key = running.key, header: Json = { alg: "HS256", typ: "JWT" }): string {
  const head = `${part(header)}.${part(claims)}`;
  return `${head}.${createHmac("sha256", key).update(head).digest("base64url")}`;
}
const claims = (more: Json = {}): Json => ({
  iss: apiKeyId(running.key),
  exp: nowSeconds() + 60,
  ...more,
});

async function statusOf(token: string): Promise<[number, string]> {
  const response = await running.post("/v1/Log.List", '{"src":"s"}', {
    "x-api-key": undefined,
    authorization: `Bearer ${token}`,
  });
  return [response.status, await response.text()];
}
const live = (credential: string, project = "default"): string =>
  `${running.url}/v1/ws/projects/${project}/logs?${credential}`;

describe("a token signed with an API key", () => {
  test("is as good as the key, as Bearer, header jwt, query of a live socket and key of a frame", async () => {
    const token = signed(claims());
    expect((await statusOf(token))[0]).toBe(200);
    const byHeader = await running.post("/v1/Log.List", '{"src":"s"}', {
      "x-api-key": undefined,
      jwt: token,
    });
    expect(byHeader.status).toBe(200);
    (await connect(live(`jwt=${token}`))).socket.terminate();
    const frame = `{"v":1,"key":"${token}","cmds":[{"cmd":"/v1/Log.List","id":1,"args":{"src":"s"}}]}`;
    expect((await running.post("/", frame, { "x-api-key": undefined })).status).toBe(200);
  });

  test("made by a library with the key's text is good, with or without exp", async () => {
    const secret = new TextEncoder().encode(running.key);
    const token = new SignJWT({}).setProtectedHeader({ alg: "HS256" }).setIssuer(apiKeyId(running.key) ?? "");
    expect((await statusOf(await token.sign(secret)))[0]).toBe(200);
  });

  test("can carry less than the key's rights, and never more", async () => {
    const reader = signed(claims({ rights: ["read"] }));
    expect((await statusOf(reader))[0]).toBe(200);
    const write = { "x-api-key": undefined, authorization: `Bearer ${reader}` };
    expect((await running.post("/v1/Log.Log", '{"src":"s","msg":"m"}', write)).status).toBe(403);
    const { id, key } = await running.keys.add({ project: "default", rights: ["write"] });
    const more = signed({ iss: id, rights: ["read", "admin"] }, key);
    expect((await statusOf(more))[0]).toBe(403);
  });

  test("is for its key's project alone", async () => {
    const { id, key } = await running.keys.add({ project: "other", rights: ["read"] });
    const refused = await connect(live(`jwt=${signed({ iss: id }, key)}`)).catch((error: unknown) => error);
    expect(refused).toMatchObject({ status: 403 });
    (await connect(live(`jwt=${signed({ iss: id }, key)}`, "other"))).socket.terminate();
  });
});

describe("a token that is not good gets 401, and the same words whatever is wrong", () => {
  const cases: Record<string, () => string> = {
    "alg none": () => `${part({ alg: "none" })}.${part(claims())}.`,
    "alg none with a signature": () => signed(claims(), running.key, { alg: "none" }),
    "another algorithm in the header": () => signed(claims(), running.key, { alg: "HS512" }),
    "an asymmetric algorithm in the header": () => signed(claims(), running.key, { alg: "RS256" }),
    "no algorithm": () => signed(claims(), running.key, { typ: "JWT" }),
    "another key": () => signed(claims(), `${running.key.slice(0, -1)}!`),
    "the id as the key": () => signed(claims(), apiKeyId(running.key)),
    "an unknown issuer": () => signed(claims({ iss: "00000000" })),
    "no issuer": () => signed(claims({ iss: undefined })),
    "an issuer of another type": () => signed(claims({ iss: [apiKeyId(running.key)] })),
    "an issuer that is a property of every object": () => signed(claims({ iss: "__proto__" })),
    expired: () => signed(claims({ exp: nowSeconds() - 1 })),
    "not yet valid": () => signed(claims({ nbf: nowSeconds() + 30 })),
    "exp as text": () => signed(claims({ exp: String(nowSeconds() + 60) })),
    "exp null": () => signed(claims({ exp: null })),
    "nbf as text": () => signed(claims({ nbf: "0" })),
    "rights as text": () => signed(claims({ rights: "read" })),
    "unknown rights": () => signed(claims({ rights: ["everything"] })),
    crit: () => signed(claims(), running.key, { alg: "HS256", crit: ["exp"], exp: 1 }),
    jku: () => signed(claims(), running.key, { alg: "HS256", jku: "http://127.0.0.1:1/keys" }),
    jwk: () => signed(claims(), running.key, { alg: "HS256", jwk: { kty: "oct", k: "AA" } }),
    "b64 false": () => signed(claims(), running.key, { alg: "HS256", b64: false, crit: ["b64"] }),
    "padding after the signature": () => `${signed(claims())}=`,
    "standard base64 letters": () => `${signed(claims())}+`,
    "a fourth part": () => `${signed(claims())}.`,
    "five parts, as a JWE has": () => `${signed(claims())}.AA.AA`,
    "an empty signature": () => signed(claims()).replace(/[^.]*$/, ""),
    "claims that are a list": () => signed([] as unknown as Json),
    "no JSON": () => "AAAA.AAAA.AAAA",
    "only dots": () => "..",
    "a very long one": () => signed(claims({ more: "x".repeat(5000) })),
  };
  test("by every way there is", async () => {
    const { text } = { text: (await statusOf("a.b.c"))[1] };
    for (const [name, make] of Object.entries(cases)) {
      expect(await statusOf(make()), name).toEqual([401, text]);
      const refused = await connect(live(`jwt=${encodeURIComponent(make())}`)).catch(
        (error: unknown) => error,
      );
      expect(refused, name).toBeInstanceOf(UpgradeRefused);
      expect(refused, name).toMatchObject({ status: 401 });
    }
    const spaced = await connect(live(`jwt=${signed(claims()).replace(".", ".%20")}`)).catch(
      (e: unknown) => e,
    );
    expect(spaced).toMatchObject({ status: 401 });
    const strayBits = signed(claims()).replace(/.$/, (last) => String.fromCharCode(last.charCodeAt(0) + 1));
    expect(await statusOf(strayBits)).toEqual([401, text]);
  });
});

describe("a socket lives no longer than its credential", () => {
  test("a live socket is closed with 1008 when its token expires", async () => {
    const client = await connect(live(`jwt=${signed(claims({ exp: nowSeconds() + 2 }))}`));
    const later = await connect(live(`jwt=${signed(claims({ exp: nowSeconds() + 30 }))}`));
    expect(await client.closed()).toBe(1008);
    expect(later.socket.readyState).toBe(later.socket.OPEN);
  });

  test("revoking a key closes its live and frame sockets, those of its tokens too, and no others", async () => {
    const { id, key } = await running.keys.add({ project: "default", rights: ["admin"] });
    const theirs = [
      await connect(live(`x-api-key=${key}`)),
      await connect(live(`jwt=${signed({ iss: id }, key)}`)),
      await connect(running.url, { headers: { "x-api-key": key } }),
    ];
    const other = await connect(live(`x-api-key=${running.key}`));
    await running.keys.revoke(id);
    for (const client of theirs) expect(await client.closed()).toBe(1008);
    await running.post("/v1/Log.Log", '{"src":"s","msg":"still here"}');
    expect(await other.nextJson()).toMatchObject({ result: { data: { message: "still here" } } });
  });

  test("a new secret for a key ends what the old one opened, and its tokens", async () => {
    const { id, key } = await running.keys.add({ project: "default", rights: ["read"] });
    const client = await connect(live(`x-api-key=${key}`));
    const renewed = await running.keys.rotate(id);
    expect(await client.closed()).toBe(1008);
    expect((await statusOf(signed({ iss: id }, key)))[0]).toBe(401);
    expect((await statusOf(signed({ iss: id }, renewed)))[0]).toBe(200);
  });
});

test("no token reaches the log, an answer, a metric or a reason for closing", async () => {
  const good = signed(claims());
  const wrong = signed(claims({ iss: "00000000" }));
  const texts: string[] = [];
  for (const token of [good, wrong]) {
    for (const path of ["/v1/Log.List", `/nothing?jwt=${token}`, `/v1/Log.List?jwt=${token}`]) {
      const headers = { "x-api-key": undefined, authorization: `Bearer ${token}` };
      const response = await running.post(path, "{", headers);
      texts.push(await response.text(), JSON.stringify([...response.headers]));
    }
    texts.push(await (await fetch(live(`jwt=${token}`))).text());
    await connect(live(`jwt=${token}`)).catch((error: UpgradeRefused) => texts.push(error.body));
  }
  await running.store.close();
  texts.push(await (await running.post("/v1/Log.List", '{"src":"s"}')).text());
  texts.push(await (await fetch(`${running.url}/metrics`)).text(), running.logText());
  for (const text of texts) {
    for (const token of [good, wrong])
      for (const secret of token.split(".")) expect(text).not.toContain(secret);
  }
});
