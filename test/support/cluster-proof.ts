import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { NatsEngine } from "../../service/store/jetstream/nats-engine.ts";
import type { StreamReplicas } from "../../service/store/jetstream/stream-replicas.ts";
import type { SimulatedBoard } from "../../sim/board.ts";
import type { SeededRandom } from "../store/store-drivers.ts";
import { pause, until } from "./boardlog-process.ts";
import { ClusterService } from "./cluster-service.ts";
import { GatewayProcess } from "./gateway-process.ts";
import { listAll } from "./list-client.ts";
import { LiveFollower } from "./live-follower.ts";
import { freePort } from "./mosquitto.ts";
import { startMqttBoards } from "./mqtt-boards.ts";
import { NatsCluster, NODES } from "./nats-cluster.ts";
import { ServiceBalancer } from "./service-balancer.ts";

const SERVICES = 2;
const GATEWAYS = 2;
const BOARDS_PER_GATEWAY = 4;
const PREFIX = "proof";
const LOG = `${PREFIX}_log_default`;
const SETTLE_MS_MAX = 120_000;
/** Seqs of a span of which it is told whether replicas differ there. */
const EVIDENCE_SEQS = 512;
const EVIDENCE_SEQS_MIN = 4;
/** A live reader hears what is stored within this, once all is stored: many times of what a new leader takes. */
const LIVE_MS_MAX = 30_000;

/** What is done to the chain in a round. */
export const FAULTS = [
  "node",
  "leader",
  "stalled leader",
  "cut off leader",
  "two leaders",
  "all nodes",
  "service",
  "gateway",
  "put back",
] as const;
export type Fault = (typeof FAULTS)[number];

/** Those that a cluster without networks of its own can have. */
export const FAULTS_PLAIN = FAULTS.filter((fault) => fault !== "cut off leader" && fault !== "two leaders");

interface Gateway {
  readonly process: GatewayProcess;
  readonly mqttPort: number;
}

/** Three nodes, two services behind one address, two gateways and boards that run the real agent; all of them real processes. */
export class ClusterProof {
  readonly #cluster: NatsCluster;
  readonly #random: SeededRandom;
  readonly #services: ClusterService[] = [];
  readonly #gateways: Gateway[] = [];
  readonly #boards: SimulatedBoard[] = [];
  readonly #ends: (() => unknown)[] = [];
  #balancer: ServiceBalancer | undefined;
  #key = "";
  #isLoading = false;
  #load: Promise<void> = Promise.resolve();
  #lineCount = 0;
  /** Writers' lines that were answered with 0, and those that may be there. */
  readonly #acked: string[] = [];
  #written = 0;

  constructor(program: string, random: SeededRandom, options: { readonly hasNetworks?: boolean } = {}) {
    this.#cluster = new NatsCluster(program, options);
    this.#random = random;
  }

