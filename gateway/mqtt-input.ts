import type { Clock } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { Frame } from "../protocol/frame.ts";
import { decodeFrame } from "../protocol/frame-decoder.ts";
import { commandTopic, parseDeviceTopic } from "../protocol/mqtt-topics.ts";
import { checkSrc, isOwnSrc, isProject } from "../protocol/names.ts";
import type { Intake } from "./intake.ts";
import { type TopicLink, type TopicMessage, TopicOutcome } from "./link.ts";
import { GatewayStopping } from "./pauses.ts";
import { encodeReply, type Reply } from "./reply.ts";
import type { SeldomLog } from "./seldom-log.ts";

export interface MqttInputOptions {
  /** Only topics of this project are taken; without it, of any (the link has checked whose they are). */
  readonly project?: string;
}

type Done = (outcome: TopicOutcome) => void;

/** Frames of boards that speak MQTT (docs/protocol.md 8). */
export class MqttInput {
  readonly #link: TopicLink;
  readonly #intake: Intake;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #seldomLog: SeldomLog;
  readonly #options: MqttInputOptions;
  #stopping = false;

  constructor(
    world: {
      readonly link: TopicLink;
      readonly intake: Intake;
      readonly clock: Clock;
      readonly counters: Counters;
      readonly seldomLog: SeldomLog;
    },
    options: MqttInputOptions = {},
  ) {
    this.#link = world.link;
    this.#intake = world.intake;
    this.#clock = world.clock;
    this.#counters = world.counters;
    this.#seldomLog = world.seldomLog;
    this.#options = options;
  }

  /** @throws what the link throws when it cannot start. */
  start(): Promise<void> {
    return this.#link.start((message, done) => this.#receive(message, done));
  }

  /** Takes nothing more; what comes from now on must come again. */
  drain(): void {
    this.#stopping = true;
  }

  close(): Promise<void> {
    return this.#link.stop();
  }

  #receive(message: TopicMessage, done: Done): void {
    if (this.#stopping) {
      done(TopicOutcome.Stopped);
      return;
    }
    const topic = parseDeviceTopic(message.topic);
    const isOurs =
      topic?.kind === "log" &&
      isProject(topic.project) &&
      checkSrc(topic.device).ok &&
      topic.project === (this.#options.project ?? topic.project);
    if (topic === undefined || !isOurs) {
      this.#discard("mqtt_bad_topic_messages_total", TopicOutcome.Refused, done);
      return;
    }
    const { project, device } = topic;
    if (message.retained) {
      this.#seldomLog.warn(
        `retained ${project} ${device}`,
        { project, device },
        "a retained log frame is refused: publish without the retain flag",
      );
      this.#discard("mqtt_retained_messages_total", TopicOutcome.Refused, done);
      return;
    }
    const decoded = decodeFrame(message.payload);
    if (!decoded.ok) {
      this.#seldomLog.warn(
        `bad ${project} ${device}`,
        { project, device, problem: decoded.problem.text },
        "no frame in what a board published",
      );
      this.#discard("mqtt_bad_frames_total", TopicOutcome.Done, done);
      return;
    }
    void this.#frame(project, device, decoded.value, done);
  }

  async #frame(project: string, device: string, frame: Frame, done: Done): Promise<void> {
    // Clause 8.6: this sender waits for our ack and not for its broker's.
    const isAckedEarly = frame.boot !== undefined && !this.#link.senderWaits;
    const onReply = (reply: Reply): void => {
      const bytes = encodeReply(reply, frame, this.#clock.wallMs());
      if (bytes !== undefined) this.#link.publish(commandTopic(project, device), bytes);
      if (!isAckedEarly) done(TopicOutcome.Done);
    };
    if (frame.src !== undefined && !isOwnSrc(frame.src, device)) {
      this.#counters.add("mqtt_foreign_source_frames_total");
      this.#intake.refuse(frame, `src: ${device} may log as itself only`, onReply);
      if (isAckedEarly) done(TopicOutcome.Done);
      return;
    }
    try {
      await this.#intake.frame({ project, src: device }, frame, this.#intake.receipt(), onReply);
      if (isAckedEarly) done(TopicOutcome.Done);
    } catch (error) {
      if (!(error instanceof GatewayStopping)) throw error;
      done(TopicOutcome.Stopped);
    }
  }

  #discard(counter: string, outcome: TopicOutcome, done: Done): void {
    this.#counters.add(counter);
    done(outcome);
  }
}
