import { LeaseSchema } from "../../protocol/level-lease.ts";
import { isClosed, LOG_SERVICE, type MethodDefinition } from "../api-definition.ts";
import { QueryNames } from "./query-names.ts";

const STATUS_WORDS: Readonly<Record<string, string>> = {
  "400": "wrong arguments, named in status_msg",
  "401": "no good credential",
  "403": "not allowed",
  "413": "too large",
  "415": "a type or compression of the body that is not taken",
  "429": "slow down; Retry-After says for how long",
  "503": "the store is unavailable",
};

/** What is read with GET: its words and its query. */
const READS: Readonly<Record<string, { readonly summary: string; readonly query: readonly string[] }>> = {
  "/healthz": {
    summary: "200 once everything serves; 503 with the reason while nothing is taken",
    query: [],
  },
  "/metrics": { summary: "Counters in Prometheus' text form", query: [] },
  "/openapi.json": { summary: "This document", query: [] },
  "/v1/Log": { summary: "The definition of the service /v1/Log", query: [] },
  "/v1/projects/{projectId}/logs": {
    summary: "The newest entries in Golioth's schema, newest first",
    query: QueryNames.logs,
  },
  "/v1/projects/{projectId}/entries": {
    summary: "The log in both directions",
    query: QueryNames.entries,
  },
  "/v1/projects/{projectId}/sources": { summary: "Who has logged", query: QueryNames.sources },
  "/v1/projects/{projectId}/rates": {
    summary: "How many entries of which level in equal spans of time",
    query: QueryNames.rates,
  },
  "/v1/projects/{projectId}/events": { summary: "Live, as Server-Sent Events", query: QueryNames.live },
  "/v1/projects/{projectId}/devices/{deviceId}/events": {
    summary: "Live, of one source, as Server-Sent Events",
    query: QueryNames.liveOfDevice,
  },
  "/v1/ws/projects/{projectId}/gateways/{gatewayId}": {
    summary: "Batches, questions and leases of a gateway, as a WebSocket",
    query: [],
  },
  "/v1/ws/projects/{projectId}/logs": { summary: "Live, as a WebSocket", query: QueryNames.live },
  "/v1/ws/projects/{projectId}/devices/{deviceId}/logs": {
    summary: "Live, of one source, as a WebSocket",
    query: QueryNames.liveOfDevice,
  },
};

/** `GET /openapi.json`, from the same definition as `GET /v1/Log`. */
export function openApi(version: string): object {
  const paths: Record<string, object> = {
    "/": {
      post: {
        summary: "A frame with any number of commands, answered by a frame",
        requestBody: { required: true, content: { "application/json": { schema: { type: "object" } } } },
        responses: responses({ type: "object" }),
      },
    },
  };
  paths["/v1/logs"] = {
    post: {
      summary: "Logs of servers: an ExportLogsServiceRequest of OTLP/HTTP in JSON",
      requestBody: { required: true, content: { "application/json": { schema: { type: "object" } } } },
      responses: responses({ type: "object" }),
    },
  };
  paths["/v1/projects/{projectId}/devices/{deviceId}/level"] = {
    post: {
      summary: "How much a board logs, for a time",
      parameters: ["projectId", "deviceId"].map(pathParameter),
      requestBody: {
        required: true,
        content: {
          "application/json": {
            schema: LeaseSchema,
          },
        },
      },
      responses: { ...responses({ type: "object" }), "404": { description: "no gateway knows the board" } },
    },
  };
  for (const [name, method] of Object.entries(LOG_SERVICE))
    paths[`/v1/Log.${name}`] = { post: postOf(name, method) };
  for (const [path, { summary, query }] of Object.entries(READS)) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => pathParameter(name));
    const inQuery = query.map(queryParameter);
    paths[path] = { get: { summary, parameters: [...inPath, ...inQuery], responses: responses({}) } };
  }
  return {
    openapi: "3.1.0",
    info: { title: "boardlog", version },
    security: [{ key: [] }, { bearer: [] }],
    paths,
    components: {
      securitySchemes: {
        key: { type: "apiKey", in: "header", name: "x-api-key" },
        bearer: { type: "http", scheme: "bearer", bearerFormat: "an API key, or a JWT signed with one" },
      },
    },
  };
}

function queryParameter(name: string): object {
  return { name, in: "query", schema: { type: "string" } };
}

function pathParameter(name: string | undefined): object {
  return { name, in: "path", required: true, schema: { type: "string" } };
}

function postOf(name: string, { doc, args, required_args: required, result }: MethodDefinition): object {
  const properties = Object.fromEntries(
    Object.entries(args).map(([name, { doc: description, type }]) => [
      name,
      { description, ...typeOf(type) },
    ]),
  );
  const schema = {
    type: "object",
    properties,
    ...(required !== undefined && { required }),
    ...(isClosed(name) && { additionalProperties: false }),
  };
  const answer = {
    type: "object",
    properties: {
      id: { type: "integer" },
      status: { type: "integer" },
      status_msg: { type: "string" },
      ...(result !== undefined && { resp: { type: result.type, items: itemsOf(result.items) } }),
    },
    required: ["status"],
  };
  return {
    summary: doc,
    parameters: QueryNames.args.map(queryParameter),
    requestBody: { required: true, content: { "application/json": { schema } } },
    responses: responses(answer),
  };
}

type Items = NonNullable<NonNullable<MethodDefinition["result"]>["items"]>;

function itemsOf(items: Items | undefined): object {
  const properties = Object.entries(items?.properties ?? {}).map(([name, { type }]) => [name, typeOf(type)]);
  return { type: "object", properties: Object.fromEntries(properties) };
}

/** An array must say of what; of anything, here. */
function typeOf(type: unknown): object {
  const isArray = type === "array" || (Array.isArray(type) && type.includes("array"));
  return { type, ...(isArray && { items: {} }) };
}

function responses(schema: object): object {
  const refused = Object.entries(STATUS_WORDS).map(([status, description]) => [status, { description }]);
  return {
    "200": { description: "done", content: { "application/json": { schema } } },
    ...Object.fromEntries(refused),
  };
}
