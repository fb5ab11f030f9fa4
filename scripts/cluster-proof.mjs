// Kills, stalls and puts back parts of a JetStream cluster under load, and looks for lines that are lost, twice or out of order:
// node scripts/cluster-proof.mjs [ROUNDS] [SEED]. Needs a build and nats-server. Exit status 1 when something was found.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const [rounds = "30", seed = "1"] = process.argv.slice(2);
const root = fileURLToPath(new URL("..", import.meta.url));
const child = spawn("npx", ["vitest", "run", "test/e2e/cluster-proof.test.ts"], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, CLUSTER_ROUNDS: rounds, CLUSTER_SEED: seed },
});
child.once("exit", (status) => {
  process.exitCode = status ?? 1;
});