  async start(): Promise<void> {
    await this.#cluster.start();
    for (let index = 0; index < SERVICES; index++)
      this.#services.push(await ClusterService.create(this.#cluster.urls, PREFIX));
    await Promise.all(this.#services.map((service) => service.start()));
    for (const service of this.#services) this.#key ||= (await service.key()) ?? "";
    this.#balancer = new ServiceBalancer(this.#services.map(({ port }) => port));
    await this.#balancer.start();
    for (let index = 0; index < GATEWAYS; index++) await this.#startGateway(index);
    const connection = (index: number) => ({
      brokerUrl: `mqtt://127.0.0.1:${this.#gateways[index % GATEWAYS]?.mqttPort}`,
      username: "default",
      password: this.#key,
    });
    const { boards, stop } = await startMqttBoards(GATEWAYS * BOARDS_PER_GATEWAY, "board", connection, {
      ringBytesMax: 4 << 20,
    });
    this.#ends.push(stop);
    this.#boards.push(...boards);
  }

  async dispose(): Promise<void> {
    this.#isLoading = false;
    await this.#load;
    for (const end of this.#ends.reverse()) await end();
    for (const { process } of this.#gateways) await process.end("SIGKILL");
    await this.#balancer?.stop();
    for (const service of this.#services) await service.dispose();
    await this.#cluster.dispose();
  }

  /** One fault under load; then everything must be there, once and in order. Returns how many lines there were. */
  async round(fault: Fault): Promise<number> {
    this.#startLoad();
    await this.#progress();
    // After a loss ids are others: a reader begins anew then.
    const reader = fault === "put back" ? undefined : new LiveFollower(this.#balancer?.url ?? "", this.#key);
    try {
      if (reader !== undefined) await until("the reader is live", () => reader.startId !== undefined);
      await this.#progress();
      await this.#strike(fault);
      await this.#progress();
      await this.#stopLoad();
      await this.#settled();
      await this.#verify();
      await this.#verifyReplicas();
      if (reader !== undefined) await this.#verifyLive(reader);
    } catch (error) {
      process.stdout.write(`${fault} was struck:\n${await this.#evidence()}`);
      throw error;
    } finally {
      await reader?.end();
    }
    return this.#lineCount * this.#boards.length;
  }

  /** What the processes say of themselves, for whoever looks for the cause. */
  async #evidence(): Promise<string> {
    const wanted = /^boardlog_(forwarder|spool|store|service)_\S+ [^0].*$/gm;
    const lines: string[] = [];
    for (const [index, { process: gateway }] of this.#gateways.entries())
      lines.push(
        `gateway ${index}: ${((await gateway.metrics()).match(wanted) ?? []).join(", ")}`,
        gateway.output.slice(-3000),
      );
    for (const [index, { url, output }] of this.#services.entries()) {
      const metrics = await fetch(`${url}/metrics`).then(
        (response) => response.text(),
        () => "",
      );
      lines.push(
        `service ${index}: ${(metrics.match(wanted) ?? []).join(", ")}`,
        withoutStacks(output).slice(-8000),
      );
    }
    lines.push(await this.#replicaEvidence());
    return `${lines.join("\n")}\n`;
  }

  /** What each replica of the log has, in spans. */
  async #replicaEvidence(): Promise<string> {
    return await this.#withReplicas(async (replicas) => {
      const standing = await replicas.standing(LOG);
      const lines = [JSON.stringify(standing)];
      const lastSeq = standing?.lastSeq ?? 0;
      const look = async (from: number, seqs: number): Promise<void> => {
        const contents = await replicas.contents(LOG, from, Math.min(lastSeq, from + seqs - 1));
        const isSame = new Set([...contents.values()].map(({ digest }) => digest)).size === 1;
        if (isSame && contents.size === NODES) return;
        if (seqs <= EVIDENCE_SEQS_MIN || contents.size < NODES)
          lines.push(`${seqs} from ${from}: ${JSON.stringify([...contents])}`);
        else for (const start of [from, from + seqs / 2]) if (start <= lastSeq) await look(start, seqs / 2);
      };
      for (let from = 1; from <= lastSeq; from += EVIDENCE_SEQS) await look(from, EVIDENCE_SEQS);
      return lines.join("\n");
    }).catch((error: unknown) => `replicas: ${String(error)}`);
  }

  async #strike(fault: Fault): Promise<void> {
    const node = this.#random.below(NODES);
    if (fault === "node" || fault === "leader") {
      const struck = fault === "node" ? node : await this.#leader();
      await this.#cluster.killNode(struck);
      await pause(this.#random.below(2000));
      this.#cluster.startNode(struck);
    } else if (fault === "stalled leader") {
      // As a partition looks from the other side: it comes back and believes that it leads still.
      const pid = this.#cluster.pidOf(await this.#leader());
      if (pid === undefined) return;
      process.kill(pid, "SIGSTOP");
      await pause(6000 + this.#random.below(4000));
      process.kill(pid, "SIGCONT");
    } else if (fault === "cut off leader") {
      const leader = await this.#leader();
      this.#cluster.network?.cut(leader);
      await pause(6000 + this.#random.below(6000));
      this.#cluster.network?.join(leader);
    } else if (fault === "two leaders") {
      // The one that comes back may lead again, before anybody could look at it.
      const leader = await this.#leader();
      this.#cluster.network?.cut(leader);
      const next = await this.#leaderOtherThan(leader);
      await pause(this.#random.below(3000));
      this.#cluster.network?.join(leader);
      await pause(this.#random.below(500));
      await this.#cluster.killNode(next);
      await pause(4000 + this.#random.below(8000));
      this.#cluster.startNode(next);
    } else if (fault === "all nodes") {
      await this.#cluster.killAll();
      await pause(this.#random.below(2000));
      await this.#cluster.start();
    } else if (fault === "service") {
      const service = this.#services[this.#random.below(SERVICES)];
      await service?.kill();
      await pause(this.#random.below(1000));
      await service?.start();
    } else if (fault === "gateway") {
      const gateway = this.#gateways[this.#random.below(GATEWAYS)];
      await gateway?.process.end("SIGKILL");
      await gateway?.process.start();
    } else await this.#putBack();
  }

  /** What came after a moment is gone from every node, as after a power cut of them all; gateways fill it again. */
  async #putBack(): Promise<void> {
    await this.#cluster.killAll();
    const keptCount = this.#acked.length;
    const copied = this.#boards.map(({ agent }) => agent.stats.acked);
    this.#cluster.copyFiles("copy");
    await this.#cluster.start();
    await this.#progress();
    await pause(1000 + this.#random.below(3000));
    // What is lost then had been stored: lines that the copy cannot have.
    await until(
      "every board's newer lines are in the log",
      async () => {
        const stored = await Promise.all(this.#boards.map((_, index) => this.#lastStored(index)));
        return stored.every((seq, index) => seq > (copied[index] ?? 0));
      },
      SETTLE_MS_MAX,
    );
    await this.#cluster.killAll();
    this.#cluster.restoreFiles("copy");
    // Who writes without a gateway has nobody that keeps what was acked: newer lines are let go. Answers are all in by now.
    await pause(1000);
    this.#acked.splice(keptCount);
    await this.#cluster.start();
  }

  async #lastStored(board: number): Promise<number> {
    const response = await fetch(`${this.#balancer?.url}/v1/Log.List`, {
      method: "POST",
      headers: { "x-api-key": this.#key, "content-type": "application/json" },
      body: JSON.stringify({ src: `board-${board}`, last: 1, fields: ["seq"] }),
    }).catch(() => undefined);
    const { resp } = ((await response?.json()) ?? {}) as { resp?: readonly { seq?: number }[] };
    return resp?.[0]?.seq ?? 0;
  }

  async #leader(): Promise<number> {
    return await this.#withReplicas(async (replicas) => {
      const standing = await replicas.standing(LOG);
      return Number(standing?.replicas.find(({ isLeader }) => isLeader)?.node.slice(1) ?? 0);
    });
  }

  async #leaderOtherThan(node: number): Promise<number> {
    let leader = node;
    await until(
      "another node leads",
      async () => {
        leader = await this.#leader().catch(() => node);
        return leader !== node;
      },
      SETTLE_MS_MAX,
    );
    return leader;
  }

  /** Whichever node leads, it has the same. */
  async #verifyReplicas(): Promise<void> {
    await this.#withReplicas((replicas) =>
      until(
        "all replicas hold the same",
        async () => {
          const standing = await replicas.standing(LOG).catch(() => undefined);
          if (standing?.replicas.length !== NODES) return false;
          const contents = await replicas.contents(LOG, 1, standing.lastSeq).catch(() => new Map());
          return (
            contents.size === NODES && new Set([...contents.values()].map(({ digest }) => digest)).size === 1
          );
        },
        SETTLE_MS_MAX,
      ),
    );
  }

  async #withReplicas<T>(task: (replicas: StreamReplicas) => Promise<T>): Promise<T> {
    const engine = await NatsEngine.connect(
      { servers: this.#cluster.urls, replicas: NODES },
      { clock: systemClock, timers: systemTimers },
    );
    try {
      return await task(engine.replicas);
    } finally {
      await engine.close();
    }
  }

  async #startGateway(index: number): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), "boardlog-proof-gateway-"));
    this.#ends.push(() => rm(folder, { recursive: true, force: true }));
    const keyFile = join(folder, "key");
    await writeFile(keyFile, `${this.#key}\n`);
    const [mqttPort, statusPort] = [await freePort(), await freePort()];
    const settings = join(folder, "gateway.yaml");
    await writeFile(
      settings,
      `id: gw-${index}\ndata: ${folder}/data\nservice: {url: "${this.#balancer?.url}", keyFile: ${keyFile}}\nmqtt: {listen: ${mqttPort}, keyFile: ${keyFile}}\nstatus: ${statusPort}\n`,
    );
    const process = new GatewayProcess(settings, statusPort);
    await process.start();
    this.#gateways.push({ process, mqttPort });
  }

  #startLoad(): void {
    this.#isLoading = true;
    this.#load = Promise.all([this.#logLines(), this.#write()]).then(() => {});
  }

  async #stopLoad(): Promise<void> {
    this.#isLoading = false;
    await this.#load;
  }

  async #logLines(): Promise<void> {
    while (this.#isLoading) {
      this.#lineCount += 1;
      for (const board of this.#boards) board.console.info(`line ${this.#lineCount}`);
      await pause(20);
    }
  }

  /** A program that logs by itself, without seqs: a status of 0 is its ack. */
  async #write(): Promise<void> {
    while (this.#isLoading) {
      const text = `post ${++this.#written}`;
      const isAcked = await fetch(`${this.#balancer?.url}/v1/Log.Log`, {
        method: "POST",
        headers: { "x-api-key": this.#key, "content-type": "application/json", connection: "close" },
        body: JSON.stringify({ src: "writer", msg: text }),
        signal: AbortSignal.timeout(20_000),
      }).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isAcked) this.#acked.push(text);
      await pause(isAcked ? 5 : 100);
    }
  }

  /** Every board has something new acked, and the log something new in it. */
  async #progress(): Promise<void> {
    const before = this.#boards.map(({ agent }) => agent.stats.acked);
    const ackedCount = this.#acked.length;
    await until(
      "boards and writer go on",
      () =>
        this.#boards.every(({ agent }, index) => agent.stats.acked > (before[index] ?? 0) + 5) &&
        this.#acked.length !== ackedCount,
      SETTLE_MS_MAX,
    );
  }

  async #settled(): Promise<void> {
    await until(
      "every line is acked",
      () => this.#boards.every(({ agent }) => agent.stats.acked === agent.stats.seq),
      SETTLE_MS_MAX,
    );
    await until(
      "gateways have forwarded everything",
      async () => {
        const waiting = await Promise.all(
          this.#gateways.map(({ process }) => process.gauge("spool_waiting_entries")),
        );
        return waiting.every((count) => count === 0);
      },
      SETTLE_MS_MAX,
    );
  }

