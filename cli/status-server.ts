import { createServer, type Server } from "node:http";
import type { Counters } from "../host/counters.ts";
import type { HostPort } from "./settings.ts";
import { UserError } from "./user-error.ts";

export interface StatusSource {
  readonly counters: Counters;
  /** What each metric says, by name; a counter (`_total`) among them is shown also before it has counted. */
  readonly descriptions: Readonly<Record<string, string>>;
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

function metricsText({ counters, descriptions, gauges }: StatusSource): string {
  const part = (type: string, values: Readonly<Record<string, number>>): string =>
    Object.entries(values)
      .map(([name, value]) => {
        const what = descriptions[name];
        const help = what === undefined ? "" : `# HELP boardlog_${name} ${what.replaceAll("`", "")}\n`;
        return `${help}# TYPE boardlog_${name} ${type}\nboardlog_${name} ${value}\n`;
      })
      .join("");
  // One that appeared with its first loss would be no rise to whoever asks for rises.
  const zeros = Object.keys(descriptions)
    .filter((name) => name.endsWith("_total"))
    .map((name) => [name, 0]);
  return part("counter", { ...Object.fromEntries(zeros), ...counters.values() }) + part("gauge", gauges());
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
