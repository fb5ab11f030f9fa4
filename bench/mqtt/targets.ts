import { BoardlogProcess } from "../../test/support/boardlog-process.ts";
import { freePort } from "../../test/support/mosquitto.ts";
import { LineProcess } from "../harness/line-process.ts";

/** A server that boards publish to. */
export interface Target {
  readonly port: number;
  readonly pid: number;
  /** Arguments of the load that logs in. */
  readonly login: readonly string[];
  stop(): Promise<void>;
}

/** One that writes each publish into a file, as a line, some time after the ack. */
export interface WritingTarget extends Target {
  /** Resolves when so many more lines than before are in its file. @throws when it stands still. */
  written(lineCount: number): Promise<void>;
}

export interface BoardlogTarget extends Target {
  readonly url: string;
  readonly key: string;
  /** Entries that can be listed by now. */
  storedEntries(): Promise<number>;
}

/**
 * `boardlog up` as its user starts it, in a data folder of its own.
 * @param under a command that the process runs under, with its arguments.
 */
export async function boardlog(
  args: readonly string[] = [],
  under: readonly string[] = [],
): Promise<BoardlogTarget> {
  const process = await BoardlogProcess.create(["--quiet", ...args], under);
  await process.start();
  const key = await process.key();
  return {
    port: process.mqttPort,
    pid: process.pid,
    url: process.url,
    key,
    login: ["--username", "default", "--password", key],
    storedEntries: async () => {
      const answer = await fetch(`${process.url}/v1/projects/default/sources`, {
        headers: { "x-api-key": key },
      });
      const { sources } = (await answer.json()) as { sources: { entryCount: number }[] };
      return sources.reduce((sum, { entryCount }) => sum + entryCount, 0);
    },
    stop: async () => {
      await process.end("SIGTERM");
      await process.remove();
    },
  };
}

export async function aedes(args: readonly string[] = []): Promise<Target> {
  const port = await freePort();
  const server = await LineProcess.start("bench/mqtt/aedes-server.ts", ["--port", String(port), ...args]);
  await server.next();
  return { port, pid: server.pid, login: [], stop: () => server.stop() };
}
