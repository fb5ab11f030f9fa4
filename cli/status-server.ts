import { createServer, type Server } from "node:http";
import type { Counters } from "../host/counters.ts";
import type { HostPort } from "./settings.ts";
import { UserError } from "./user-error.ts";

export interface StatusSource {
  readonly counters: Counters;
  /** Numbers that rise and fall, by name. */
  readonly gauges: () => Readonly<Record<string, number>>;
  /** What is wrong, in words; empty where all is well. */
  readonly problems: () => readonly string[];
}

/** `GET /healthz` (200, or 503 with the reasons) and `GET /metrics` (Prometheus' text form), for one machine's own monitoring. */
export async function startStatusServer(
  { host, port }: HostPort,
  source: StatusSource,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0];
    if (path === "/healthz") {
      const problems = source.problems();
      response.writeHead(problems.length === 0 ? 200 : 503, { "content-type": "application/json" });
      response.end(JSON.stringify({ status: problems.length === 0 ? "ok" : "degraded", problems }));
    } else if (path === "/metrics") {
      response.writeHead(200, { "content-type": "text/plain; version=0.0.4" });
      response.end(metricsText(source));
    } else {
      response.writeHead(404, { "content-type": "application/json" });
      response.end('{"status":404,"status_msg":"there are /healthz and /metrics"}');
    }
  });
  await listen(server, host, port);
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function metricsText({ counters, gauges }: StatusSource): string {
  const part = (type: string, values: Readonly<Record<string, number>>): string =>
    Object.entries(values)
      .map(([name, value]) => `# TYPE boardlog_${name} ${type}\nboardlog_${name} ${value}\n`)
      .join("");
  return part("counter", counters.values()) + part("gauge", gauges());
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
  } catch (error) {
    throw new UserError(`status: cannot listen on ${host}:${port}: ${(error as Error).message}`, 1);
  }
}
