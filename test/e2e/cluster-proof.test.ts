import { afterEach, describe, expect, test } from "vitest";
import { SeededRandom } from "../store/store-drivers.ts";
import { ClusterProof, FAULTS, type Fault } from "../support/cluster-proof.ts";
import { requires } from "../support/requirements.ts";

const need = requires("nats-server");
/** More by scripts/cluster-proof.mjs. */
const ROUNDS = Number(process.env.CLUSTER_ROUNDS ?? 2);
const SEED = Number(process.env.CLUSTER_SEED ?? 1);
const ROUND_MS_MAX = 300_000;

let proof: ClusterProof | undefined;
afterEach(() => proof?.dispose());

describe.skipIf(need.isMissing)(`a cluster under load${need.note}`, () => {
  test(
    `whatever of it is killed, stalled or put back, nothing is lost, nothing is there twice, all is in order: ${ROUNDS} rounds, seed ${SEED}`,
    async () => {
      const random = new SeededRandom(SEED);
      proof = new ClusterProof(need.path ?? "", random);
      await proof.start();
      for (let round = 0; round < ROUNDS; round++) {
        // A short run has the two that ask the most; a long one all of them, in an order of its own.
        const fault: Fault =
          ROUNDS <= 2
            ? ((["leader", "put back"] as const)[round] ?? "leader")
            : (FAULTS[random.below(FAULTS.length)] ?? "leader");
        const startMs = performance.now();
        const lineCount = await proof.round(fault);
        const seconds = Math.round((performance.now() - startMs) / 1000);
        if (ROUNDS > 2)
          process.stdout.write(`round ${round + 1}/${ROUNDS}: ${fault}: ${lineCount} lines, ${seconds} s\n`);
        expect(lineCount).toBeGreaterThan(0);
      }
    },
    (ROUNDS + 1) * ROUND_MS_MAX,
  );
});
