import { Forwarder } from "../gateway/forwarder.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { ClubbyHttp } from "../gateway/outputs/clubby-http.ts";
import { ClubbySink, LANES_MAX } from "../gateway/outputs/clubby-sink.ts";
import { ClubbySocket } from "../gateway/outputs/clubby-socket.ts";
import { OutputSender } from "../gateway/outputs/output-sender.ts";
import type { GiveUp } from "../gateway/outputs/sink.ts";
import { SocketServiceClient } from "../gateway/socket-service-client.ts";
import type { Spool } from "../gateway/spool/spool.ts";
import { SpooledUplink } from "../gateway/spooled-uplink.ts";
import { UnaskedBoots } from "../gateway/unasked-boots.ts";
import type { Clock, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { Disk } from "../host/disk.ts";
import type { ProcessLog } from "../host/log.ts";
import type { Random } from "../host/random.ts";
import { STREAM_LOSS } from "../protocol/entry.ts";
import { type GatewaySettings, type ServiceSetting, UplinkKind } from "./gateway-settings.ts";

interface UplinkWorld {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly counters: Counters;
  readonly log: ProcessLog;
  readonly disk: Disk;
  readonly spool: Spool;
}

/** What sends the spool to the service. */
export interface ServiceLink {
  readonly uplink: SpooledUplink;
  readonly isConnected: () => boolean;
  /** Why it is not, in words. */
  readonly problem: () => string;
  /** Lets the service reach boards, where it can. */
  readonly attach: (gateway: Gateway) => void;
  readonly stop: () => Promise<void>;
}

/** How long what is under way may take when the gateway stops, ms. */
const STOP_MS = 500;
/** Entries read from the spool at once; what a kill can make twice is less. */
const CLUBBY_BOUNDS = { entriesMax: 500, bytesMax: 1 << 20 };

/** Sends the spool to the service that the settings name, from now on. */
export async function startServiceLink(world: UplinkWorld, settings: GatewaySettings): Promise<ServiceLink> {
  const { service } = settings;
  return service.uplink === UplinkKind.Clubby
    ? startClubby(world, service, settings.project)
    : startBoardlog(world, service, settings);
}

async function startBoardlog(
  world: UplinkWorld,
  service: ServiceSetting & { readonly uplink: typeof UplinkKind.Boardlog },
  { id, project }: GatewaySettings,
): Promise<ServiceLink> {
  const client = new SocketServiceClient(world, { ...service, project, gatewayId: id });
  const forwarder = new Forwarder({ ...world, client });
  forwarder.start();
  const isConnected = (): boolean => forwarder.isConnected;
  const unasked = await UnaskedBoots.open({ ...world, client, isConnected });
  return {
    uplink: new SpooledUplink({ ...world, client, unasked, isConnected }, { project }),
    isConnected,
    problem: () => `the log service at ${new URL(service.url).host} does not answer`,
    attach: (gateway) => {
      client.onLevel = (src, lease) => gateway.setLevel(project, src, lease);
      client.onBadLease = (problem) => {
        world.counters.add("uplink_bad_leases_total");
        world.log.warn({ problem }, "the log service sent a lease that is none; do the versions fit?");
      };
    },
    stop: async () => {
      await unasked.stop();
      await forwarder.stop(STOP_MS);
      client.close();
    },
  };
}

async function startClubby(
  world: UplinkWorld,
  service: ServiceSetting & { readonly uplink: typeof UplinkKind.Clubby },
  project: string,
): Promise<ServiceLink> {
  const { spool, counters, log } = world;
  const { url, tls, key, clubby } = service;
  const transport = url.startsWith("ws")
    ? new ClubbySocket(world, { url, at: "service", tls })
    : new ClubbyHttp(world, { url, at: "service", tls, connectionsMax: LANES_MAX });
  const giveUp: GiveUp = async (entries, reason) => {
    counters.add("clubby_refused_entries_total", entries.length);
    log.warn({ src: entries[0]?.src }, `the log service refuses a line for good: ${reason}`);
    // A loss record that is refused makes no further one.
    const lost = entries.filter(({ stream }) => stream !== STREAM_LOSS);
    await spool.giveUp(lost, `refused by the log service: ${reason}`);
  };
  const name = `the log service at ${new URL(url).host}`;
  const sink = new ClubbySink(transport, giveUp, { ...clubby, name, key });
  const sender = new OutputSender(
    { ...world, reader: spool, sink },
    {
      counters: { sentEntries: "clubby_sent_entries_total", failures: "clubby_failures_total" },
      bounds: CLUBBY_BOUNDS,
    },
  );
  const isConnected = (): boolean => sender.problem === undefined;
  // Nobody else can say what this service has.
  await spool.greet(spool.position);
  sender.start();
  return {
    uplink: new SpooledUplink({ ...world, isConnected }, { project }),
    isConnected,
    problem: () => `${name}: ${sender.problem}`,
    attach: () => {},
    stop: () => sender.stop(STOP_MS),
  };
}
