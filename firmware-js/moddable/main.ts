/** The end of every bundle for Moddable: what `start` gives. */
import type { Agent } from "../agent/env.ts";
import { agent } from "../agent/handle.ts";
import "../agent/agent.ts";

// biome-ignore lint/style/useConst: the build declares it
declare let started: Agent;

interface AbortHost {
  /** Called where an exception, a rejection or the end of memory is about to restart the board; `false` goes on. */
  abort?(why: string, error?: unknown): unknown;
}

if (WITH_WORDS) {
  const host = globalThis as AbortHost;
  const before = host.abort;
  host.abort = (why, error) => {
    console.error(`${why}: ${(error as { readonly stack?: string } | undefined)?.stack ?? error}`);
    agent.keep();
    return before?.(why, error);
  };
}

started = agent;
