import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { titleWithoutSecrets } from "../../cli/process-title.ts";
import { BIN, until } from "../support/boardlog-process.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { runServiceOver } from "../support/running-service.ts";

describe("what the list of processes shows", () => {
  it("is the command line without keys, tokens and passwords, however they are given", () => {
    const title = (...args: string[]) => titleWithoutSecrets(["node", "boardlog", ...args]);
    expect(title("tail", "--key", "whatever", "--json")).toBe("node boardlog tail --key [redacted] --json");
    expect(title("tail", "--key=whatever")).toBe("node boardlog tail --key=[redacted]");
    expect(title("up", "--broker", "mqtt://me:hidden@host")).toBe(
      "node boardlog up --broker mqtt://me:[redacted]@host",
    );
    expect(title("list", "blk_abcdefgh_abcdefghijklmnop")).toBe("node boardlog list [redacted]");
    expect(title("list", "greenhouse", "--last", "20")).toBeUndefined();
  });

  it.runIf(process.platform === "linux")("holds no key of a command that runs on", async () => {
    const running = await runServiceOver(new MemoryStore());
    const child = spawn(process.execPath, [BIN, "tail", "--url", running.url, "--key", running.key], {
      stdio: "ignore",
    });
    try {
      const shown = () => readFile(`/proc/${child.pid}/cmdline`, "latin1");
      await until("the key is hidden", async () => (await shown()).includes("[redacted]"));
      expect(await shown()).not.toContain(running.key.slice(0, 20));
    } finally {
      child.kill("SIGKILL");
      await running.stop();
    }
  });
});
