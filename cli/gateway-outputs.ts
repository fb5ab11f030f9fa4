import { OtlpSink } from "../gateway/outputs/otlp-sink.ts";
import { OutputSender } from "../gateway/outputs/output-sender.ts";
import type { Sink } from "../gateway/outputs/sink.ts";
import { SyslogDatagrams } from "../gateway/outputs/syslog-datagrams.ts";
import { type SyslogSinkOptions, SyslogTransport, shownSyslog } from "../gateway/outputs/syslog-setting.ts";
import { SyslogStream } from "../gateway/outputs/syslog-stream.ts";
import type { Spool } from "../gateway/spool/spool.ts";
import { lossOfCount } from "../gateway/spool/spool-loss.ts";
import type { SpoolOutputSetting } from "../gateway/spool/spool-output.ts";
import type { Clock, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { ProcessLog } from "../host/log.ts";
import type { Random } from "../host/random.ts";
import type { OutputSettings } from "./output-settings.ts";

interface OutputWorld {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly counters: Counters;
  readonly log: ProcessLog;
}

/** An output at work. */
export interface Output {
  readonly waitingEntries: () => number;
  /** Why it takes nothing for now, in words. */
  readonly problem: () => string | undefined;
  readonly stop: () => Promise<void>;
}

export interface Outputs {
  readonly otlp?: Output;
  readonly syslog?: Output;
}

/** How long what is under way may take when the gateway stops, ms. */
const STOP_MS = 500;
const OTLP_BOUNDS = { entriesMax: 1_000, bytesMax: 1 << 20 };
const SYSLOG_BOUNDS = { entriesMax: 500, bytesMax: 256 << 10 };

const OTLP_SPOOLED: SpoolOutputSetting = { name: "otlp", evictedCounter: "otlp_evicted_entries_total" };
const SYSLOG_SPOOLED: SpoolOutputSetting = { name: "syslog", evictedCounter: "syslog_evicted_entries_total" };

/** What the spool must know of them. */
export function spooledOutputs({ otlp, syslog }: OutputSettings): readonly SpoolOutputSetting[] {
  return [...(otlp === undefined ? [] : [OTLP_SPOOLED]), ...(syslog === undefined ? [] : [SYSLOG_SPOOLED])];
}

/**
 * Sends the spool to the outputs that the settings name, from now on.
 * @param gatewaySrc source of loss records that are the gateway's own.
 */
export function startOutputs(
  world: OutputWorld,
  spool: Spool,
  { otlp, syslog }: OutputSettings,
  gatewaySrc: string,
): Outputs {
  const { counters, log } = world;
  const outputs: { otlp?: Output; syslog?: Output } = {};
  if (otlp !== undefined) {
    const name = `the output otlp at ${new URL(otlp.url).host}`;
    const rejected = (count: number, reason: string): void => {
      counters.add("otlp_rejected_entries_total", count);
      log.warn({ entries: count }, `${name} refuses entries for good: ${reason}`);
    };
    const sink = new OtlpSink(world, { ...otlp, name, at: "outputs.otlp", rejected });
    const names = { sentEntries: "otlp_sent_entries_total", failures: "otlp_failures_total" };
    outputs.otlp = started(world, spool, sink, { ...OTLP_SPOOLED, names, bounds: OTLP_BOUNDS, gatewaySrc });
  }
  if (syslog !== undefined) {
    const name = `the output syslog at ${shownSyslog(syslog)}`;
    const options: SyslogSinkOptions = { ...syslog, name, at: "outputs.syslog" };
    const isDatagram = syslog.transport === SyslogTransport.Udp;
    const sink = isDatagram ? new SyslogDatagrams(world, options) : new SyslogStream(world, options);
    const names = { sentEntries: "syslog_sent_entries_total", failures: "syslog_failures_total" };
    outputs.syslog = started(world, spool, sink, {
      ...SYSLOG_SPOOLED,
      names,
      bounds: SYSLOG_BOUNDS,
      gatewaySrc,
    });
  }
  return outputs;
}

function started(
  world: OutputWorld,
  spool: Spool,
  sink: Sink,
  options: SpoolOutputSetting & {
    readonly names: { readonly sentEntries: string; readonly failures: string };
    readonly bounds: typeof OTLP_BOUNDS;
    readonly gatewaySrc: string;
  },
): Output {
  const { name, names, bounds, gatewaySrc } = options;
  const reader = spool.output(name);
  const sender = new OutputSender(
    { ...world, reader, sink },
    {
      counters: names,
      bounds,
      lossOf: (count) =>
        lossOfCount(gatewaySrc, count, {
          why: `evicted: the spool was full before the output ${name} had them`,
          receivedMs: Math.max(0, world.clock.wallMs()),
        }),
    },
  );
  sender.start();
  return {
    waitingEntries: () => reader.waitingEntries,
    problem: () => (sender.problem === undefined ? undefined : `${sink.name}: ${sender.problem}`),
    stop: () => sender.stop(STOP_MS),
  };
}