  /** A live reader heard just what is listed after the place where it began, in the same order. */
  async #verifyLive(reader: LiveFollower): Promise<void> {
    const start = reader.startId;
    if (start === undefined) throw new Error(`the reader never was live: ${String(reader.problem)}`);
    for (const [index] of this.#boards.entries()) {
      const src = `board-${index}`;
      const wanted = await idsAfter(this.#services[0]?.url ?? "", this.#key, src, start);
      const ofBoard = () => reader.heard.filter(({ deviceId }) => deviceId === src).map(({ id }) => id);
      // What it did not hear is told by the comparison.
      await until("the reader has heard it", () => ofBoard().length >= wanted.length, LIVE_MS_MAX).catch(
        () => {},
      );
      expect(ofBoard(), `live ${src}, ${reader.reconnectCount} reconnections`).toEqual(wanted);
    }
  }

  /** At both services: each board's lines are 1 to the last, once, in order, as it logged them. */
  async #verify(): Promise<void> {
    for (const { url } of this.#services) {
      for (const [index, { agent }] of this.#boards.entries()) {
        const { seq, droppedOldest, droppedNewest } = agent.stats;
        expect(droppedOldest + droppedNewest).toBe(0);
        const wanted = Array.from({ length: seq }, (_, at) => at + 1);
        const entries = await listPatiently(url, this.#key, `board-${index}`);
        expect(
          entries.map((entry) => entry.seq),
          `board-${index}`,
        ).toEqual(wanted);
        expect(entries.map(({ msg }) => msg)).toEqual(wanted.map((number) => `line ${number}`));
      }
      const posted = (await listPatiently(url, this.#key, "writer")).map(({ msg }) => String(msg));
      expect(posted.filter((text) => this.#acked.includes(text))).toEqual(this.#acked);
      expect(new Set(posted).size).toBe(posted.length);
    }
  }
}

function withoutStacks(output: string): string {
  return output.replace(/"stack":"[^"]*",?/g, "");
}

/** Ids of what a source has after a place. */
async function idsAfter(url: string, key: string, src: string, start: string): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const response = await fetch(`${url}/v1/Log.List`, {
      method: "POST",
      headers: { "x-api-key": key, "content-type": "application/json" },
      body: JSON.stringify({ src, limit: 1000, after: ids.at(-1) ?? start }),
    });
    if (response.status === 503) {
      await pause(200);
      continue;
    }
    const { resp } = (await response.json()) as { readonly resp: readonly { readonly id: string }[] };
    if (resp.length === 0) return ids;
    ids.push(...resp.map(({ id }) => id));
  }
}

/** A service whose node was cut off goes to another first; a reader that is told 503 asks again. */
async function listPatiently(url: string, key: string, src: string): ReturnType<typeof listAll> {
  const deadlineMs = performance.now() + SETTLE_MS_MAX;
  for (;;) {
    try {
      return await listAll(url, key, src);
    } catch (error) {
      if (performance.now() > deadlineMs || !/^503 |fetch failed/.test((error as Error).message)) throw error;
      await pause(200);
    }
  }
}
