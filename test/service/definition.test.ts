import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MemoryStore } from "../support/memory-store.ts";
import { type RunningService, runServiceOver } from "../support/running-service.ts";

interface Definition {
  readonly doc: string;
  readonly args: Readonly<Record<string, { readonly doc: string; readonly type: unknown }>>;
  readonly required_args?: readonly string[];
  readonly result?: object;
}
interface Operation {
  readonly summary: string;
  readonly requestBody: {
    readonly content: {
      readonly "application/json": {
        readonly schema: {
          readonly properties: Record<string, { readonly description: string; readonly type: unknown }>;
          readonly required?: readonly string[];
        };
      };
    };
  };
}
type Paths = Readonly<Record<string, { readonly get?: object; readonly post?: Operation }>>;

let running: RunningService;
let definitions: Readonly<Record<string, Definition>>;
let paths: Paths;
beforeAll(async () => {
  running = await runServiceOver(new MemoryStore());
  definitions = (await (await fetch(`${running.url}/v1/Log`)).json()) as typeof definitions;
  ({ paths } = (await (await fetch(`${running.url}/openapi.json`)).json()) as { paths: Paths });
});
afterAll(() => running.stop());

test("of the seed's two methods the definition says what the seed says, word for word, and more args beside", () => {
  const seed = readFileSync(new URL("../../docs/seeds/log-service.md", import.meta.url), "utf8");
  const found = [...seed.matchAll(/#### (\w+)\n[\s\S]*?Definition:\n```json\n([\s\S]*?)```/g)];
  expect(found.map(([, name]) => name)).toEqual(["List", "Log"]);
  for (const [, name = "", text = ""] of found) {
    const wanted = JSON.parse(text) as Definition;
    const { args, ...rest } = definitions[name] as Definition;
    const { args: wantedArgs, ...wantedRest } = wanted;
    expect(rest, name).toEqual(wantedRest);
    expect(args, name).toMatchObject(wantedArgs);
  }
});

test("OpenAPI and the definition say the same of every method", () => {
  const methods = Object.keys(paths).filter((path) => path.startsWith("/v1/Log."));
  expect(methods.map((path) => path.slice("/v1/Log.".length)).sort()).toEqual(
    Object.keys(definitions).sort(),
  );
  for (const [name, { doc, args, required_args: required }] of Object.entries(definitions)) {
    const operation = paths[`/v1/Log.${name}`]?.post;
    expect(operation?.summary).toBe(doc);
    const schema = operation?.requestBody.content["application/json"].schema;
    expect(schema?.required).toEqual(required);
    const described = Object.entries(schema?.properties ?? {}).map(([arg, { description, type }]) => [
      arg,
      { doc: description, type },
    ]);
    const wanted = Object.entries(args).map(([arg, { doc: words, type }]) => [arg, { doc: words, type }]);
    expect(Object.fromEntries(described)).toEqual(Object.fromEntries(wanted));
  }
});

test("every argument that the definition names is checked, and by its type", async () => {
  for (const [name, { args }] of Object.entries(definitions)) {
    for (const [arg, { type }] of Object.entries(args)) {
      const wrong = type === "string" || type === "array" ? 5 : type === "integer" ? "x" : 7;
      const body = JSON.stringify({ src: "s", ...(name === "Log" && { msg: "m" }), [arg]: wrong });
      const response = await running.post(`/v1/Log.${name}`, body);
      const { status_msg: words = "" } = (await response.json()) as { status_msg?: string };
      expect([response.status, words.startsWith(`${arg}: `)], `${name} ${arg}: ${words}`).toEqual([
        400,
        true,
      ]);
    }
  }
});

test("every path of OpenAPI is there, and every route is in OpenAPI", async () => {
  for (const [path, operations] of Object.entries(paths)) {
    const url = running.url + path.replace("{projectId}", "default").replace("{deviceId}", "s");
    const method = operations.post === undefined ? "GET" : "POST";
    const ending = new AbortController();
    const response = await fetch(url, {
      method,
      headers: { "x-api-key": running.key, "content-type": "application/json" },
      signal: ending.signal,
      ...(method === "POST" && { body: "{}" }),
    });
    ending.abort();
    expect([404, 405], path).not.toContain(response.status);
  }
  const server = readFileSync(new URL("../../service/http/server.ts", import.meta.url), "utf8");
  const routes = [
    ...server.matchAll(/Route\(\s*(?:"(?:GET|POST)", )?"(\/[^"]*)"|#route\("(?:GET|POST)", "(\/[^"]*)"/g),
  ];
  expect(routes.length).toBeGreaterThan(10);
  for (const [, first, second] of routes) {
    const path = (first ?? second ?? "").replace(/:(\w+)/g, "{$1}");
    if (path !== "/v1/{method}") expect(Object.keys(paths)).toContain(path);
  }
});
