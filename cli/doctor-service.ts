import { systemClock, systemTimers } from "../host/system-clock.ts";
import { promiseOf } from "../service/store/jetstream/cluster-promise.ts";
import { NatsEngine } from "../service/store/jetstream/nats-engine.ts";
import { keptStream } from "../service/store/jetstream/subject-names.ts";
import { StoreUnavailable } from "../service/store/log-store.ts";
import type { ClusterSetting } from "./cluster-settings.ts";
import type { Finding } from "./doctor-checks.ts";
import type { ServiceSettings } from "./service-settings.ts";

const about = "store";

/** What a service's settings name beside the data folder: the cluster that its store is on. */
export async function* checkServiceStore({ cluster }: ServiceSettings): AsyncGenerator<Finding> {
  if (cluster === undefined) return;
  const { engine: options, shown } = cluster;
  let engine: NatsEngine;
  try {
    engine = await NatsEngine.connect(options, { clock: systemClock, timers: systemTimers });
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    const advice = "are the nodes up, with jetstream and a cluster in their settings, and may this user in?";
    yield { about, state: "bad", text: `${shown}: ${error.message}`, advice };
    return;
  }
  try {
    yield* checkNodes(engine, cluster);
    const { isSyncSettable, text } = promiseOf(engine.serverVersion);
    yield {
      about,
      state: "note",
      text,
      advice: isSyncSettable
        ? 'jetstream { sync_interval: always } on each node, or keep "spool.replayMinutes" of the gateways above its value'
        : 'keep "spool.replayMinutes" of the gateways at 2 or more',
    };
  } finally {
    await engine.close();
  }
}

async function* checkNodes(
  engine: NatsEngine,
  { prefix, shown, engine: options }: ClusterSetting,
): AsyncGenerator<Finding> {
  const standing = await engine.replicas.standing(keptStream(prefix));
  if (standing === undefined) {
    const text = `${shown} takes this client; no service has used it yet (prefix ${prefix})`;
    yield { about, state: "good", text };
    return;
  }
  const { replicas } = standing;
  const away = replicas.filter(({ isCurrent }) => !isCurrent).map(({ node }) => node);
  const nodes = replicas.map(({ node }) => node).join(", ");
  if (away.length > 0) {
    yield {
      about,
      state: "warn",
      text: `${shown}: ${away.join(", ")} of ${nodes} is away or behind`,
      advice: "the log goes on while most of the nodes are there; bring it back before another goes",
    };
  } else if (replicas.length < options.replicas) {
    yield {
      about,
      state: "warn",
      text: `${shown}: ${replicas.length} of the ${options.replicas} copies that the settings ask for`,
      advice: "streams keep the number that they were made with: nats stream edit --replicas",
    };
  } else yield { about, state: "good", text: `${shown}: nodes ${nodes} have everything` };
}
