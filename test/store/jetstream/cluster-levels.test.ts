import { describe, expect, test } from "vitest";
import type { LevelLease } from "../../../protocol/level-lease.ts";
import { type LevelDelivery, LevelHub } from "../../../service/level-control.ts";
import { ClusterLevels } from "../../../service/store/jetstream/cluster-levels.ts";
import type { PeerLine } from "../../../service/store/jetstream/peer-line.ts";
import { StoreUnavailable } from "../../../service/store/log-store.ts";
import { VirtualTime } from "../../../sim/virtual-time.ts";
import { SeededRandom } from "../store-drivers.ts";

type Serve = Parameters<PeerLine["serve"]>[1];

/** Processes that hear each other at once, until the line is cut. */
class MemoryLine implements PeerLine {
  readonly #served: Serve[] = [];
  isCut = false;

  ask(_subject: string, question: Uint8Array, onAnswer: (answer: Uint8Array) => void): { close(): void } {
    let isClosed = false;
    queueMicrotask(() => {
      if (this.isCut) return;
      for (const serve of this.#served)
        serve(question, (answer) => {
          if (!isClosed) onAnswer(answer);
        });
    });
    return {
      close: () => {
        isClosed = true;
      },
    };
  }

  serve(_subject: string, listener: Serve): void {
    this.#served.push(listener);
  }
}

const LEASE: LevelLease = { level: "debug", forMs: 60_000 };

function processes(count: number) {
  const time = new VirtualTime();
  const line = new MemoryLine();
  const random = new SeededRandom(1);
  const hubs = Array.from(
    { length: count },
    () => new LevelHub(new ClusterLevels({ line, prefix: "p", timers: time, random })),
  );
  /** A gateway that has the board of its own name. */
  const gateway = (hub: number, gatewayId: string, src: string, isReached = true) => {
    const leases: LevelLease[] = [];
    hubs[hub]?.add({
      gatewayId,
      project: "default",
      setLevel: async (_project, asked, lease) => {
        if (asked !== src) return undefined;
        leases.push(lease);
        return { isReached };
      },
    });
    return leases;
  };
  /** What an order gets, and after how long. */
  const set = async (hub: number, src: string, project = "default") => {
    let answer: readonly LevelDelivery[] | Error | undefined;
    hubs[hub]?.setLevel(project, src, LEASE).then(
      (deliveries) => {
        answer = deliveries;
      },
      (error: Error) => {
        answer = error;
      },
    );
    let ms = 0;
    for (; answer === undefined && ms < 10_000; ms += 100) await time.advanceAsync(100);
    return { answer, ms };
  };
  return { time, line, hubs, gateway, set };
}

describe("a level that is set through one of several processes", () => {
  test("reaches the board through the process that its gateway is connected to", async () => {
    const { gateway, set } = processes(3);
    const leases = gateway(2, "shed", "pump");
    const { answer, ms } = await set(0, "pump");
    expect(answer).toEqual([{ gatewayId: "shed", isReached: true }]);
    expect(leases).toEqual([LEASE]);
    expect(ms).toBeLessThan(500);
  });

  test("is handed once to a gateway of the same process", async () => {
    const { gateway, set } = processes(2);
    const leases = gateway(0, "shed", "pump");
    expect((await set(0, "pump")).answer).toEqual([{ gatewayId: "shed", isReached: true }]);
    expect(leases).toHaveLength(1);
  });

  test("goes to no gateway of another project, and is unknown where nobody has the board", async () => {
    const { gateway, set } = processes(2);
    const leases = gateway(1, "shed", "pump");
    expect((await set(0, "pump", "other")).answer).toEqual([]);
    expect((await set(0, "valve")).answer).toEqual([]);
    expect(leases).toEqual([]);
  });

  test("names a gateway once that is on a new socket while its old one is not known to be dead", async () => {
    const { gateway, set } = processes(2);
    gateway(0, "shed", "pump", false);
    gateway(1, "shed", "pump");
    expect((await set(0, "pump")).answer).toEqual([{ gatewayId: "shed", isReached: true }]);
  });

  test("waits for a process that has said that it asks its gateways", async () => {
    const { time, hubs, gateway, set } = processes(3);
    gateway(1, "near", "pump");
    hubs[2]?.add({
      gatewayId: "slow",
      setLevel: () => new Promise((resolve) => time.after(1_500, () => resolve({ isReached: true }))),
    });
    const { answer, ms } = await set(0, "pump");
    expect(answer).toEqual([
      { gatewayId: "near", isReached: true },
      { gatewayId: "slow", isReached: true },
    ]);
    expect(ms).toBeGreaterThanOrEqual(1_500);
  });

  test("is refused where the others cannot be asked, unless a gateway here knows the board", async () => {
    const { line, gateway, set } = processes(2);
    gateway(0, "shed", "pump");
    line.isCut = true;
    expect((await set(0, "valve")).answer).toBeInstanceOf(StoreUnavailable);
    expect((await set(0, "pump")).answer).toEqual([{ gatewayId: "shed", isReached: true }]);
  });
});
