// Kills the gateway again and again under load, over a real Mosquitto and over ptys, alone, with its service, and with outputs and
// a service that knows only the seed, and looks for lines that are lost, twice or out of order:
// node scripts/gateway-kills.mjs [KILLS]. Needs a build. Exit status 1 when something was found.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const [kills = "200"] = process.argv.slice(2);
/** No kill takes longer, a busy machine included, ms. */
const KILL_MS_MAX = 60_000;
const root = fileURLToPath(new URL("..", import.meta.url));
const child = spawn(
  "npx",
  [
    "vitest",
    "run",
    "test/e2e/gateway-process.test.ts",
    "test/e2e/clubby-uplink.test.ts",
    `--testTimeout=${Number(kills) * KILL_MS_MAX}`,
  ],
  { cwd: root, stdio: "inherit", env: { ...process.env, GATEWAY_KILLS: kills } },
);
child.once("exit", (status) => {
  process.exitCode = status ?? 1;
});
