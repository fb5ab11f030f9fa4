import { afterEach, describe, expect, test } from "vitest";
import { SeededRandom } from "../store/store-drivers.ts";
import { ClusterProof, FAULTS, FAULTS_PLAIN, type Fault } from "../support/cluster-proof.ts";
import { canCutNetworks } from "../support/node-network.ts";
import { requires } from "../support/requirements.ts";

const need = requires("nats-server");
/** What a short run has. */
const SHORT: readonly Fault[] = ["leader", "stalled leader", "put back"];
/** More by scripts/cluster-proof.mjs. */
const ROUNDS = Number(process.env.CLUSTER_ROUNDS ?? SHORT.length);
/** Faults in this order, by name, separated by commas. */
const FIXED = process.env.CLUSTER_FAULTS?.split(",") as Fault[] | undefined;
const SEED = Number(process.env.CLUSTER_SEED ?? 1);
const ROUND_MS_MAX = 300_000;

let proof: ClusterProof | undefined;
let order: readonly Fault[] = [];
afterEach(() => proof?.dispose());

describe.skipIf(need.isMissing)(`a cluster under load${need.note}`, () => {
  test(
    `whatever of it is killed, stalled or put back, nothing is lost, nothing is there twice, all is in order: ${ROUNDS} rounds, seed ${SEED}`,
    async () => {
      const random = new SeededRandom(SEED);
      const isLong = ROUNDS > SHORT.length;
      const hasNetworks = isLong && canCutNetworks();
      const faults = hasNetworks ? FAULTS : FAULTS_PLAIN;
      if (isLong && !hasNetworks)
        process.stdout.write("no rounds that cut a node off: they need root and iproute2\n");
      proof = new ClusterProof(need.path ?? "", random, { hasNetworks });
      await proof.start();
      for (let round = 0; round < ROUNDS; round++) {
        // Each in its turn, in an order of its own at each turn.
        if (round % faults.length === 0) order = FIXED ?? shuffled(isLong ? faults : SHORT, random);
        const fault = order[round % order.length] ?? "leader";
        const startMs = performance.now();
        const lineCount = await proof.round(fault);
        const seconds = Math.round((performance.now() - startMs) / 1000);
        if (isLong)
          process.stdout.write(`round ${round + 1}/${ROUNDS}: ${fault}: ${lineCount} lines, ${seconds} s\n`);
        expect(lineCount).toBeGreaterThan(0);
      }
    },
    (ROUNDS + 1) * ROUND_MS_MAX,
  );
});

function shuffled(faults: readonly Fault[], random: SeededRandom): Fault[] {
  const left = [...faults];
  return Array.from(faults, () => left.splice(random.below(left.length), 1)[0] ?? "leader");
}
