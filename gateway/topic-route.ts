import { TopicTemplate } from "./topic-template.ts";

/** What comes on a topic (docs/protocol.md 8). */
export const TopicKind = {
  /** Frames of boards, compact or clubby, in JSON or CBOR. */
  Frames: "frames",
  /** Whether a board is there: its last will and what it says of itself (8.7). */
  Presence: "presence",
  /** Each payload is the text of one entry (8.9). */
  Text: "text",
  /** Log lines of mongoose-os (8.10). */
  MongooseOs: "mongoose-os",
  /** Debug-log lines of Shelly Gen2 and later devices (8.10). */
  Shelly: "shelly",
} as const;
export type TopicKind = (typeof TopicKind)[keyof typeof TopicKind];

export interface TopicRoute {
  readonly template: TopicTemplate;
  readonly kind: TopicKind;
  /** For frames: where acks and answers go. */
  readonly answers?: TopicTemplate;
}

/** Boards with the agent (docs/protocol.md 8.1, 8.7). */
export const BOARD_ROUTES: readonly TopicRoute[] = [
  {
    template: TopicTemplate.of("boardlog/<project>/<device>/log"),
    kind: TopicKind.Frames,
    answers: TopicTemplate.of("boardlog/<project>/<device>/cmd"),
  },
  { template: TopicTemplate.of("boardlog/<project>/<device>/state"), kind: TopicKind.Presence },
];

/** Whether a board behind it keeps nothing and is sent no ack: only the PUBACK tells the broker to forget. */
export function isAgentless(kind: TopicKind): boolean {
  return kind === TopicKind.Text || kind === TopicKind.MongooseOs || kind === TopicKind.Shelly;
}
